"""Published rows back in the store, so that a run goes on from them on any machine."""

from collections.abc import Sequence
from pathlib import Path

from multiview.runs.publish import published_runs
from multiview.runs.store import RUN_SUFFIX, Run
from multiview.runs.work import Job, take


def unpack(folder: Path, run: Run, jobs: Sequence[Job]) -> str:
    """Store the published rows of the cells that are still to be computed.

    Rows made by other code are of no cell. Where no run of this label is stored, its claims are
    registered as they were when it was published. A result that was NaN is None, as in the
    published file; tables show both alike.

    Args:
        folder: Of the published rows.
        run: As planned; what is published of other presets is left alone.
        jobs: For the cells of it that are not stored.

    Returns:
        What was found, for the reader.

    Raises:
        Damaged: If a published file is not whole; nothing is written.
        OSError: If a row cannot be written.
    """
    published = published_runs(folder, run.experiment)
    if not published:
        return f"no rows of {run.experiment} are published"
    rows = {row["key"]: row for each in published for row in each.stored}
    wanted = [job for job in jobs if job.key in rows]
    if not wanted:
        return "no published row is of a cell that is missing: they are stored, or of other code"
    for each in published:
        same = (each.label, each.code_version) == (run.label, run.code_version)
        if same and not (run.directory / (run.label + RUN_SUFFIX)).exists():
            about = {field: getattr(each, field) for field in Run.__dataclass_fields__}
            Run(**{**about, "directory": run.directory}).store()
    for job in wanted:
        outcome = take(job, rows[job.key])
        if outcome.status == "unwritten":
            raise OSError(outcome.message)
    return f"{len(wanted)} of {len(run.keys)} cells are published, and taken as computed"
