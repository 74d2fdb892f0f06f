"""Published rows: the same bytes from the same rows, nothing lost, and one clear error."""

import gzip
import hashlib
import json
import socket
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toy_experiment import EXPERIMENT
from toy_runs import COMMIT, run_toy, stored_toy

from multiview.runs.experiment import Experiment, Preset
from multiview.runs.publish import (
    Damaged,
    PublishedRun,
    digest,
    plain,
    publish,
    published_names,
    published_runs,
)
from multiview.runs.store import Run
from multiview.runs.verdicts import judgements

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture
def run(tmp_path) -> Run:
    return stored_toy(tmp_path / "out")


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / "rows"


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_equal_rows_give_equal_bytes(run, folder, tmp_path):
    assert publish([run], folder) == folder / "toy_experiment.jsonl.gz"
    first = files(folder)
    assert set(first) == {"toy_experiment.jsonl.gz", "toy_experiment.runs.json"}
    publish([run], folder)
    assert files(folder) == first
    publish([run], tmp_path / "elsewhere")
    assert files(tmp_path / "elsewhere") == first
    publish(published_runs(folder), tmp_path / "again")  # what was read back
    assert files(tmp_path / "again") == first


def test_what_is_read_back_is_what_was_stored(run, folder):
    publish([run], folder)
    (found,) = published_runs(folder)
    assert isinstance(found, PublishedRun)
    kept = {"directory": None, "stored": None}
    assert {**asdict(found), **kept} == {**asdict(run), **kept}
    table, stored = found.table(), run.table()
    assert list(table.columns) == list(stored.columns)
    for name in table.columns:
        for one, other in zip(table[name], stored[name], strict=True):
            np.testing.assert_equal(one, other)
    assert table["flips_made"][0].dtype == bool
    (one,), (other,) = judgements(EXPERIMENT, found, table), judgements(EXPERIMENT, run, stored)
    assert replace(one, claim=other.claim) == other


@dataclass(frozen=True)
class Cell:
    seed: int = 0


def made(tmp_path, result, name="made") -> Run:
    """A run of one cell with this result."""
    experiment = Experiment(
        name=name,
        description="Made.",
        run=lambda cell, context: result,
        presets={"smoke": Preset(cells=[Cell()])},
    )
    found, (outcome,) = run_toy(tmp_path / "out", experiment=experiment, fresh=True)
    assert outcome.status == "ok", outcome.message
    return found


def lines(path):
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.fixture
def version(monkeypatch):
    """Functions made here are of no file that has a version."""
    monkeypatch.setattr("multiview.runs.experiment.code_version", lambda *given: "0" * 16)


@pytest.mark.usefixtures("version")
def test_methods_and_measures_keep_their_order(tmp_path, folder):
    result = {"zebra": {"z": 1, "a": 2}, "ant": {"b": 3}, "data": {"c": 4}}
    run = made(tmp_path, result)
    (row,) = lines(publish([run], folder))
    assert [(method, list(measures)) for method, measures in row["result"].items()] == [
        ("zebra", ["z", "a"]),
        ("ant", ["b"]),
        ("data", ["c"]),
    ]
    assert published_runs(folder)[0].table()["method"].tolist() == ["zebra", "ant", "data"]


@pytest.mark.usefixtures("version")
def test_nan_is_null_and_comes_back_as_a_missing_value(tmp_path, folder):
    measures = {
        "gap": np.nan,
        "list": [0.5, np.nan],
        "array": np.array([[np.nan, 1.0]], np.float32),
        "empty": np.zeros((2, 0)),
        "error": 0.25,
    }
    run = made(tmp_path, {"one": measures, "two": {"gap": 1.0}})
    path = publish([run], folder)
    (row,) = lines(path)
    assert "NaN" not in gzip.decompress(path.read_bytes()).decode()
    found = row["result"]["one"]
    assert found["gap"] is None
    assert found["list"] == [0.5, None]
    assert found["array"] == [[None, 1.0]]
    table = published_runs(folder)[0].table()
    assert table["gap"].dtype == float
    assert table["gap"].isna().tolist() == [True, False]
    array = table["array"][0]
    assert (array.dtype, array.shape, table["empty"][0].shape) == (np.float32, (1, 2), (2, 0))
    np.testing.assert_array_equal(array, measures["array"])


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize(
    "value", [np.inf, [0.0, -np.inf], np.array([[np.inf], [0.5]], np.float32), {"a": -np.inf}]
)
def test_infinite_numbers_are_texts_in_the_file_and_numbers_again(tmp_path, folder, value):
    run = made(tmp_path, {"one": {"error": value}})
    text = gzip.decompress(publish([run], folder).read_bytes()).decode()
    assert "Infinity" in text
    json.loads(text.splitlines()[0], parse_constant=pytest.fail)  # strict JSON
    (found,) = published_runs(folder)[0].table()["error"]
    assert str(found) == str(run.table()["error"].iloc[0])


