"""Row files: their names, what comes back, and every way of being damaged."""

import errno
import json
import math
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from toy_experiment import Cell, Coin

from multiview.runs.rows import (
    DamagedRow,
    check_no_clash,
    check_tidy,
    columns,
    lines,
    plain_cell,
    read_row,
    row_key,
    split_result,
    write_row,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
cells = st.builds(
    Cell,
    seed=st.integers(),
    flips=st.integers(),
    sizes=st.lists(st.integers(), max_size=3).map(tuple),
    coin=st.builds(Coin, heads=finite),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(scalars, st.lists, max_leaves=8)
measures = st.dictionaries(st.text().filter(lambda name: "/" not in name), values, max_size=4)
results = st.dictionaries(st.text(), measures, max_size=3)
dtypes = st.sampled_from(["float32", "float64", "int64", "bool", "uint8"])
arrays = st.dictionaries(
    st.sampled_from(["a", "b", "c", "with space"]),
    st.builds(lambda dtype, shape: np.ones(shape, dtype), dtypes, st.tuples(st.integers(0, 3))),
)


def test_a_row_is_named_the_same_for_ever():
    key = row_key("toy", Cell(seed=1, flips=2), "version")
    assert key == "08dc1ad05ae277d8f1dfa935a56fe087"
    assert key == row_key("toy", replace(Cell(seed=1, flips=2)), "version")


@given(cells, cells)
def test_rows_have_one_name_only_if_their_cells_are_equal(one, other):
    assert (row_key("toy", one, "v") == row_key("toy", other, "v")) == (one == other)


@given(cells)
def test_every_field_changes_the_name(cell):
    others = [
        replace(cell, seed=cell.seed + 1),
        replace(cell, flips=cell.flips + 1),
        replace(cell, sizes=(*cell.sizes, 0)),
        replace(cell, coin=Coin(heads=float(np.nextafter(cell.coin.heads, 2.0)))),
    ]
    keys = {row_key("toy", c, "v") for c in [cell, *others]}
    keys |= {row_key("toy2", cell, "v"), row_key("toy", cell, "v2")}
    assert len(keys) == 7


@given(cells)
def test_a_cell_survives_json(cell):
    plain = json.loads(json.dumps(plain_cell(cell)))
    assert columns(plain) == {
        "seed": cell.seed,
        "flips": cell.flips,
        "sizes": cell.sizes,
        "coin.heads": cell.coin.heads,
    }


@dataclass(frozen=True)
class Wide:
    """Beside ``Deep``: another type with the same fields."""

    size: int = 1


@dataclass(frozen=True)
class Deep:
    size: int = 1


@dataclass(frozen=True)
class Anything:
    x: object


nets = st.builds(Wide, st.integers(0, 1)) | st.builds(Deep, st.integers(0, 1))
holders = st.builds(Anything, nets | st.lists(nets, max_size=2).map(tuple))


@given(holders, holders)
def test_types_with_equal_fields_are_different_cells(one, other):
    assert (row_key("toy", one, "v") == row_key("toy", other, "v")) == (one == other)


def test_two_types_are_two_cells_with_the_same_columns():
    pairs = [(Wide(), Deep()), (Anything(Wide()), Anything(Deep()))]
    pairs += [(Anything((Wide(),)), Anything((Deep(),)))]
    for one, other in pairs:
        assert row_key("toy", one, "v") != row_key("toy", other, "v")
        assert columns(plain_cell(one)) == columns(plain_cell(other))
    assert columns(plain_cell(Anything(Wide()))) == {"x.size": 1}
    assert columns(plain_cell(Anything((Wide(),)))) == {"x": ({"size": 1},)}
    assert plain_cell(Anything(Wide()))["x"] == {"__type__": "Wide", "size": 1}


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Path("a"), np.ones(2), {1: 1}, [object()], Coin]
)
def test_a_cell_that_json_would_change_is_refused(value):
    with pytest.raises(ValueError, match=r"Anything\.x"):
        plain_cell(Anything(value))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({1: 1}, r"Anything\.x has the key 1: use strings"),
        ({"__type__": "Wide"}, r"Anything\.x has the key '__type__'"),
        ({"a": {"b": math.nan}}, r"Anything\.x\['a'\]\['b'\]=nan"),
    ],
)
def test_a_mapping_of_other_keys_or_values_is_refused(value, message):
    with pytest.raises(ValueError, match=message):
        plain_cell(Anything(value))


mappings = st.dictionaries(st.text(), nets | finite, max_size=3)


