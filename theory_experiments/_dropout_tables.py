"""What ``dropout_distillation`` prints of images: the papers' values beside ours."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table

from multiview.runs.intervals import mean_interval
from theory_experiments._dropout_claims import NAMES
from theory_experiments._estimates import difference, number, percent, points

WHO = {
    "standard": "standard",
    "mc": "mean over 100 masks",
    "el": "expectation-linear",
    "distilled": "student of a copy",
    "fresh": "student, fresh start",
}


@dataclass(frozen=True, kw_only=True)
class Published:
    """Test errors in % of one net, as printed, with their spread over 5 runs where there is one."""

    net: str
    errors: dict[str, float]
    spread: dict[str, float] = field(default_factory=dict)

    def error(self, who: str) -> str:
        """As printed, or nothing."""
        spread = f" +- {self.spread[who]:.2f}" if who in self.spread else ""
        return f"{self.errors[who]:.2f}{spread}" if who in self.errors else ""

    def gain(self, who: str) -> float | None:
        """Over the standard prediction, in points."""
        return self.errors["standard"] - self.errors[who] if who in self.errors else None


# As Ma et al. (ICLR 2017) print them, Tables 1 and 2; the nets most like ours first. Numbers of
# images, and widths, differ from ours.
WHO_OF_ALL_CONV = ("standard", "mc", "el", "distilled")


def _all_conv(errors: tuple[float, ...], spread: tuple[float, ...]) -> Published:
    return Published(
        net="AllConv",
        errors=dict(zip(WHO_OF_ALL_CONV, errors, strict=True)),
        spread=dict(zip(WHO_OF_ALL_CONV, spread, strict=True)),
    )


PAPER = {
    "mnist": (Published(net="3 x 1024", errors={"standard": 1.19, "mc": 1.04}),),
    "cifar10": (
        Published(net="3 conv + 2 fc", errors={"standard": 12.82, "mc": 12.16}),
        _all_conv((11.18, 10.58, 10.86, 10.81), (0.11, 0.21, 0.08, 0.14)),
    ),
    "cifar100": (
        Published(net="3 conv + 2 fc", errors={"standard": 37.22, "mc": 36.01}),
        _all_conv((35.50, 34.43, 35.10, 35.07), (0.25, 0.23, 0.13, 0.20)),
    ),
}
CAVEAT = (
    "Ma et al.'s errors on CIFAR-100 came out about 3% worse than those of Rota Bulo et al. "
    "(quoted from memory, unverified)."
)


def sign(published: float, gains: Sequence[float] | np.ndarray) -> str:
    """Whether the sign of our gain is the published one: agrees, opposite, or open.

    Args:
        published: Gain over the standard prediction.
        gains: Ours, of each repetition; open if their 95% interval holds 0.
    """
    _, low, high = mean_interval(np.asarray(gains, float))
    if low <= 0 <= high:
        return "open"
    return "agrees" if (low > 0) == (published > 0) else "opposite"


def predictor_table(part: str, rows: pd.DataFrame) -> Group:
    """Errors of all predictors, gains over the standard one, and how far they are from the mean."""
    first = rows.iloc[0]
    known = () if first["data"] == "multi_view" else PAPER[part]
    table = Table(
        title=f"{NAMES[part]}, {first['train_images']:.0f} images ({first['data']}): test error in "
        f"%, mean [95% interval], n={len(rows)}",
        title_justify="left",
    )
    gains = Table(title="Gain over the standard prediction, points", title_justify="left")
    for head in ("", *(f"published,\n{each.net}\n(other size)" for each in known), "ours"):
        table.add_column(head, justify="right" if head else "left")
    for head in ("cross-entropy", "KL from the mean of masks"):
        table.add_column(head, justify="right")
    heads = ("published\n(other size)", "ours", "difference\n(other size)", "verdict on the sign")
    for head in ("", *(heads if known else ("ours",))):
        gains.add_column(head, justify="right" if head else "left")
    for who, name in WHO.items():
        if who not in rows or not rows[who].notna().to_numpy().all():
            continue
        published = [each.error(who) for each in known]
        further = (number(rows[f"{who}_nll"]), number(rows[f"{who}_gap"]))
        table.add_row(name, *published, percent(rows[who]), *further)
        if who != "standard":
            gains.add_row(name, *_gain_cells(who, known, difference("standard", who)(rows)))
    shown: list[Any] = [table, gains]
    if known and part == "cifar100":
        shown.append(CAVEAT)
    return Group(*shown, _by_masks(rows))


def _gain_cells(who: str, known: Sequence[Published], ours: Any) -> tuple[str, ...]:
    """Published, where known of the net most like ours, and ours."""
    published = [gain for each in known if (gain := each.gain(who)) is not None]
    if not known:
        return (points(ours),)
    if not published:
        return ("", points(ours), "", "")
    first = published[0]
    return f"{first:.2f}", points(ours), points(ours - first / 100), sign(first, ours)


def _by_masks(rows: pd.DataFrame) -> Table:
    """Errors and variances of means over so many masks."""
    masks = ", ".join(f"{count}" for count in rows["masks"].iat[0])
    table = Table(f"by masks: {masks}", "", title_justify="left")
    table.add_row("error in %", _means(rows["mc_by_masks"].tolist(), 100, 2))
    table.add_row("variance over masks", _means(rows["mc_variance"].tolist(), 1, 5))
    student = [[each] for each in rows["distilled_variance"]]
    table.add_row("variance of a student over SGD draws", _means(student, 1, 5))
    return table


def transfer_table(rows: pd.DataFrame) -> Table:
    """Students by the inputs that they were taught on."""
    names = {"train": "training images", "perturbed": "perturbed", "test": "test, no labels"}
    table = Table(
        "taught on",
        *names.values(),
        title="Transfer sets, as many steps of each",
        title_justify="left",
    )
    table.add_row("different images", *(f"{n:,.0f}" for n in rows["transfer_images"].iat[0]))
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
