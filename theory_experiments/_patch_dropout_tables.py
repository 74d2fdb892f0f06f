"""What is printed of dropout on synthetic patches."""

from collections.abc import Iterator

import pandas as pd

from multiview.runs.tables import Line, Listing, lines_of, measure

CLASSIFIERS = {
    "standard": "trained with dropout of neurons",
    "masks": "mean over its masks",
    "coarse": "trained with least dropout of patches",
    "coarse_masks": "mean over its masks of patches",
    "copied": "student of the first, copied start",
    "fresh": "student of the first, fresh start",
    "one_teacher": "net without dropout",
    "one_clean": "its student",
    "one_hidden": "its student, patches hidden",
    "all_teacher": "net with dropout of patches",
    "all_clean": "its student",
    "all_hidden": "its student, patches hidden",
    "member": "two nets without dropout",
}
MEASURES = (
    measure("c, %", "coverage"),
    measure("predicted c, %", "predicted", interval=False),
    measure("single-view error, %", "single"),
    measure("multi-view error, %", "multi"),
)


def patch_dropout_tables(lines: pd.DataFrame) -> Iterator[Listing]:
    """Coverage, errors and margins with their 95% intervals, and c as the theory has it.

    Args:
        lines: Those of the synthetic part.
    """
    yield Listing(
        title="Patches: teachers, masks and students",
        lines=lines_of(CLASSIFIERS, part="synthetic"),
        columns=[
            *MEASURES,
            measure("margin", "margin", unit="number"),
            measure("same view as the first, %", "same_view"),
        ],
    )
    sizes, trained = (
        lines.loc[lines[name].notna(), "method"].unique() for name in ("size", "dropped")
    )
    yield Listing(
        title="Patches: networks averaged, and trained with dropout",
        labels=("averaged, or dropped in training",),
        lines=[
            Line(label=method.replace("_", " "), where={"method": method, "part": "synthetic"})
            for method in (*sizes, *trained)
        ],
        columns=MEASURES,
    )
