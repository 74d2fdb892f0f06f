"""Bad files of our own: rows, runs, published rows, kernels on disk and checkpoints."""

import gzip
import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from one_bad_input import BadInput
from toy_runs import stored_toy

from multiview.runs.publish import Damaged, publish, published_runs
from multiview.runs.rows import DamagedRow, read_row, row_paths, write_row
from multiview.runs.store import export, load, read_rows, stored_runs

COMMIT = "c0ffee" + "0" * 34
ROW = {"key": "a" * 32, "experiment": "e", "result": {"m": {"x": 1}}, "commit": COMMIT}


class Runs:
    """Makes the file "ran" when it is unpickled."""

    def __reduce__(self) -> tuple:
        return os.system, ("touch ran",)


def row_file(here: Path) -> Path:
    """A row with an array, stored."""
    write_row(here, ROW, {"m/y": np.arange(4)})
    return here / f"{ROW['key']}.json"


def row(name: str, spoil: Callable[[Path], Any], message: str) -> BadInput:
    """A line about a row of which something is spoilt."""
    path = f"{'a' * 32}.json"
    return BadInput(
        name,
        lambda here: read_row(here / path),
        message,
        error=DamagedRow,
        prepare=lambda here: spoil(row_file(here)),
    )


def rewritten(change: Callable[[dict], Any]) -> Callable[[Path], Any]:
    """Change a row, and its digest so that it fits."""

    def spoil(path: Path) -> None:
        row = json.loads(path.read_text())["row"]
        change(row)
        digest = hashlib.sha256(json.dumps(row).encode()).hexdigest()
        path.write_text(json.dumps({"digest": digest, "row": row}))

    return spoil


def cut(path: Path) -> None:
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def altered(old: str, new: str) -> Callable[[Path], Any]:
    """Change a text in a file."""
    return lambda path: path.write_text(path.read_text().replace(old, new))


def poisoned_arrays(path: Path) -> None:
    """Put a pickle in the place of the arrays, and its digest into the row."""
    content = pickle.dumps(Runs())
    path.with_suffix(".npz").write_bytes(content)
    rewritten(lambda row: row.update(arrays=hashlib.sha256(content).hexdigest()))(path)


def two_experiments(here: Path) -> None:
    """Put rows of two experiments into one folder."""
    for name in "ab":
        row = ROW | {"key": name * 32, "experiment": name, "finished": name}
        write_row(here, row, {})