def test_plain_values_are_those_of_strict_json():
    value = {"a": (1, 2.5, None, "x", True), "b": float("nan")}
    assert plain(value) == {"a": [1, 2.5, None, "x", True], "b": None}


@pytest.mark.parametrize("commit", ["", f"{COMMIT}-dirty"])
def test_rows_of_code_in_no_commit_are_refused(tmp_path, folder, monkeypatch, commit):
    monkeypatch.setattr("multiview.runs.runner.commit", lambda: commit)
    run = stored_toy(tmp_path / "out")
    with pytest.raises(ValueError, match=r"in no commit: commit it, then run `.*--fresh`"):
        publish([run], folder)
    assert not folder.exists()


def test_missing_rows_are_refused(run, folder):
    (run.directory / f"{run.keys[0]}.json").unlink()
    with pytest.raises(ValueError, match="1 rows of toy_experiment-smoke are missing: run `multi"):
        publish([run], folder)


def test_runs_are_merged_by_label(tmp_path, folder):
    smoke = stored_toy(tmp_path / "out")
    forged = stored_toy(tmp_path / "out", coin="forged")
    publish([smoke], folder)
    publish([forged], folder)
    alone = files(folder)
    labels = ["toy_experiment-smoke", "toy_experiment-smoke-coin_forged"]
    assert [found.label for found in published_runs(folder)] == labels
    publish([forged, smoke], folder)
    assert files(folder) == alone
    longer = stored_toy(tmp_path / "out", seeds=3)  # takes the place of its label
    publish([longer], folder)
    found = {found.label: found for found in published_runs(folder)}
    assert [len(found[label].rows()) for label in labels] == [6, 4]
    np.testing.assert_array_equal(found[labels[1]].table()["error"], forged.table()["error"])


def test_experiments_have_files_of_their_own(tmp_path, folder):
    publish([stored_toy(tmp_path / "out")], folder)
    publish([stored_toy(tmp_path / "out", experiment=replace(EXPERIMENT, name="other"))], folder)
    assert published_names(folder) == ["other", "toy_experiment"]
    assert [run.experiment for run in published_runs(folder)] == ["other", "toy_experiment"]
    assert [run.experiment for run in published_runs(folder, "other")] == ["other"]
    assert published_runs(folder, "nothing") == published_runs(folder / "nowhere") == []


def test_a_failed_cell_is_published_as_one(tmp_path, folder, monkeypatch):
    monkeypatch.setenv("TOY_SEED_1", "diverge")
    run = stored_toy(tmp_path / "out")
    publish([run], folder)
    table = published_runs(folder)[0].table()
    assert table["status"].tolist() == run.table()["status"].tolist()
    assert table["method"].isna().tolist() == [False] * 4 + [True] * 2


def test_no_machine_and_no_path_is_published(run, folder):
    text = gzip.decompress(publish([run], folder).read_bytes()).decode()
    text += (folder / "toy_experiment.runs.json").read_text()
    named = (str(Path.home()), str(run.directory), str(Path.cwd()), "/tmp", socket.gethostname())
    for each in named:
        assert each not in text
    assert "/home/" not in text


def test_a_row_says_what_other_programs_need(run, folder):
    row = lines(publish([run], folder))[0]
    assert row["run"] == "toy_experiment-smoke"
    assert row["command"] == "multiview run toy_experiment --preset smoke"
    assert (row["seed"], row["commit"], row["status"]) == (0, COMMIT, "ok")
    assert row["cell"]["flips"] == 100
    assert "run" not in published_runs(folder)[0].table().columns


def test_what_is_published_is_not_written_to(run, folder):
    publish([run], folder)
    (found,) = published_runs(folder)
    with pytest.raises(TypeError, match="toy_experiment-smoke is published"):
        found.save(".png", b"")


# Damage


def damaged(folder):
    """The one error, which names the file and what to do."""
    with pytest.raises(Damaged) as error:
        published_runs(folder)
    path, about = folder / "toy_experiment.jsonl.gz", folder / "toy_experiment.runs.json"
    text = str(error.value)
    assert text.startswith(f"{path} is not as it was published (")
    assert f"`git checkout -- {path} {about}`" in text
    assert "\n" not in text
    return text