@given(mappings, st.randoms())
def test_a_mapping_keeps_its_order_and_its_key_does_not_depend_on_it(mapping, random):
    names = random.sample(list(mapping), len(mapping))
    other = {name: mapping[name] for name in names}
    assert list(plain_cell(Anything(other))["x"]) == names
    keys = {row_key("toy", Anything(each), "v") for each in (mapping, other)}
    assert len(keys) == 1


@given(mappings, mappings)
def test_mappings_have_one_name_only_if_they_are_equal(one, other):
    keys = [row_key("toy", Anything(each), "v") for each in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_what_is_no_place_of_a_cell_is_no_column():
    assert columns(plain_cell(Anything({"a": Wide(), "b": 1}))) == {}
    assert columns(plain_cell(Anything({"a": 1, "b": None}))) == {"x.a": 1, "x.b": None}
    assert columns(plain_cell(Anything(Anything({"a": [1]})))) == {}
    assert columns(plain_cell(Anything((Anything(Wide()),)))) == {}
    assert columns(plain_cell(Anything((1, (2, 3))))) == {"x": (1, (2, 3))}


@dataclass(frozen=True)
class Placed:
    """A cell with a setting."""

    setting: object
    seed: int = 0


def test_the_fields_of_the_setting_are_columns_of_the_cell():
    setting = Anything(Wide(size=3))
    assert columns(plain_cell(Placed(setting))) == {"x.size": 3, "seed": 0}
    assert columns(plain_cell(Placed("weak"))) == {"setting": "weak", "seed": 0}
    assert columns(plain_cell(Placed({"x": 1}))) == {"setting.x": 1, "seed": 0}


@dataclass(frozen=True)
class Seeded:
    """A setting with a field that its cell has too."""

    seed: int = 0


def test_a_setting_with_a_column_of_its_cell_is_refused():
    with pytest.raises(ValueError, match="column 'seed': choose another name"):
        columns(plain_cell(Placed(Seeded())))
    with pytest.raises(ValueError, match=r"column 'x\.size'"):
        columns({"x": {"size": 1}, "setting": {"__type__": "Placed", "x.size": 2}})


@given(results, arrays, st.sampled_from(["coin", "a/b", "", "data"]))
def test_a_row_comes_back_as_it_was(tmp_path_factory, result, beside, method):
    directory = tmp_path_factory.mktemp("rows")
    plain = {k: v for k, v in result.get(method, {}).items() if k not in beside}
    values, found = split_result({**result, method: {**plain, **beside}})
    row = {"key": "k", "cell": {}, "result": values}
    write_row(directory, row, found)
    row = read_row(directory / "k.json")
    assert row["result"] == {**result, method: plain}
    assert set(row["arrays"]) == {f"{method}/{name}" for name in beside}
    (line,) = [each for each in lines(row) if each["method"] == method]
    assert set(line) >= set(plain) | set(beside)
    for name, array in beside.items():
        assert line[name].dtype == array.dtype
        np.testing.assert_array_equal(line[name], array)


def test_scalars_of_numpy_and_torch_become_numbers():
    measures = {
        "a": np.float32(0.5),
        "b": [np.int64(3), np.bool_(True)],
        "c": torch.tensor(2.0),
        "d": torch.ones(2, 2),
    }
    values, beside = split_result({"data": measures})
    values = values["data"]
    assert values == {"a": 0.5, "b": [3, True], "c": 2.0}
    assert [type(value) for value in (values["a"], *values["b"])] == [float, int, bool]
    np.testing.assert_array_equal(beside["data/d"], np.ones((2, 2), np.float32))


@pytest.mark.parametrize("value", [{1, 2}, object(), [np.ones(2)], {1: 2}, np.array([None, 1])])
def test_what_a_row_cannot_hold_is_refused_by_name(value):
    with pytest.raises(TypeError, match="data/strange"):
        split_result({"data": {"strange": value}})


def test_two_values_for_one_column_are_refused():
    cell = plain_cell(Cell(seed=0, flips=1))
    check_no_clash(cell, {"coin": {"heads": 1, "error": 2}, "data": {"error": 3}})
    for name in ("coin.heads", "flips", "seconds", "method"):
        with pytest.raises(ValueError, match=name):
            check_no_clash(cell, {"coin": {"error": 1}, "data": {name: 2}})
    with pytest.raises(ValueError, match="device"):
        check_no_clash({"device": "cpu"})


@pytest.mark.parametrize(
    ("result", "error", "match"),
    [
        (None, TypeError, "the result is a NoneType: return {method: {measure: value}}"),
        ([{"error": 1}], TypeError, "the result is a list"),
        ({"error": 0.5}, TypeError, "'error' of the result is a float: return {method: {measure"),
        ({"coin": [1]}, TypeError, "'coin' of the result is a list"),
        ({2: {"error": 0.5}}, TypeError, "2 is a name in the result"),
        ({"coin": {2: 0.5}}, TypeError, "2 is a name in the result"),
        ({"coin": {"a/b": 0.5}}, ValueError, "the measure 'a/b' holds a slash"),
    ],
)
def test_a_result_that_is_not_tidy_is_refused(result, error, match):
    with pytest.raises(error, match=re.escape(match)):
        check_tidy(result)


@given(results)
def test_tidy_results_are_not_refused(result):
    check_tidy(result)


def test_a_row_is_a_line_a_method():
    stamp = {"key": "k", "status": "ok"}
    cell = {"seed": 3, "coin": {"heads": 0.5}}
    result = {"one": {"error": 0.1, "steps": 7}, "a/b": {"error": 0.2}, "data": {"size": 9}}
    arrays = {"one/views": np.ones(2), "a/b/views": np.zeros(3)}
    row = {**stamp, "cell": cell, "result": result, "arrays": arrays}
    one, other, data = lines(row)
    shared = {"seed": 3, "coin.heads": 0.5, **stamp}
    assert data == {**shared, "method": "data", "size": 9}
    assert one.pop("views").tolist() == [1, 1]
    assert other.pop("views").tolist() == [0, 0, 0]
    assert one == {**shared, "method": "one", "error": 0.1, "steps": 7}
    assert other == {**shared, "method": "a/b", "error": 0.2}


def test_a_failed_cell_is_one_line_without_a_method():
    row = {"key": "k", "status": "failed", "cell": {"seed": 1}, "result": {}, "arrays": {}}
    assert lines(row) == [{"seed": 1, "method": None, "key": "k", "status": "failed"}]


ROW = {"key": "k", "result": {"data": {"error": 0.25}}}


@pytest.fixture
def stored(tmp_path):
    write_row(tmp_path, ROW, {"data/a": np.arange(5), "data/b": np.ones(3)})
    return tmp_path / "k.json"


def test_the_same_row_has_the_same_bytes(stored, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_row(other, ROW, {"data/a": np.arange(5), "data/b": np.ones(3)})
    for suffix in (".json", ".npz"):
        assert stored.with_suffix(suffix).read_bytes() == (other / f"k{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_row_cut_anywhere_is_damaged(stored, suffix):
    path = stored.with_suffix(suffix)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DamagedRow, match=str(path)):
            read_row(stored)


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_flipped_bit_never_gives_another_row(stored, suffix):
    before = read_row(stored)
    path = stored.with_suffix(suffix)
    whole = path.read_bytes()
    for place in range(0, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            after = read_row(stored)  # e.g. a blank that became another
        except DamagedRow:
            continue
        np.testing.assert_equal(after, before)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", "null", '{"row": {}, "digest": ""}', "\xff", "[" * 10**5]
)
def test_what_is_no_row_is_damaged(stored, text):
    stored.write_text(text, encoding="latin-1")
    with pytest.raises(DamagedRow, match=str(stored)):
        read_row(stored)


def test_a_row_of_an_older_version_is_named(tmp_path):
    write_row(tmp_path, {"key": "k", "result": {"error": 0.25}}, {})
    with pytest.raises(DamagedRow, match="names no methods, as older versions wrote it"):
        read_row(tmp_path / "k.json")


def test_a_row_under_another_name_and_one_without_its_arrays_are_damaged(stored):
    stored.with_name("other.json").write_bytes(stored.read_bytes())
    with pytest.raises(DamagedRow, match="another name"):
        read_row(stored.with_name("other.json"))
    stored.with_suffix(".npz").unlink()
    with pytest.raises(DamagedRow, match="missing"):
        read_row(stored)


@pytest.mark.parametrize("calls_before", [0, 1])
def test_a_full_disk_leaves_neither_row_nor_junk(tmp_path, monkeypatch, calls_before):
    calls = iter([None] * calls_before)
    sync = os.fsync

    def full(descriptor):
        if next(calls, "full") == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_row(tmp_path, {"key": "k"}, {"a": np.ones(3)})
    assert [path.name for path in tmp_path.iterdir()] == ["k.npz"][:calls_before]
