"""Split cells: parts of a cell that are computed before it, each a job of its own."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from multiview.runs.artefacts import Artefacts
from multiview.runs.experiment import Split
from multiview.runs.rows import PART_OF, row_key
from multiview.runs.work import Job, stored


def split_up(jobs: Iterable[Job], split: Split, artefacts: Artefacts) -> list[Job]:
    """The jobs, each after those of its parts that are not stored; all share the artefacts."""
    found: dict[str, Job] = {}
    for job in jobs:
        for each in _with_parts(job, split, artefacts):
            if each.key not in found and not stored(each):
                found[each.key] = each
    return list(found.values())


def is_part(job: Job) -> bool:
    """Whether a job is a part of another; its row is in no table."""
    return PART_OF in job.stamp


def _with_parts(job: Job, split: Split, artefacts: Artefacts) -> Iterator[Job]:
    """The jobs of a cell's parts, and that of the cell."""
    keys: list[str] = []
    parts = list(split(job.cell))
    if parts:  # what is computed in one go leaves nothing that another asks for
        job = replace(job, context=replace(job.context, artefact=artefacts))
    for part, needs in parts:
        key = row_key(job.stamp["experiment"], part, job.stamp["code_version"])
        stamp = {**job.stamp, "key": key, PART_OF: job.key}
        yield replace(job, cell=part, stamp=stamp, after=tuple(keys[i] for i in needs))
        keys.append(key)
    yield replace(job, after=tuple(keys))
