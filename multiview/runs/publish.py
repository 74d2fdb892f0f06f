"""Published rows: a run's rows packed into one file that is committed, so that numbers last.

``NAME.jsonl.gz`` holds a line a row, as JSON that any program reads: its cell, its results, the
version and commit of the code and the command that makes it. ``NAME.runs.json`` beside it says what
the runs are, with the claims as registered, and holds the digest of the rows' file. Equal rows give
equal bytes.
"""

import gzip
import hashlib
import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiview.atomic import write_atomically
from multiview.runs.bundled import importable
from multiview.runs.store import Run

INFINITE = {math.inf: "Infinity", -math.inf: "-Infinity"}
ROWS_SUFFIX, RUNS_SUFFIX = ".jsonl.gz", ".runs.json"
ADDED = ("run", "command", "seed")  # to a row: what the run and the cell say


# What reading a file raises that is not what was published.
FORMS = (OSError, EOFError, zlib.error, ValueError, TypeError, LookupError, RecursionError)


class Damaged(ValueError):
    """A published file is not what was published."""


def rows_folder() -> Path:
    """Where published rows lie: in the package of the figures drawn from them.

    Raises:
        FileNotFoundError: If there is no such package.
    """
    spec = importable("figures", ours_first=True)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("there is no package figures: published rows lie in a clone.")
    return Path(next(iter(spec.submodule_search_locations))) / "rows"


@dataclass(frozen=True, kw_only=True)
class PublishedRun(Run):
    """A run whose rows have been published."""

    stored: tuple[dict[str, Any], ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        return list(self.stored)

    def save(self, suffix: str, data: bytes) -> Path:
        raise TypeError(f"{self.label} is published: its files are committed, not written here.")


def publish(runs: Sequence[Run], folder: Path) -> Path:
    """Pack runs of one experiment beside those of it that are published already.

    A published run of the same label is replaced.

    Returns:
        The path of the rows.

    Raises:
        ValueError: If rows are missing or were made by code that is in no commit, if seeds would
            be lost that are published, or if what is published already is damaged.
    """
    name = runs[0].experiment
    kept = {run.label: run for run in published_runs(folder, name)}
    every = kept | {run.label: run for run in runs}
    lines, about = [], {}
    for label in sorted(every):
        run = every[label]
        rows = run.rows()
        check_whole(run, rows)
        if label in kept and (lost := _seeds(kept[label].rows()) - _seeds(rows)):
            raise ValueError(
                f"seeds {sorted(lost)} of {label} are published and not stored: compute them as "
                "well, or remove what is published first."
            )
        lines += [line(run, row) for row in rows]
        about[label] = description(run)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}{ROWS_SUFFIX}"
    packed = gzip.compress("".join(lines).encode(), 9, mtime=0)
    write_atomically(path, packed)
    whole = {"sha256": digest(packed), "runs": about}
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False)
    write_atomically(folder / f"{name}{RUNS_SUFFIX}", f"{text}\n".encode())
    return path


def check_whole(run: Run, rows: Sequence[Mapping[str, Any]]) -> None:
    """Raise a ValueError unless every row of the run is there, made by code that is in a commit."""
    if missing := len(run.keys) - len(rows):
        raise ValueError(f"{missing} rows of {run.label} are missing: run `{run.command}` first.")
    if any(not row["commit"] or row["commit"].endswith("-dirty") for row in rows):
        raise ValueError(
            f"rows of {run.label} were made by code that is in no commit: commit it, then run "
            f"`{run.command} --fresh`."
        )


def _seeds(rows: Iterable[Mapping[str, Any]]) -> set[int]:
    return {row["cell"]["seed"] for row in rows}


def digest(packed: bytes) -> str:
    """What the file of runs says of the file of rows, so that a change in either shows."""
    return hashlib.sha256(packed).hexdigest()


def description(run: Run) -> dict[str, Any]:
    """What a run is, without its rows and folder."""
    left_out = ("directory", "label", "stored")
    return {name: value for name, value in asdict(run).items() if name not in left_out}


