"""What ``dropout_distillation`` prints of images: the papers' values beside ours."""

from collections.abc import Sequence

import pandas as pd
from rich.console import Group
from rich.table import Table

from theory_experiments._dropout_claims import NAMES
from theory_experiments._estimates import difference, number, percent, points

WHO = {
    "standard": "standard",
    "mc": "mean over 100 masks",
    "el": "expectation-linear",
    "distilled": "student of a copy",
    "fresh": "student, fresh start",
}
# Test errors in %, as Ma et al. (ICLR 2017) print them: AllConv on CIFAR, Table 2; on MNIST
# 3 x 1024 units, Table 1. Nets and numbers of images differ from ours.
PAPER = {
    "mnist": {"standard": 1.19, "mc": 1.04},
    "cifar10": {"standard": 11.18, "mc": 10.58, "el": 10.86, "distilled": 10.81},
    "cifar100": {"standard": 35.50, "mc": 34.43, "el": 35.10, "distilled": 35.07},
}
NETS = {"mnist": "3 x 1024 units", "cifar10": "AllConv", "cifar100": "AllConv"}


def predictor_table(part: str, rows: pd.DataFrame) -> Group:
    """Errors of all predictors, gains over the standard one, and how far they are from the mean."""
    first, known = rows.iloc[0], PAPER[part]
    table = Table(
        title=f"{NAMES[part]}, {first['num_train']:.0f} images ({first['data']}): test error in %, "
        f"mean [95% interval], n={len(rows)}; paper: {NETS[part]}, all images",
        title_justify="left",
    )
    for head in ("", "paper", "ours", "difference", "verdict"):
        table.add_column(head, justify="left" if not head else "right")
    gains = Table("", "gain, paper", "gain, ours", "cross-entropy", "KL from the mean of masks")
    measured = [who for who in WHO if who in rows and rows[who].notna().to_numpy().all()]
    for who in measured:
        name = WHO[who]
        values = ["", percent(rows[who]), "", ""]
        gain = ""
        if who in known:
            off = points(rows[who] - known[who] / 100)
            values = [f"{known[who]:.2f}", percent(rows[who]), off, "other size"]
            gain = f"{known['standard'] - known[who]:.2f}"
        table.add_row(name, *values)
        own = points(difference("standard", who)(rows))
        gains.add_row(name, gain, own, number(rows[f"{who}_nll"]), number(rows[f"{who}_gap"]))
    masks = ", ".join(f"{count}" for count in first["masks"])
    further = Table(f"by masks: {masks}", "", title_justify="left")
    further.add_row("error in %", _means(rows["mc_by_masks"].tolist(), 100, 2))
    further.add_row("variance", _means(rows["mc_variance"].tolist(), 1, 4))
    further.add_row("variance of a student", number(rows["distilled_variance"]))
    return Group(table, gains, further)


def transfer_table(rows: pd.DataFrame) -> Table:
    """Students by the inputs that they were taught on."""
    names = {"train": "training images", "perturbed": "perturbed", "test": "test, no labels"}
    table = Table("taught on", *names.values(), title="Transfer sets", title_justify="left")
    table.add_row("error in %", *(percent(rows[f"transfer_{name}"]) for name in names))
    return table


def compression_table(rows: pd.DataFrame) -> Table:
    """Small nets: trained with dropout on labels, or taught by the large net's masks."""
    first = rows.iloc[0]
    table = Table(
        "shrunk",
        "parameters",
        "labels, dropout",
        "student",
        "gain",
        title="Smaller nets: test error in %",
        title_justify="left",
    )
    for layers, name in (("hidden", "hidden layer"), ("all", "all layers")):
        for i, factor in enumerate(first["factors"]):
            baseline, student = (rows[f"{layers}_{w}"].str[i] for w in ("baseline", "distilled"))
            table.add_row(
                f"{name} / {factor}",
                f"{first[f'{layers}_parameters'][i]}",
                percent(baseline),
                percent(student),
                points(baseline - student),
            )
    return table


def _means(lists: Sequence[Sequence[float]], scale: float, digits: int) -> str:
    """The means of lists, place by place."""
    columns = zip(*lists, strict=True)
    return ", ".join(f"{scale * sum(each) / len(each):.{digits}f}" for each in columns)
