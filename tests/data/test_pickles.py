"""The restricted unpickler builds plain containers and arrays of numbers, and runs nothing."""

import contextlib
import os
import pickle
from collections import OrderedDict

import numpy as np
import pytest
from tiny_images import batch, python2_pickle

from multiview.data.pickles import RefusedPickle, load_plain_pickle


class Calls:
    """Pickles as a call, as an attacker would write it."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def assert_same(left: dict, right: dict) -> None:
    assert left.keys() == right.keys()
    for key, value in right.items():
        np.testing.assert_array_equal(left[key], value)


@pytest.mark.parametrize(
    "dump", [python2_pickle, *((lambda value, p=p: pickle.dumps(value, p)) for p in (2, 3, 4))]
)
def test_reads_a_batch_whoever_wrote_it(dump):
    expected = batch([3, 1, 4], seed=0)
    found = load_plain_pickle(dump(expected))
    assert_same(found, expected)
    assert found[b"data"].dtype == np.uint8


def test_reads_text_arrays_of_any_number_and_either_memory_order():
    value = {
        "é": "text",
        "big-endian": np.arange(6, dtype=">i4").reshape(2, 3),
        "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    }
    assert_same(load_plain_pickle(pickle.dumps(value, 2)), value)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_os_system_is_refused_by_name_and_not_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    value = {b"data": Calls(os.system, f"touch {trace}")}
    with pytest.raises(RefusedPickle, match=r"asks for (posix|nt)\.system"):
        load_plain_pickle(pickle.dumps(value, protocol))
    assert not trace.exists()


@pytest.mark.parametrize(
    "value",
    [
        Calls(eval, "1"),
        Calls(getattr, "", "join"),
        Calls(np.load, "x", None, True),
        OrderedDict(a=1),
        np.float64(1.0),
        np.array([None]),
        np.zeros(2, [("a", "i4")]),
        np.array(["text"]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_other_name_or_type_is_refused(value):
    with pytest.raises(RefusedPickle):
        load_plain_pickle(pickle.dumps({"data": value}, 2))


@pytest.mark.parametrize("value", [1.5, None, True, (1, 2), {1}, {"nested": [0.5]}])
def test_types_no_image_file_needs_are_refused(value):
    with pytest.raises(RefusedPickle, match=r"the pickle (holds|asks)"):
        load_plain_pickle(pickle.dumps(value, 2))


def test_a_list_that_contains_itself_is_refused():
    value: list = []
    value.append(value)
    with pytest.raises(RefusedPickle, match="nests"):
        load_plain_pickle(pickle.dumps(value, 2))


def test_a_file_cannot_alter_what_a_name_stands_for():
    setattr_on_reconstruct = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\nN}U\x01xK\x01s\x86b."
    with pytest.raises(RefusedPickle, match="alters"):
        load_plain_pickle(setattr_on_reconstruct)


def test_an_array_shorter_than_its_shape_is_refused():
    content = pickle.dumps({"data": np.zeros((4, 5), np.uint8)}, 4)
    assert content.count(b"K\x04K\x05\x86") == 1
    with pytest.raises(RefusedPickle, match=r"has 20 bytes, not 30"):
        load_plain_pickle(content.replace(b"K\x04K\x05\x86", b"K\x06K\x05\x86"))


def test_every_truncation_is_one_error():
    content = python2_pickle({b"labels": [1, 2], b"data": np.zeros((2, 3), np.uint8)})
    load_plain_pickle(content)
    for end in range(len(content)):
        with pytest.raises(RefusedPickle):
            load_plain_pickle(content[:end])


def test_a_small_file_cannot_reserve_much_memory():
    with pytest.raises(RefusedPickle, match="reserves memory"):
        load_plain_pickle(b"\x80\x02]r\xff\xff\xff\xff.")


def test_damage_never_escapes_as_another_error():
    content = python2_pickle({b"labels": [1, 2], b"data": np.zeros((2, 3), np.uint8)})
    rng = np.random.default_rng(0)
    for _ in range(3000):
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        with contextlib.suppress(RefusedPickle):
            load_plain_pickle(bytes(damaged))
