"""What the synthetic part of distillation prints."""

import math

import pandas as pd
from rich.console import Group
from rich.table import Table

from theory_experiments._estimates import number, percent, points
from theory_experiments._patch_student_claims import LESSONS

WHO = {
    "one": "one network",
    "labels": "labels, as long as students",
    "itself": "Hinton, one teaches, starts as its teacher",
    "l2": "logits, all teach",
    "l2_centred": "centred logits, all teach",
    "scarce_soft": "{few:.0%} of the samples, soft targets",
    "scarce_hard": "{few:.0%} of the samples, labels",
}
MEASURES = {"_coverage": "c", "_single": "single-view error", "_multi": "multi-view error"}
LEFT_OUT = {
    "error": "its error",
    "shifted": "after one shift",
    "shifted_others": "others",
    "single": "its single-view error, shifted",
    "coverage": "its c, shifted",
    "coverage_others": "others",
    "heard": "heard",
    "heard_others": "others",
}


def patch_students_summary(table: pd.DataFrame) -> Group:
    """Coverage, errors and margins with their 95% intervals, and c as the theory has it."""
    won = Table("the same view is won by", "", "")
    won.add_row("two networks", percent(table["one_agrees"]), "")
    for name, says in LESSONS.items():
        pair = [percent(table[f"{name}_agrees_{whom}"]) for whom in ("teacher", "labels")]
        won.add_row(f"student of one ({says}) and its teacher; its start, by labels", *pair)
    return Group(_students(table), _left_out(table), won)


def _students(table: pd.DataFrame) -> Table:
    n, first = table["seed"].nunique(), table.iloc[0]
    title = f"Patches, in %, mean [95% interval], n={n}"
    lists = Table(title=title, title_justify="left")
    for heading in ("", "", *MEASURES.values(), "margin", "predicted c", "view by view"):
        lists.add_column(heading)
    axes = {
        "teacher": ("teacher, K", first["sizes"]),
        "hinton": (f"Hinton at T={first['temperature']:g}, K", first["sizes"]),
        "paper": ("the paper's update, K", first["sizes"]),
        "heat": ("all teach, T", first["temperatures"]),
        "heat_one": ("one teaches, T", first["temperatures"]),
        "again_hinton": ("Hinton, round", range(int(first["rounds"]) + 1)),
        "again_paper": ("the paper's update, round", range(int(first["rounds"]) + 1)),
    }
    for name, (says, places) in axes.items():
        for i, place in enumerate(places):
            values = [percent(table[name + ending].str[i]) for ending in MEASURES]
            values.append(number(table[f"{name}_margin"].str[i], -math.inf))
            if name in LESSONS:
                values += [percent(table[law].str[i]) for law in ("predicted", "union")]
            elif name.startswith("again"):
                values.append(percent(1 - (1 - table["one_coverage"]) ** (i + 1)))
            lists.add_row(says, f"{place:g}", *values)
    for name, says in WHO.items():
        values = [percent(table[name + ending]) for ending in MEASURES]
        margin = number(table[f"{name}_margin"], -math.inf)
        lists.add_row(says.format(few=first["few_share"]), "", *values, margin)
    return lists


def _left_out(table: pd.DataFrame) -> Table:
    shown = Table("a class left out, %", *LEFT_OUT.values())
    for name, says in (("omitted_soft", "soft targets"), ("omitted_hard", "labels")):
        shown.add_row(says, *(percent(table[f"{name}_{key}"]) for key in LEFT_OUT))
    gains = [table[f"omitted_soft_{key}"] - table[f"omitted_hard_{key}"] for key in LEFT_OUT]
    shown.add_row("soft minus labels", *map(points, gains))
    return shown
