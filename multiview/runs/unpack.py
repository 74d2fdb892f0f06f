"""Published rows back in the store, so that a run goes on from them on any machine."""

from pathlib import Path

from multiview.runs.publish import published_runs
from multiview.runs.rows import row_path, write_row
from multiview.runs.store import RUN_SUFFIX, Run


def unpack(folder: Path, name: str, version: str, out: Path) -> tuple[int, int]:
    """Store the published rows of an experiment that this code would make again.

    What is stored already stays as it is. Where a result was NaN it is None, as in the published
    file, which tables show alike. The claims of a published run are registered as they
    were when it was published.

    Args:
        folder: Of the published rows.
        name: Of the experiment.
        version: Of the experiment's code; rows made by another are left out.
        out: Directory of all results.

    Returns:
        How many published rows of this code there are, and how many of other code.

    Raises:
        Damaged: If a published file is not whole; nothing is written.
    """
    runs = published_runs(folder, name)
    directory = out.resolve() / name
    kept = [run for run in runs if run.code_version == version]
    for run in kept:
        if not (directory / (run.label + RUN_SUFFIX)).exists():
            about = {field: getattr(run, field) for field in Run.__dataclass_fields__}
            Run(**{**about, "directory": directory}).store()
        for row in run.stored:
            if not row_path(directory, row["key"]).exists():
                arrays = row["arrays"]
                write_row(directory, {k: v for k, v in row.items() if k != "arrays"}, arrays)
    number = sum(len(run.stored) for run in kept)
    return number, sum(len(run.stored) for run in runs) - number
