"""Recomputed: published rows beside the same cells computed again by today's code.

Most edits change no number, but the version of the code cannot know which. Some rows computed again
can: what they hold is compared number by number, and they take the place of the published ones to
see what becomes of the claims. What was found is kept beside the rows, in ``NAME.checks.json``.
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
from multiview.runs.publish import PublishedRun, check_whole
from multiview.runs.store import Run, as_table
from multiview.runs.verdicts import judgements

SUFFIX = ".checks.json"
TIMED = "seconds"  # in the name of a wall time, which no two runs share
MADE_BY = ("instructions", "threads", "torch_version")  # what numbers depend on beside the code
Pairs = list[tuple[dict[str, Any], dict[str, Any]]]  # rows of today and of before


@dataclass(frozen=True, kw_only=True)
class Recomputed:
    """What computing published rows again has shown.

    Attributes:
        code_version: Of the code that computed them again, in these ``commits``.
        rows: How many were, ``of`` so many.
        values: Numbers in the published ones of them, wall times left out; ``same`` stand in the
            new ones to the bit.
        claims: How many are judged with the new rows in the place of the published ones.
        changed: Names of those whose verdict becomes another.
        moved: Most that an estimate moves by that, in half widths of its 95% interval; None where
            no claim has an interval before and after. ``with_interval`` claims have.
        made_by: How processor, threads or torch differ, in words.
    """

    label: str
    code_version: str
    commits: tuple[str, ...]
    rows: int
    of: int
    values: int
    same: int
    claims: int
    changed: tuple[str, ...]
    moved: float | None
    with_interval: int
    made_by: tuple[str, ...] = ()

    def __str__(self) -> str:
        commits = " and ".join(each[:10] for each in self.commits)
        share = math.floor(1000 * self.same / self.values) / 10 if self.values else 100
        text = (
            f"{self.rows} of the {self.of} rows were computed again "
            f"({'; '.join([f'commit {commits}', *self.made_by])}): {share:g}% of their "
            f"{self.values:,} numbers are the same to the bit"
        )
        if not self.claims:
            return text
        changed = ", ".join(self.changed)
        verdicts = f"the verdict changes on: {changed}" if changed else "no verdict changes"
        text += f"; with them in the place of the published ones {verdicts}"
        if self.moved is None:
            return text
        most = math.ceil(100 * self.moved) / 100
        return (
            f"{text}, and no estimate moves by more than {most:.2f} of the half width of its "
            f"interval, which {self.with_interval} of {self.claims} have"
        )


def compare(experiment: Experiment, published: PublishedRun, run: Run) -> Recomputed:
    """Hold the stored rows of a run, some seeds of it perhaps, against the published ones.

    Cells of one seed are paired in their order: what a field of a cell is called may have changed.

    Raises:
        ValueError: If a row is missing or its code is in no commit; if no seed is among those
            published, or one has more cells or fewer than were published; or if a cell that
            succeeded now fails.
    """
    rows = run.rows()
    check_whole(run, rows)
    pairs = _pairs(published, run, {row["key"]: row for row in rows})
    if bad := [new for new, old in pairs if old["status"] == "ok" != new["status"]]:
        raise ValueError(
            f"{len(bad)} cells of {run.label} succeeded and now do not: {bad[0]['status']}, "
            f"{bad[0]['failure']}. Mend what makes them fail, or publish the run anew."
        )
    found = [_compared(new, old) for new, old in pairs]
    instead = {old["key"]: new for new, old in pairs}
    before = list(published.stored)
    after = [instead.get(row["key"], row) for row in before]
    one, two = (judgements(experiment, published, as_table(each)) for each in (before, after))
    moves = [move for move in map(_moved, one, two) if move is not None]
    return Recomputed(
        label=published.label,
        code_version=run.code_version,
        commits=tuple(sorted({new["commit"] for new, _ in pairs})),
        rows=len(pairs),
        of=len(before),
        values=sum(values for values, _ in found),
        same=sum(same for _, same in found),
        claims=len(one),
        changed=tuple(
            a.claim.name for a, b in zip(one, two, strict=True) if a.verdict != b.verdict
        ),
        moved=max(moves, default=None),
        with_interval=len(moves),
        made_by=tuple(_made_by(pairs)),
    )


def _pairs(published: PublishedRun, run: Run, stored: Mapping[str, dict[str, Any]]) -> Pairs:
    """Each stored row and the published one of the same cell."""
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
                f"{len(old[seed])}: compute the whole run anew and publish that."
            )
        pairs += zip(own[seed], old[seed], strict=True)
    return pairs


def _by_seed(rows: Sequence[dict[str, Any]]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["cell"]["seed"], []).append(row)
    return found


def _compared(new: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[int, int]:
    """How many numbers the older row holds, and how many stand in the newer one to the bit."""
    known, values, same = dict(_leaves(new)), 0, 0
    for name, array in _leaves(old):
        values += array.size
        other = known.get(name)
        if other is not None and other.shape == array.shape:
            same += int(np.isclose(other, array, rtol=0, atol=0, equal_nan=True).sum())
    return values, same


def _leaves(row: Mapping[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """Every number of a row's result by its dotted name, arrays as one; no wall times."""
    for name, value in _flat("", {"result": row["result"], "arrays": row["arrays"]}):
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


def _moved(before: Judgement, after: Judgement) -> float | None:
    """How far a claim's mean moves, in half widths of the interval before; None if it has none."""
    one, two = before.interval, after.interval
    if one is None or two is None or not math.isfinite(one.mean + two.mean):
        return None
    half = (one.high - one.low) / 2
    return abs(two.mean - one.mean) / half if 0 < half < math.inf else None


def _made_by(pairs: Pairs) -> Iterator[str]:
    """What else than the code differs; rows from before it was noted are passed over."""
    for field in MADE_BY:
        now, then = (
            " or ".join(sorted({str(row[field]) for row in rows if row.get(field)}))
            for rows in zip(*pairs, strict=True)
        )
        if now and then and now != then:
            yield f"{field.replace('_version', '')} {now} in place of {then}"


def record(found: Sequence[Recomputed], folder: Path, name: str) -> Path:
    """Keep what was found beside the published rows; what is known of the same run is replaced."""
    path = folder / f"{name}{SUFFIX}"
    every = {each.label: each for each in [*recorded(folder, name), *found]}
    text = json.dumps([asdict(every[label]) for label in sorted(every)], indent=1)
    write_atomically(path, f"{text}\n".encode())
    return path


def recorded(folder: Path, name: str) -> list[Recomputed]:
    """What is kept of an experiment.

    Raises:
        ValueError: If the file is not as it was written.
    """
    path = folder / f"{name}{SUFFIX}"
    if not path.exists():
        return []
    try:
        every = json.loads(path.read_bytes())
        return [Recomputed(**{k: _whole(v) for k, v in each.items()}) for each in every]
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not as it was written ({error}): restore it with `git checkout -- {path}`, "
            "or remove it."
        ) from error


def _whole(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
