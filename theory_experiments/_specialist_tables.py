"""What specialists prints: errors, gains beside the paper's, and how confusable sets look."""

from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table

from multiview.runs.intervals import mean_interval
from theory_experiments._estimates import (
    Estimate,
    difference,
    number,
    percent,
    points,
    where,
)
from theory_experiments._specialist_sets import FAMILIES

ON_IMAGES = {
    "generalist": "generalist",
    "tuned": "+ specialists from the generalist",
    "fresh": "+ fresh specialists",
    "superclass": "+ specialists of superclasses",
    "random": "+ specialists of random sets",
    "continued": "generalist trained on",
}
ON_PATCHES = {
    "one": "generalist",
    "tuned_top": "+ the specialist of its best class, from it",
    "tuned_all": "+ all specialists, from it",
    "fresh_top": "+ the specialist of its best class, fresh",
    "fresh_all": "+ all specialists, fresh",
    "pair": "two generalists averaged",
}
JFT = {  # Hinton et al., Tables 3 and 4: accuracy in %, and its relative gain by covering sets
    "accuracy, generalist": 25.0,
    "accuracy, with specialists": 26.1,
    "relative gain": 4.4,
    "... where no specialist covers the class": 0.0,
    "... where one does": 3.4,
    "within the specialists' classes, generalist": 43.1,
    "within the specialists' classes, with specialists": 45.9,
}
NO_COUNTERPART = (
    "Their +14.1% where 10 or more specialists cover the class has no counterpart: sets here are "
    "disjoint, so that at most one covers it."
)


def relative(who: str, to: str) -> Estimate:
    """Estimate: the accuracy of ``who`` over that of ``to``, less 1; both columns are errors.

    NaN where ``to`` is never right.
    """

    def estimate(table: pd.DataFrame) -> Any:
        before = 1 - table[to]
        return (1 - table[who]) / before.where(before > 0) - 1

    return estimate


def ensemble_of(size: int) -> Estimate:
    """Estimate: the error of so many averaged generalists."""
    return lambda table: table["ensemble_by_size"].str[size - 1]


def summary(table: pd.DataFrame) -> Group:
    """Errors and gains on images, beside the paper's; errors and coverage on patches."""
    parts = []
    if len(images := where(table, part="cifar100")):
        parts += [_image_errors(images), _beside_paper(images), _agreement(images)]
    if len(patches := where(table, part="synthetic")):
        title = f"Synthetic patches, %, mean [95% interval], n={len(patches)}"
        shown = Table("", "single-view error", "multi-view error", "views covered", title=title)
        for who, name in ON_PATCHES.items():
            values = [percent(patches[who + end]) for end in ("", "_multi", "_coverage")]
            shown.add_row(name, *values)
        parts.append(shown)
    return Group(*parts)


def _image_errors(images: pd.DataFrame) -> Table:
    first = images.iloc[0]
    title = (
        f"{first['data']}, {first['num_train']} training images: test error in %, n={len(images)}"
    )
    shown = Table("", "error", "gain over the generalist", "specialists", title=title)
    for who, name in ON_IMAGES.items():
        gain = "" if who == "generalist" else points(difference("generalist", who)(images))
        many = f"{images[f'{who}_specialists'].mean():.1f}" if who in FAMILIES else ""
        shown.add_row(name, percent(images[who]), gain, many)
    for size in range(2, len(first["ensemble_by_size"]) + 1):
        errors = ensemble_of(size)(images)
        gain = points(ensemble_of(1)(images) - errors)  # over their own mean error
        shown.add_row(f"{size} generalists averaged", percent(errors), gain, "")
    return shown


def _beside_paper(images: pd.DataFrame) -> Table:
    gains = {
        name: relative(f"tuned{end}", f"generalist{end}")(images)
        for name, end in zip(list(JFT)[2:5], ("", "_0", "_1"), strict=True)
    }
    accuracies = [
        1 - images[who]
        for who in ("generalist", "tuned", "tuned_conditional_generalist", "tuned_conditional")
    ]
    names = [name for name in JFT if name not in gains]
    ours = gains | dict(zip(names, accuracies, strict=True))
    shown = Table(
        *("%", "paper: JFT, 61 specialists", "here: other data, other size"),
        *("difference", "verdict on the sign"),
        caption=NO_COUNTERPART,
        caption_justify="left",
    )
    for name, paper in JFT.items():
        values = ours[name]
        says = sign_verdict(values, paper) if name in gains else "other data"
        look = points if name in gains else percent
        shown.add_row(name, f"{paper:.1f}", look(values), points(values - paper / 100), says)
    return shown


def sign_verdict(gains: Any, paper: float) -> str:
    """Whether our gains have the sign of the paper's: "agrees", "opposite", or "open".

    Open where our 95% interval holds 0; a paper's gain of 0 is opposed by an interval that does
    not.
    """
    values = np.asarray(gains, float)
    known = values[~np.isnan(values)]
    if not len(known):
        return "open"
    _, low, high = mean_interval(known)
    if low <= 0 <= high:
        return "open"
    return "agrees" if paper * (low + high) > 0 else "opposite"


def _agreement(images: pd.DataFrame) -> Table:
    title = "Do confusable sets agree with superclasses? Adjusted Rand index: 1 equal, 0 chance"
    shown = Table("K-means on the columns of", "index", "classes in the largest set", title=title)
    for columns in ("covariance", "correlation"):
        largest = f"{images[f'largest_{columns}'].mean():.0f}"
        shown.add_row(columns, number(images[f"agreement_{columns}"], -1.0), largest)
    null = f"{images['null_low'].mean():.3f} to {images['null_high'].mean():.3f}"
    shown.add_row("classes at random: 95% of the draws", null, "")
    return shown
