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
    "by_shared": ("neurons shared a class", "shared"),
    "by_width": ("booster's neurons a class", "booster_widths"),
    "by_weight": ("hint's weight", "weights"),
}
PREDICTED = {  # column: that of the c that was predicted
    "kd": "predicted_rocket",
    "rocket": "predicted_rocket",
    "rocket_kd": "predicted_rocket_kd",
    "many": "predicted_many",
}
PAPER_IMAGES = 45_000  # the least of CIFAR's 50,000 that, others being held out, are the paper's


def image_tables(part: str, rows: pd.DataFrame) -> Group:
    """Errors of all methods, what each gains over the light net alone, depths and times."""
    first = rows.iloc[0]
    known = {} if first["data"] == "multi_view" else PAPER[part]
    other = "\n(other size)" if other_size(first) else ""
    title = (
        f"{NAMES[part]}: {sizes_of(first)}. Test error of the light net (of the booster where "
        f"named) in %, mean [95% interval], n={len(rows)} repetitions"
    )
    table = Table(title=title, title_justify="left")
    gain = ("gain over base,\npoints", f"paper's gain{other}", "difference,\npoints")
    heads = ("", f"paper, median\nof 3{other}", "ours", *gain) if known else ("", "ours", gain[0])
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


def sizes_of(first: Any) -> str:
    """Images and nets of a repetition, in words."""
    kind = "made-up training images" if first["data"] == "multi_view" else "training images"
    light = f"WRN-{first['light_depth']:.0f}-{first['widen']:.0f}"
    if first["variant"] == "bottom":
        light = "the lower two groups"
    return (
        f"{first['train_images']:,.0f} {kind} of {first['pixels']:.0f} x {first['pixels']:.0f} "
        f"pixels, {light} launched by a WRN-{first['booster_depth']:.0f}-{first['widen']:.0f}"
    )


def other_size(first: Any) -> bool:
    """Whether images, their number or nets are not those of the paper."""
    light = 16 if first["variant"] == "interval" else first["light_depth"]  # that has no part
    return (
        (first["pixels"], first["booster_depth"], first["light_depth"]) != (32, 40, light)
        or first["train_images"] < PAPER_IMAGES
        or first["widen"] != (2 if first["part"] == "cifar10_wide" else 1)
    )


def _depths(rows: pd.DataFrame) -> list[Table]:
    """Errors by how many convolutions are shared."""
    if "by_depth" not in rows or rows["by_depth"].isna().to_numpy().any():
        return []
    depths = rows["shared_convolutions"].iat[0]
    title = (
        "Test error of the light net in %, by the number of convolutions shared with the booster, "
        f"mean [95% interval], n={len(rows)} repetitions"
    )
    heads = ("convolutions shared", *(f"{depth:g}" for depth in depths))
    table = Table(*heads, title=title, title_justify="left")
    values = [percent(rows["by_depth"].str[i]) for i in range(len(depths))]
    table.add_row("error of the light net, %", *values)
    return [table]


def _seconds(rows: pd.DataFrame, known: bool) -> str:
    """Wall times of joint and separate training, of the repetitions that went through at once."""
    joint, separate = (rows[f"{name}_seconds"] for name in ("joint", "separate"))
    timed = int(rows[["joint_seconds", "separate_seconds"]].notna().to_numpy().all(1).sum())
    if not timed:
        return "joint training, wall time: none, as all repetitions went on from checkpoints"
    other = " (other size)" if other_size(rows.iloc[0]) else ""
    paper = f"; paper{other}: {PAPER_SECONDS[0] / PAPER_SECONDS[1]:.3f}" if known else ""
    share = number(joint / separate)
    return (
        f"wall time, mean [95% interval], n={timed}: joint training took {number(joint)} s, "
        f"booster and then light net {number(separate)} s; their ratio is {share}{paper}"
    )


def patch_tables(table: pd.DataFrame) -> Group:
    """Coverage, errors, and agreement of light nets and boosters, and c as the theory has it."""
    first, n = table.iloc[0], table["seed"].nunique()
    ends = f"mean [95% interval], n={n} repetitions"
    title = (
        "Synthetic patches, light nets and their boosters, in % (margins: of logits). c: views "
        "covered by the light net; same winner: classes in which light net and booster won the "
        "same view, by their strongest neurons or by margins; errors: of the light net on test "
        f"samples, and on their distribution D; {ends}"
    )
    shown = Table(title=title, title_justify="left")
    heads = ("", "c", "c predicted", "c of its booster", "same winner,\nneurons")
    heads += ("same winner,\nmargins", "margin", "error,\nsingle-\nview", "error,\nmulti-\nview")
    for head in (*heads, "error,\non D"):
        shown.add_column(head, justify="right" if head else "left")
    for who, name in PATCHES.items():
        predicted = percent(table[PREDICTED[who]]) if who in PREDICTED else ""
        shown.add_row(name, *_row(table, who, None, predicted))
    lists = Table(
        *("varied", "value", "c", "c of its booster", "same winner, neurons", "error on D"),
        title=f"The rocket, one setting varied at a time, columns as above; in %, {ends}",
        title_justify="left",
    )
    for axis, (name, field) in AXES.items():
        for i, value in enumerate(first[field]):
            c, _, told, agree, *_, mixed = _row(table, axis, i, "")
            lists.add_row(name, f"{value:g}", c, told, agree, mixed)
    union = percent(table["union"])
    said = f"views covered by light net or booster, each trained alone, in %, {ends}: {union}"
    return Group(shown, said, lists)


def _row(table: pd.DataFrame, who: str, place: int | None, predicted: str) -> list[str]:
    """The measures of one light net and its booster."""

    def of(name: str) -> Any:
        values = table[f"{who}{name}"]
        return values if place is None else values.str[place]

    return [
        percent(of("_coverage")),
        predicted,
        percent(of("_booster_coverage")),
        percent(of("_neurons_agree")),
        percent(of("_agrees")),
        number(of("_margin"), -math.inf),
        percent(of("_single")),
        percent(of("_multi")),
        percent(of("_mixed")),
    ]
