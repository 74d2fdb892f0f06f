"""What pruned patch nets cover, as printed tables."""

import pandas as pd
from rich.console import Group
from rich.table import Table

from theory_experiments._estimates import number, percent

WHO = {  # of the lists by strength, how the training differed
    "one": "one network, labels",
    "all": "network that knows all views, labels",
    "soft": "the same, soft targets",
    "cool": "the same, soft targets at T=1",
    "more_mu": "more single-view samples",
    "more_samples": "more samples",
    "from_start": "gated from the first step",
    "delayed": "penalty delayed",
    "fine": "near the cliff",
}
MEASURES = {"_coverage": "c", "_single": "single-view error", "_multi": "multi-view error"}
LISTS = {  # fields with the strengths, of the others "strengths"
    "more_mu": "other_strengths",
    "more_samples": "other_strengths",
    "from_start": "scratch_strengths",
    "delayed": "scratch_strengths",
    "fine": "fine",
}


def patch_l0_summary(table: pd.DataFrame) -> Group:
    """Coverage, errors and neurons left by strength, with 95% intervals; critical strengths."""
    n, first = table["seed"].nunique(), table.iloc[0]
    lists = Table(title=f"Pruned patch nets, errors in %, n={n}", title_justify="left")
    for heading in ("", "lambda", "neurons a class", "views held", *MEASURES.values()):
        lists.add_column(heading)
    for name, says in WHO.items():
        for i, strength in enumerate(_strengths(first, name)):
            lists.add_row(says if i == 0 else "", f"{strength:g}", *_values(table, name, i))
    for i, share in enumerate(first["targets"]):
        says = f"asked for {share:.0%} of the weights" + (", labels" if i == 0 else "")
        expected = percent(table["target_expected"].str[i])
        lists.add_row(says, f"expected {expected}", *_values(table, "target", i))
    dense = Table("without gates", *MEASURES.values())
    for name, says in (("dense", "one network"), ("full", "one that knows all views")):
        dense.add_row(says, *(percent(table[name + ending]) for ending in MEASURES))
    sizes = Table("networks averaged", "c, dense", "c, pruned", "c, predicted of pruned")
    for i in range(len(first["predicted_ensemble"])):
        columns = (
            "dense_ensemble_coverage",
            "pruned_ensemble_coverage",
            "predicted_ensemble",
        )
        sizes.add_row(str(i + 1), *(percent(table[name].str[i]) for name in columns))
    critical = Table("second views die at", "lambda", "ratio to labels")
    for name in ("all", "soft", "cool", "more_mu", "more_samples"):
        strength = table[f"{name}_critical"]
        ratio = number(strength / table["all_critical"])
        critical.add_row(WHO[name], number(strength), ratio)
    return Group(dense, lists, critical, sizes)


def _strengths(first: pd.Series, name: str) -> list[float]:
    """The strengths behind a list of columns."""
    times = first["other_num_train"] // first["num_train"] if name == "more_samples" else 1
    return [times * each for each in first[LISTS.get(name, "strengths")]]


def _values(table: pd.DataFrame, name: str, i: int) -> list[str]:
    counts = [number(table[f"{name}_{what}"].str[i]) for what in ("neurons", "held")]
    return counts + [percent(table[name + ending].str[i]) for ending in MEASURES]
