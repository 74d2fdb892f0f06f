"""What pruned patch nets cover, as printed tables."""

import numpy as np
import pandas as pd
from rich.console import Group
from rich.table import Table

from theory_experiments._estimates import number, percent
from theory_experiments._patch_l0_claims import LEVEL

WHO = {  # of the lists by strength, how the training differed
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
MEASURES = {
    "_coverage": "c, %",
    "_single": "single-view error, %",
    "_multi": "multi-view error, %",
}
LISTS = {  # fields with the strengths, of the others "strengths"
    "more_mu": "other_strengths",
    "more_samples": "other_strengths",
    "from_start": "scratch_strengths",
    "delayed": "scratch_strengths",
    "fine": "fine",
}


def patch_l0_summary(table: pd.DataFrame) -> Group:
    """Coverage, errors and neurons left by strength, with 95% intervals; critical strengths."""
    first = table.iloc[0]
    headings = ("", "lambda", "neurons left a class", "views held a class", *MEASURES.values())
    lists = _titled("Patch nets pruned at lambda/N, N samples", table, *headings)
    for name, says in WHO.items():
        for i, strength in enumerate(_strengths(first, name)):
            lists.add_row(says if i == 0 else "", f"{strength:g}", *_values(table, name, i))
    for i, share in enumerate(first["targets"]):
        says = f"asked for {share:.0%} of the weights" + (", labels" if i == 0 else "")
        expected = percent(table["target_expected"].str[i])
        lists.add_row(says, f"expected {expected}", *_values(table, "target", i))
    dense = _titled("Patch nets without gates", table, "", *MEASURES.values())
    for name, says in (("dense", "one network"), ("full", "one that knew all views")):
        dense.add_row(says, *(percent(table[name + ending]) for ending in MEASURES))
    headings = ("networks averaged", "c, dense, %", "c, pruned, %", "c, predicted of pruned, %")
    says = f"Averages of patch nets, pruned at lambda {first['kept']:g}"
    sizes = _titled(says, table, *headings)
    for i in range(len(first["predicted_ensemble"])):
        columns = (
            "dense_ensemble_coverage",
            "pruned_ensemble_coverage",
            "predicted_ensemble",
        )
        sizes.add_row(str(i + 1), *(percent(table[name].str[i]) for name in columns))
    return Group(dense, lists, _critical(table), sizes)


def _titled(title: str, table: pd.DataFrame, *headings: str) -> Table:
    """A table that says what its numbers are."""
    n = table["seed"].nunique()
    says = f"{title}; mean [95% interval], n={n}; c: fraction of views covered"
    return Table(*headings, title=says, title_justify="left")


def _critical(table: pd.DataFrame) -> Table:
    """Where second views die; seeds at which they do so outside of what was tried are counted."""
    first, labels = table.iloc[0], table["all_critical"] / table["num_train"]
    title = "Second views die (c falls through 3/4) at"
    shown = _titled(title, table, "", "lambda", "1000 lambda/N", "ratio of lambda/N to labels")
    for name in ("all", "soft", "cool", "more_mu", "more_samples"):
        lambdas, strengths = table[f"{name}_critical"], _strengths(first, name)
        samples = "other_num_train" if name == "more_samples" else "num_train"
        by_sample = lambdas / table[samples]
        missing = np.isnan(lambdas.to_numpy(float))
        known = [] if missing.all() else [number(lambdas)]
        outside = list(table.loc[missing, f"{name}_coverage"])
        # Never below the level, or from the first.
        above = sum(c[-1] > LEVEL for c in outside)
        known += [f"> {strengths[-1]:g} (seeds: {above})"] if above else []
        below = len(outside) - above
        known += [f"< {strengths[0]:g} (seeds: {below})"] if below else []
        ratio = number(by_sample / labels)
        shown.add_row(WHO[name], ", ".join(known), number(1000 * by_sample), ratio)
    return shown


def _strengths(first: pd.Series, name: str) -> list[float]:
    """The strengths behind a list of columns."""
    times = 1.0
    if name == "more_samples":
        times = first["other_num_train"] / first["num_train"]
    if name == "delayed":
        times = 1 / (1 - first["delay"])
    return [times * each for each in first[LISTS.get(name, "strengths")]]


def _values(table: pd.DataFrame, name: str, i: int) -> list[str]:
    counts = [number(table[f"{name}_{what}"].str[i]) for what in ("neurons", "held")]
    return counts + [percent(table[name + ending].str[i]) for ending in MEASURES]