ROWS: list[BadInput] = [
    row(
        "a row cut short",
        cut,
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json: not a row file (Expecting "
        "property name enclosed in double quotes: line 6 column 14 (char 170))",
    ),
    row(
        "a row that is no JSON",
        lambda path: path.write_bytes(b"\x80\x02."),
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json: not a row file ('utf-8' "
        "codec can't decode byte 0x80 in position 0: invalid start byte)",
    ),
    row(
        "a row that is a list",
        lambda path: path.write_text("[1]"),
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json: not a row file (list "
        "indices must be integers or slices, not str)",
    ),
    row(
        "a row with another number",
        altered('"x": 1', '"x": 2'),
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json: its content does not match its digest",
    ),
    BadInput(
        "a row under another name",
        lambda here: read_row(here / "other.json"),
        "{here}/other.json: it is the row aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa under another name",
        error=DamagedRow,
        prepare=lambda here: row_file(here).rename(here / "other.json"),
    ),
    row(
        "a row without methods",
        rewritten(lambda row: row.update(result={"x": 1})),
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json: its result names no "
        "methods, as older versions wrote it",
    ),
    row(
        "no arrays",
        lambda path: path.with_suffix(".npz").unlink(),
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.npz: the row's arrays are missing",
    ),
    row(
        "arrays cut short",
        lambda path: cut(path.with_suffix(".npz")),
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.npz: 146 bytes that do not match the row's digest",
    ),
    row(
        "arrays that are a pickle",
        poisoned_arrays,
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.npz: not an archive of arrays (ValueError)",
    ),
    BadInput(
        "rows of nothing",
        lambda here: load(here / "lottery"),
        "no rows in {here}/lottery: make them with `multiview run lottery`.",
        error=FileNotFoundError,
    ),
    BadInput(
        "rows of no version",
        lambda here: load(here, versions="latest"),  # type: ignore[arg-type]
        "versions='latest' is neither 'newest' nor 'all': use one of them.",
    ),
    BadInput(
        "rows of two experiments",
        lambda here: load(here),
        "{here} holds rows of a, b, whose columns differ: load one experiment, such as '{here}/a'.",
        prepare=two_experiments,
    ),
    BadInput(
        "a damaged row among others",
        lambda here: read_rows(row_paths(here)),
        "damaged row, computed again by the next run: "
        "{here}/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.json: not a row file (Expecting "
        "property name enclosed in double quotes: line 6 column 14 (char 170))",
        error=UserWarning,
        prepare=lambda here: cut(row_file(here)),
    ),
    BadInput(
        "a damaged file of a run",
        lambda here: stored_runs(here),
        "damaged run file {here}/toy/toy.run.json: run it again (Expecting "
        "property name enclosed in double quotes: line 1 column 2 (char 1))",
        error=UserWarning,
        prepare=lambda here: ((here / "toy").mkdir(), (here / "toy/toy.run.json").write_text("{")),
    ),
    BadInput(
        "an export without an ending",
        lambda here: export(None, here / "table"),  # type: ignore[arg-type]
        "export={here}/table must end in .parquet or .csv: name such a file.",
    ),
]


def packed(here: Path) -> Path:
    """Published rows of the toy experiment."""
    run = stored_toy(here / "results")
    rows = [{**each, "commit": COMMIT} for each in run.rows()]
    committed = type("Committed", (type(run),), {"rows": lambda self: rows})
    publish([committed(**vars(run))], here)
    return here / "toy_experiment.jsonl.gz"


def pack(name: str, spoil: Callable[[Path], Any], message: str) -> BadInput:
    """A line about published rows of which something is spoilt."""
    return BadInput(
        name,
        lambda here: published_runs(here, "toy_experiment"),
        message,
        error=Damaged,
        prepare=lambda here: spoil(packed(here)),
    )


def about(path: Path) -> Path:
    """The file beside the rows."""
    return path.with_name("toy_experiment.runs.json")


def repacked(change: Callable[[dict], Any]) -> Callable[[Path], Any]:
    """Change every row, and the digest so that it fits."""

    def spoil(path: Path) -> None:
        rows = [json.loads(each) for each in gzip.decompress(path.read_bytes()).splitlines()]
        for each in rows:
            change(each)
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode(), mtime=0))
        whole = json.loads(about(path).read_text())
        whole["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        about(path).write_text(json.dumps(whole))

    return spoil


PACKS: list[BadInput] = [
    pack(
        "a pack cut short",
        cut,
        "{here}/toy_experiment.jsonl.gz is not as it was published (its sha256 is "
        "not the one in the file beside it): restore it with `git checkout -- "
        "{here}/toy_experiment.jsonl.gz {here}/toy_experiment.runs.json`, or "
        "remove both and publish again.",
    ),
    pack(
        "a pack alone",
        lambda path: about(path).unlink(),
        "{here}/toy_experiment.jsonl.gz is not as it was published "
        "(FileNotFoundError: [Errno 2] No such file or directory: "
        "'{here}/toy_experiment.runs.json'): restore it with `git checkout -- "
        "{here}/toy_experiment.jsonl.gz {here}/toy_experiment.runs.json`, or "
        "remove both and publish again.",
    ),
    pack(
        "a pack of text",
        lambda path: path.write_text("rows"),
        "{here}/toy_experiment.jsonl.gz is not as it was published (its sha256 is "
        "not the one in the file beside it): restore it with `git checkout -- "
        "{here}/toy_experiment.jsonl.gz {here}/toy_experiment.runs.json`, or "
        "remove both and publish again.",
    ),
    pack(
        "a description that is no JSON",
        lambda path: about(path).write_text("{"),
        "{here}/toy_experiment.jsonl.gz is not as it was published "
        "(JSONDecodeError: Expecting property name enclosed in double quotes: line "
        "1 column 2 (char 1)): restore it with `git checkout -- "
        "{here}/toy_experiment.jsonl.gz {here}/toy_experiment.runs.json`, or "
        "remove both and publish again.",
    ),
    pack(
        "a description without a digest",
        lambda path: about(path).write_text('{"runs": {}}'),
        "{here}/toy_experiment.jsonl.gz is not as it was published (KeyError: "
        "'sha256'): restore it with `git checkout -- "
        "{here}/toy_experiment.jsonl.gz {here}/toy_experiment.runs.json`, or "
        "remove both and publish again.",
    ),
    pack(
        "rows of another experiment",
        repacked(lambda row: row.update(experiment="other")),
        "{here}/toy_experiment.jsonl.gz is not as it was published (it holds rows "
        "of other): restore it with `git checkout -- "
        "{here}/toy_experiment.jsonl.gz {here}/toy_experiment.runs.json`, or "
        "remove both and publish again.",
    ),
    pack(
        "rows of another run",
        repacked(lambda row: row.update(run="other")),
        "{here}/toy_experiment.jsonl.gz is not as it was published (its runs are "
        "not those of the file beside it): restore it with `git checkout -- "
        "{here}/toy_experiment.jsonl.gz {here}/toy_experiment.runs.json`, or "
        "remove both and publish again.",
    ),
    pack(
        "rows of one key",
        repacked(lambda row: row.update(key="a")),
        "{here}/toy_experiment.jsonl.gz is not as it was published (its rows are "
        "not those of the run toy_experiment-smoke): restore it with `git checkout "
        "-- {here}/toy_experiment.jsonl.gz {here}/toy_experiment.runs.json`, or "
        "remove both and publish again.",
    ),
    pack(
        "arrays of objects",
        repacked(lambda row: row.update(arrays={"coin/flips_made": "object"})),
        "{here}/toy_experiment.jsonl.gz is not as it was published "
        "(coin/flips_made is said to hold object, and rows hold numbers): restore "
        "it with `git checkout -- {here}/toy_experiment.jsonl.gz "
        "{here}/toy_experiment.runs.json`, or remove both and publish again.",
    ),
]