def line(run: Run, row: Mapping[str, Any]) -> str:
    """A row as one line of JSON: NaN as null, arrays as nested lists, their types beside them.

    Infinite numbers are the texts "Infinity" and "-Infinity".
    """
    result: dict[str, dict[str, Any]] = {
        method: dict(measures) for method, measures in row["result"].items()
    }
    for where, array in row["arrays"].items():
        method, _, measure = where.rpartition("/")
        result[method][measure] = array.tolist()
    whole = {
        **row,
        "arrays": {where: str(array.dtype) for where, array in row["arrays"].items()},
        "run": run.label,
        "command": run.command,
        "seed": row["cell"]["seed"],
        "result": plain(result),
    }
    # Keys are not sorted: tables and figures show methods in the order of the results.
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False) + "\n"


def with_arrays(row: Mapping[str, Any]) -> dict[str, Any]:
    """A published row as it was stored: its arrays apart, and without what was added."""
    result = numbers(row["result"])
    arrays = {}
    for where, dtype in row["arrays"].items():
        method, _, measure = where.rpartition("/")
        if np.dtype(dtype).hasobject:
            raise Damaged(f"{where} is said to hold {dtype}, and rows hold numbers")
        arrays[where] = np.array(result[method].pop(measure), dtype)
    kept = {name: value for name, value in row.items() if name not in ADDED}
    return {**kept, "result": result, "arrays": arrays}


def plain(value: Any) -> Any:
    """A value as strict JSON has it, which knows no infinite numbers: they become texts."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and math.isinf(value):
        return INFINITE[value]
    return None if isinstance(value, float) and math.isnan(value) else value


def numbers(value: Any) -> Any:
    """A value read from JSON, with infinite numbers again."""
    if isinstance(value, dict):
        return {name: numbers(each) for name, each in value.items()}
    if isinstance(value, list):
        return [numbers(each) for each in value]
    return float(value) if value in INFINITE.values() else value


def published_runs(folder: Path, name: str | None = None) -> list[PublishedRun]:
    """The published runs of an experiment, or of all, sorted by experiment and label.

    Raises:
        Damaged: If a file is not whole, or of another experiment.
    """
    names = [name] if name is not None else published_names(folder)
    return [run for each in names for run in _runs_of(folder, each)]


def published_names(folder: Path) -> list[str]:
    """Names of the experiments with published rows, sorted."""
    return sorted(path.name.removesuffix(ROWS_SUFFIX) for path in folder.glob(f"*{ROWS_SUFFIX}"))


def _runs_of(folder: Path, name: str) -> Iterable[PublishedRun]:
    path, about = folder / f"{name}{ROWS_SUFFIX}", folder / f"{name}{RUNS_SUFFIX}"
    if not path.exists():
        return []
    try:
        packed, whole = path.read_bytes(), json.loads(about.read_bytes())
        known = whole["runs"]
        if digest(packed) != whole["sha256"]:
            raise Damaged("its sha256 is not the one in the file beside it")
        rows = [json.loads(each) for each in gzip.decompress(packed).splitlines()]
        if {row["run"] for row in rows} != set(known):
            raise Damaged("its runs are not those of the file beside it")
        return [_run(folder, label, known[label], rows, name) for label in sorted(known)]
    except Damaged as damage:
        raise _damaged(path, about, str(damage)) from damage
    except FORMS as error:
        raise _damaged(path, about, f"{type(error).__name__}: {error}") from error


def _run(
    folder: Path, label: str, about: dict[str, Any], rows: list[dict[str, Any]], name: str
) -> PublishedRun:
    own = {row["key"]: row for row in rows if row["run"] == label}
    if others := ({row["experiment"] for row in rows} | {about["experiment"]}) - {name}:
        raise Damaged(f"it holds rows of {', '.join(sorted(others))}")
    about = {**about, "keys": tuple(about["keys"]), "claims": tuple(about["claims"])}
    if set(own) != set(about["keys"]):
        raise Damaged(f"its rows are not those of the run {label}")
    stored = tuple(with_arrays(own[key]) for key in about["keys"])
    return PublishedRun(directory=folder, label=label, stored=stored, **about)


def _damaged(path: Path, about: Path, reason: str) -> Damaged:
    return Damaged(
        f"{path} is not as it was published ({reason}): restore it with "
        f"`git checkout -- {path} {about}`, or remove both and publish again."
    )
