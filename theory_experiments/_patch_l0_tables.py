"""What pruned patch nets cover, as printed tables."""

from collections.abc import Iterator

import pandas as pd

from multiview.runs.estimates import Estimate, select
from multiview.runs.tables import Cell, Column, Line, Listing, estimated, lines_of, measure
from theory_experiments._parts import SYNTHETIC
from theory_experiments._patch_l0_claims import LEVEL, critical, critical_strength

WHO = {  # groups of networks, a strength each: how the training differed
    "one": "one network, labels",
    "all": "network that knew all views, labels",
    "soft": "network that knew all views, soft targets",
    "cool": "network that knew all views, soft targets at T=1",
    "more_mu": "network that knew all views, labels, more single-view samples",
    "more_samples": "network that knew all views, labels, more samples at as many steps",
    "from_start": "untrained network, penalty from the first step",
    "delayed": "untrained network, penalty delayed, as much lambda times steps",
    "fine": "network that knew all views, labels, near the cliff",
}
DENSE = {"dense": "one network", "full": "one that knew all views"}
ERRORS = [
    measure("c, %", "coverage"),
    measure("single-view error, %", "single"),
    measure("multi-view error, %", "multi"),
]
LEFT = [
    measure("neurons left a class", "neurons", unit="number"),
    measure("views held a class", "held", unit="number"),
]


def patch_l0_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Coverage, errors and neurons left by strength; critical strengths; averages."""
    about = "c: fraction of views covered"
    yield Listing(
        title=f"Patch nets without gates; {about}",
        lines=lines_of(DENSE, part=SYNTHETIC),
        columns=ERRORS,
    )
    yield Listing(
        title=f"Patch nets pruned at lambda/N, N samples; {about}",
        lines=[line for group, says in WHO.items() for line in by_place(table, group, says)],
        columns=[*LEFT, *ERRORS],
        labels=("", "lambda"),
    )
    yield Listing(
        title=f"Patch nets asked for a share of their weights; {about}",
        lines=by_place(table, "target", "labels"),
        columns=[measure("expected share, %", "expected_share"), *LEFT, *ERRORS],
        labels=("", "share"),
    )
    yield critical_strengths(table)
    yield Listing(
        title=f"Averages of patch nets, pruned at lambda {table['kept'].iloc[0]:g}; {about}",
        lines=[
            Line(label=f"{size:.0f}", where={"size": size, "part": SYNTHETIC})
            for size in select(table, group="ensemble")["size"].unique()
        ],
        columns=[
            measure("c, dense, %", "coverage", group="ensemble"),
            measure("c, pruned, %", "coverage", group="pruned_ensemble"),
            measure("c, predicted of pruned, %", "predicted", group="pruned_ensemble"),
        ],
        labels=("networks averaged",),
    )


def by_place(table: pd.DataFrame, group: str, says: str) -> list[Line]:
    """A line for each network of a group, called by its strength or target."""
    names = select(table, group=group)["method"].unique()
    return [
        Line(
            label=(says if i == 0 else "", name.rpartition("_")[-1]),
            where={"method": name, "part": SYNTHETIC},
        )
        for i, name in enumerate(names)
    ]


def critical_strengths(table: pd.DataFrame) -> Listing:
    """Where second views die; seeds at which they do so outside of what was tried are counted."""
    first = table.iloc[0]

    def by_samples(line: Line) -> Estimate:
        group = line.where["group"]
        samples = "other_num_train" if group == "more_samples" else "num_train"
        return critical(group) / float(first[samples])

    labels = Line(label="", where={"group": "all", "part": SYNTHETIC})
    return Listing(
        title="Second views die (c falls through 3/4)",
        lines=[
            Line(label=WHO[group], where={"group": group, "part": SYNTHETIC})
            for group in ("all", "soft", "cool", "more_mu", "more_samples")
        ],
        columns=[
            estimated("at lambda", lambda line: critical(line.where["group"]), unit="number"),
            Column(heading="outside of what was tried", text=outside),
            estimated("1000 lambda/N", lambda line: by_samples(line) * 1000, unit="number"),
            estimated(
                "lambda/N, to that of labels",
                lambda line: by_samples(line) / by_samples(labels),
                unit="number",
            ),
        ],
        empty=True,
    )


def outside(table: pd.DataFrame, line: Line) -> Cell:
    """Number of repetitions in which c falls through the level outside of the strengths tried."""
    lines = select(table, **line.where).sort_values("strength")
    last = [
        repetition["coverage"].iloc[-1]
        for _, repetition in lines.groupby("seed")
        if pd.isna(critical_strength(repetition))
    ]
    above = sum(c > LEVEL for c in last)  # else below from the first
    low, high = lines["strength"].min(), lines["strength"].max()
    counts = {f"> {high:g}": above, f"< {low:g}": len(last) - above}
    return Cell(", ".join(f"{end} (seeds: {number})" for end, number in counts.items() if number))