@pytest.fixture
def whole(run, folder):
    return publish([run], folder)


def test_rows_cut_anywhere_are_damaged(whole, folder):
    data = whole.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        whole.write_bytes(data[:length])
        damaged(folder)


def test_a_flipped_byte_is_damage_wherever_it_is(whole, folder):
    data = whole.read_bytes()
    for place in range(0, len(data), 41):
        whole.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
        assert "its sha256 is not the one in the file beside it" in damaged(folder)


def test_a_number_written_over_is_damage(whole, folder):
    def better(rows):
        rows[0]["result"]["coin"]["error"] = 0.0
        return rows

    pack(whole, better)
    assert "its sha256 is not the one in the file beside it" in damaged(folder)


def test_the_file_of_runs_names_the_digest_of_the_rows(whole, folder):
    about = json.loads((folder / "toy_experiment.runs.json").read_text())
    assert set(about) == {"sha256", "runs"}
    assert about["sha256"] == hashlib.sha256(whole.read_bytes()).hexdigest()
    assert list(about["runs"]) == ["toy_experiment-smoke"]


@pytest.mark.parametrize("missing", ["sha256", "runs"])
def test_a_file_of_runs_without_digest_or_runs_is_damaged(whole, folder, missing):
    path = folder / "toy_experiment.runs.json"
    about = json.loads(path.read_text())
    del about[missing]
    path.write_text(json.dumps(about))
    assert f"KeyError: '{missing}'" in damaged(folder)


@pytest.mark.parametrize(
    "text", [b"", b"not JSON", b"[1]\n", b'"a"\n', b"{}\n", b"\xff\n", b"[" * 10**5]
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_row_is_damaged(whole, folder, text, packed):
    whole.write_bytes(gzip.compress(text) if packed else text)
    damaged(folder)
    certify(whole)
    assert "sha256" not in damaged(folder)


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"{}", b"null", b'{"a": {}}', b"\xff"])
def test_what_says_nothing_of_the_runs_is_damaged(whole, folder, text):
    about = folder / "toy_experiment.runs.json"
    about.write_bytes(text)
    damaged(folder)
    about.write_bytes(b'{"sha256": "%s", "runs": %s}' % (digest(whole.read_bytes()).encode(), text))
    assert "sha256" not in damaged(folder)


def test_a_missing_file_of_runs_is_damage(whole, folder):
    (folder / "toy_experiment.runs.json").unlink()
    assert "No such file" in damaged(folder)


def pack(path, change):
    """Pack the rows of a file again, changed."""
    text = "".join(json.dumps(row) + "\n" for row in change(lines(path)))
    path.write_bytes(gzip.compress(text.encode()))


def rewrite(path, change):
    """Pack the rows again, changed, with their new digest."""
    pack(path, change)
    certify(path)


def certify(path):
    """Let the file beside the rows name their digest."""
    about = path.with_name("toy_experiment.runs.json")
    runs = json.loads(about.read_text())["runs"]
    about.write_text(json.dumps({"sha256": digest(path.read_bytes()), "runs": runs}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[1:], "its rows are not those of the run"),
        (lambda rows: [{**rows[0], "key": "0"}, *rows[1:]], "its rows are not those of the run"),
        (lambda rows: [{**rows[0], "run": "other"}, *rows[1:]], "its runs are not those"),
        (lambda rows: [{**row, "experiment": "other"} for row in rows], "it holds rows of other"),
        (lambda rows: [{**row, "arrays": {"coin/a": "bool"}} for row in rows], "KeyError"),
        (lambda rows: [], "its runs are not those"),
    ],
)
def test_other_rows_than_those_of_the_run_are_damage(whole, folder, change, said):
    rewrite(whole, change)
    assert said in damaged(folder)


def test_rows_of_another_experiment_are_damage(whole, folder):
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("toy_experiment", "other")))
    with pytest.raises(Damaged, match=r"other.jsonl.gz .*holds rows of toy_experiment"):
        published_runs(folder)


def test_nothing_is_published_over_damaged_rows(whole, folder, run):
    whole.write_bytes(b"")
    with pytest.raises(Damaged, match="remove both and publish again"):
        publish([run], folder)
    assert whole.read_bytes() == b""
    for path in folder.iterdir():
        path.unlink()
    publish([run], folder)
    assert isinstance(published_runs(folder)[0].table(), pd.DataFrame)
