"""What ``rocket_launching`` prints: the paper's values beside ours, views beside predictions."""

import math
from typing import Any

import pandas as pd
from rich.console import Group
from rich.table import Table

from theory_experiments._estimates import difference, number, percent, points
from theory_experiments._rocket_claims import NAMES, PAPER, PAPER_SECONDS, WHO

PATCHES = {
    "alone": "light net alone",
    "kd": "KD of the trained booster",
    "rocket": "rocket, nothing shared",
    "rocket_kd": "rocket + KD of another booster",
    "many": "rocket, mean of boosters",
    "no_block": "no gradient block",
    "late": "late hint",
    "no_joint": "no joint training",
    "no_joint_shared": "no joint training, starts as the booster",
}
AXES = {  # column: what is varied, the cell's field
    "by_shared": ("neurons shared", "shared"),
    "by_width": ("booster's neurons", "booster_widths"),
    "by_weight": ("hint's weight", "weights"),
}
PREDICTED = ("rocket", "rocket_kd", "many")


def image_tables(part: str, rows: pd.DataFrame) -> Group:
    """Errors of all methods, what each gains over the light net alone, depths and times."""
    first = rows.iloc[0]
    known = {} if first["data"] == "multi_view" else PAPER[part]
    kind = "made-up images" if first["data"] == "multi_view" else "images"
    sizes = f"WRN-{first['light_depth']:.0f}-{first['widen']:.0f}"
    if first["variant"] == "bottom":
        sizes = "the lower two groups"
    title = (
        f"{NAMES[part]}, {first['train_images']:,.0f} {kind}, {sizes} launched by a "
        f"WRN-{first['booster_depth']:.0f}-{first['widen']:.0f}: test error in %, mean [95% "
        f"interval], n={len(rows)}"
    )
    table = Table(title=title, title_justify="left")
    gain = ("gain over base,\npoints", "paper's gain\n(other size)", "difference")
    heads = ("", "paper\n(other size)", "ours", *gain) if known else ("", "ours", gain[0])
    for head in heads:
        table.add_column(head, justify="right" if head else "left")
    for who, name in WHO.items():
        if who not in rows or not rows[who].notna().to_numpy().all():
            continue
        ours = difference("base", who)(rows)
        said, gained = percent(rows[who]), "" if who == "base" else points(ours)
        if not known:
            table.add_row(name, said, gained)
            continue
        paper = known.get(who)
        theirs = None if paper is None or who == "base" else known["base"] - paper
        table.add_row(
            name,
            "" if paper is None else f"{paper:.2f}",
            said,
            gained,
            "" if theirs is None else f"{theirs:.2f}",
            "" if theirs is None else points(ours - theirs / 100),
        )
    return Group(table, *_depths(rows), _seconds(rows, bool(known)))


def _depths(rows: pd.DataFrame) -> list[Table]:
    """Errors by how many convolutions are shared."""
    if "by_depth" not in rows or rows["by_depth"].isna().to_numpy().any():
        return []
    depths = rows["shared_convolutions"].iat[0]
    table = Table("convolutions shared", *(f"{depth:g}" for depth in depths))
    values = [percent(rows["by_depth"].str[i]) for i in range(len(depths))]
    table.add_row("error of the light net, %", *values)
    return [table]


def _seconds(rows: pd.DataFrame, known: bool) -> str:
    """Wall times of joint and separate training."""
    joint, separate = (rows[f"{name}_seconds"] for name in ("joint", "separate"))
    share = number(joint / separate)
    paper = f"; paper, other size: {PAPER_SECONDS[0] / PAPER_SECONDS[1]:.3f}" if known else ""
    return (
        f"joint training took {number(joint)} s, booster and then light net {number(separate)} s: "
        f"{share} of it{paper}"
    )


def patch_tables(table: pd.DataFrame) -> Group:
    """Coverage, errors, and agreement of light nets and boosters, and c as the theory has it."""
    first, n = table.iloc[0], table["seed"].nunique()
    shown = Table(title=f"Patches, in %, mean [95% interval], n={n}", title_justify="left")
    heads = ("", "c", "predicted", "c of its booster", "same winner", "margin", "single-view error")
    for head in (*heads, "multi-view error"):
        shown.add_column(head, justify="right" if head else "left")
    for who, name in PATCHES.items():
        predicted = percent(table[f"predicted_{who}"]) if who in PREDICTED else ""
        shown.add_row(name, *_row(table, who, None, predicted))
    lists = Table("", "", "c", "c of its booster", "same winner", title="By axis")
    for axis, (name, field) in AXES.items():
        for i, value in enumerate(first[field]):
            c, _, told, agree, *_ = _row(table, axis, i, "")
            lists.add_row(name, f"{value:g}", c, told, agree)
    union = percent(table["union"])
    return Group(shown, f"views that light net or booster cover, each alone: {union}", lists)


def _row(table: pd.DataFrame, who: str, place: int | None, predicted: str) -> list[str]:
    """The measures of one light net and its booster."""

    def of(name: str) -> Any:
        values = table[f"{who}{name}"]
        return values if place is None else values.str[place]

    return [
        percent(of("_coverage")),
        predicted,
        percent(of("_booster_coverage")),
        percent(of("_agrees")),
        number(of("_margin"), -math.inf),
        percent(of("_single")),
        percent(of("_multi")),
    ]
