"""Agreement: published rows beside the same cells computed again by today's code.

Most edits change no number, but the version of the code cannot know which. Some rows computed again
can: what they hold is compared number by number, and they take the place of the published ones to
see what becomes of the claims. Agreements are kept beside the rows, in ``NAME.checks.json``.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from multiview.atomic import write_atomically
from multiview.runs.claims import Judgement
from multiview.runs.experiment import Experiment
from multiview.runs.publish import PublishedRun, plain
from multiview.runs.store import Run, as_table
from multiview.runs.verdicts import judgements

SUFFIX = ".checks.json"
TIMED = "seconds"  # in the name of a wall time, which no two runs share


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How rows computed again agree with the published ones.

    Attributes:
        code_version: Of the code that computed them again, in this ``commit``.
        rows: How many were, ``of`` so many.
        values: Numbers in them, wall times left out; ``same`` are equal to the bit.
        moved: Most that the estimate of a claim moves when they take the place of the published
            ones, in half widths of its 95% interval; 0 where no claim has an interval.
        changed: Claims whose verdict becomes another.
    """

    label: str
    code_version: str
    commit: str
    rows: int
    of: int
    values: int
    same: int
    moved: float
    changed: tuple[str, ...]

    def __str__(self) -> str:
        claims = ", ".join(self.changed)
        verdicts = f"the verdict changes on: {claims}" if claims else "no verdict changes"
        share = math.floor(1000 * self.same / self.values) / 10 if self.values else 100
        return (
            f"{self.rows} of the {self.of} rows were computed again (commit {self.commit[:10]}): "
            f"{share:g}% of their {self.values:,} numbers are the same to the bit; with them in "
            f"the place of the published ones {verdicts}, and no estimate moves by more than "
            f"{_up(self.moved)} of the half width of its interval"
        )


def agreement(experiment: Experiment, published: PublishedRun, run: Run) -> Agreement:
    """Compare the stored rows of a run, some seeds of it perhaps, with the published ones.

    Cells of one seed are paired in their order: what a field of a cell is called may have changed.

    Raises:
        ValueError: If no row is stored, its code is in no commit, or a seed has more cells or fewer
            than were published.
    """
    pairs = _pairs(published, run)
    rows = [row for row, _ in pairs]
    commits = sorted({row["commit"] for row in rows})
    if any(not each or each.endswith("-dirty") for each in commits):
        raise ValueError(
            f"rows of {run.label} were made by code that is in no commit: commit it, then run "
            f"`{run.command} --fresh`."
        )
    found = [_compared(row, old) for row, old in pairs]
    instead = {old["key"]: row for row, old in pairs}
    before = list(published.stored)
    after = [instead.get(row["key"], row) for row in before]
    judged = [judgements(experiment, published, as_table(each)) for each in (before, after)]
    return Agreement(
        label=published.label,
        code_version=run.code_version,
        commit=" and ".join(commits),
        rows=len(pairs),
        of=len(before),
        values=sum(values for values, _ in found),
        same=sum(same for _, same in found),
        moved=max(map(_moved, *judged), default=0.0),
        changed=tuple(
            one.claim.name for one, two in zip(*judged, strict=True) if one.verdict != two.verdict
        ),
    )


def _pairs(published: PublishedRun, run: Run) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each stored row and the published one of the same cell."""
    stored = {row["key"]: row for row in run.rows()}
    if not stored:
        raise ValueError(f"no row of {run.label} is stored: run `{run.command}` first.")
    if missing := len(run.keys) - len(stored):
        raise ValueError(f"{missing} rows of {run.label} are missing: run `{run.command}` first.")
    own, old = (_by_seed(rows) for rows in ([stored[key] for key in run.keys], published.stored))
    if not own.keys() & old.keys():
        raise ValueError(
            f"seeds {sorted(own)} of {run.label} are not among those published: {sorted(old)}."
        )
    pairs = []
    for seed in sorted(own.keys() & old.keys()):
        if len(own[seed]) != len(old[seed]):
            raise ValueError(
                f"seed {seed} of {run.label} has {len(own[seed])} cells today and had "
                f"{len(old[seed])}: it asks for other cells, run it anew and publish that."
            )
        pairs += zip(own[seed], old[seed], strict=True)
    return pairs


def _by_seed(rows: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["cell"]["seed"], []).append(row)
    return found


def _compared(row: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[int, int]:
    """How many numbers the older row holds, and how many stand in the newer one to the bit."""
    new, values, same = dict(_leaves(row)), 0, 0
    for name, array in _leaves(old):
        values += array.size
        other = new.get(name)
        if other is not None and other.shape == array.shape:
            same += int(np.isclose(other, array, rtol=0, atol=0, equal_nan=True).sum())
    return values, same


def _leaves(row: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Every number of a row's result by its dotted name, arrays as one; no wall times."""
    whole = {"result": plain(row["result"]), "arrays": row["arrays"]}
    for name, value in _flat("", whole):
        if TIMED not in name and not isinstance(value, str):
            yield name, np.asarray(np.nan if value is None else value, float)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        pairs = [(str(key), each) for key, each in value.items()]
    elif isinstance(value, list | tuple):
        pairs = [(str(i), each) for i, each in enumerate(value)]
    else:
        yield name, value
        return
    for key, each in pairs:
        yield from _flat(f"{name}.{key}", each)


def _moved(before: Judgement, after: Judgement) -> float:
    """How far the mean of a claim moves, in half widths of the interval before."""
    one, two = before.interval, after.interval
    if one is None or two is None or one.mean == two.mean:
        return 0.0
    half = (one.high - one.low) / 2
    return abs(two.mean - one.mean) / half if half else math.inf


def _up(value: float) -> str:
    """Rounded up to two digits, so that "no more than" holds."""
    return f"{math.ceil(100 * value) / 100:.2f}" if math.isfinite(value) else "infinitely much"


def record(found: Sequence[Agreement], folder: Path, name: str) -> Path:
    """Keep agreements beside the published rows; one of the same run is replaced."""
    path = folder / f"{name}{SUFFIX}"
    every = {each.label: each for each in [*recorded(folder, name), *found]}
    text = json.dumps([asdict(every[label]) for label in sorted(every)], indent=1)
    write_atomically(path, f"{text}\n".encode())
    return path


def recorded(folder: Path, name: str) -> list[Agreement]:
    """The agreements that are kept of an experiment.

    Raises:
        ValueError: If the file is not as it was written.
    """
    path = folder / f"{name}{SUFFIX}"
    if not path.exists():
        return []
    try:
        every = json.loads(path.read_bytes())
        return [Agreement(**{**each, "changed": tuple(each["changed"])}) for each in every]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(
            f"{path} is not as it was written ({error}): restore it with `git checkout -- {path}`, "
            "or remove it."
        ) from error
