"""Hinton's experiments on digits, students on images, and the views that students cover."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from figures import panels, style
from figures.forest import Line, forest, forest_key
from multiview.runs.estimates import Estimate, measured, select

ONE, ENSEMBLE = style.COLOURS["one"], style.COLOURS["ensemble"]  # networks of labels; their mean
TAUGHT, SELF = style.COLOURS["distilled"], style.COLOURS["self"]
HIGH = "hinton_T20"
DIGITS = {  # by group: method, measure, name, colour
    "teacher and students": (
        ("teacher", "error", "teacher, with dropout", ONE),
        ("labels", "error", "student of labels", ONE),
        (HIGH, "error", "student of soft targets", TAUGHT),
    ),
    "soft targets without 3s": (
        ("missing", "error", "all digits", TAUGHT),
        ("missing_shifted", "error", "... one bias shifted", TAUGHT),
        ("missing", "class_error", "the 3s", TAUGHT),
        ("missing_shifted", "class_error", "... one bias shifted", TAUGHT),
    ),
    "soft targets of 7s and 8s alone": (
        ("pair", "error", "all digits", TAUGHT),
        ("pair_shifted", "error", "... one bias shifted", TAUGHT),
    ),
}
LOSSES = {
    "hinton": "mean of probabilities",
    "hinton_hot": "the same, hot",
    "hinton_logits": "mean of logits",
    "squares": "squares of logits",
    "squares_centred": "centred squares",
    "standardised": "standardised logits",
}
coverage = partial(measured, "coverage")
Groups = Mapping[str, Sequence[Line]]


def draw(table: pd.DataFrame) -> Figure:
    """Draw one run of ``distillation``, the parts that it has.

    Args:
        table: One line a repetition, part and method, with what is published of digits.
    """
    style.use()
    drawn = [(panel, lines) for part, panel in PANELS if len(lines := select(table, part=part))]
    rows = -(-len(drawn) // 2)
    figure = Figure(figsize=(style.WIDTH, 4.6 * rows), layout=ConstrainedLayoutEngine(hspace=0.06))
    columns = min(2, len(drawn))
    for i, (panel, lines) in enumerate(drawn):
        axes = figure.add_subplot(rows, columns, i + 1)
        style.title(axes, "abcd"[i], panel(axes, lines))
    return figure


def _digits(axes: Axes, table: Any) -> str:
    """Errors, and the published ones beside."""
    groups = {
        heading: [
            Line(name, measured(measure, who), colour, beside=measured(f"published_{measure}", who))
            for who, measure, name, colour in lines
        ]
        for heading, lines in DIGITS.items()
    }
    few = (("few_labels", "student of labels", ONE), ("few_hinton", "of soft targets", TAUGHT))
    groups[f"{table['share'].max():.0%} of the images"] = [
        Line(name, measured("error", who), colour) for who, name, colour in few
    ]
    forest(axes, table, groups, low=1e-4, high=1)
    axes.set_xscale("log")  # from less than one percent to half of all
    axes.set_xlim(3e-3, 1)
    axes.set_xticks([0.003, 0.01, 0.03, 0.1, 0.3, 1])
    panels.hundredths(axes.xaxis)
    axes.minorticks_off()
    axes.set_xlabel("test error, %")
    forest_key(axes, table)
    if table["published_error"].notna().any():
        axes.plot([], [], ls="none", label="paper, 60,000 images", **panels.PUBLISHED)
    panels.legend(axes)
    return f"Errors on {_name(table)}, {table['train_images'].max():,.0f} images"


def _name(table: pd.DataFrame) -> str:
    data = str(table["data"].iat[0])
    return style.DATA.get(data, data)


def _images(axes: Axes, table: pd.DataFrame) -> str:
    """Gains paired by repetition: of students over labels, and of generations over the first."""

    def over(one: str, others: Mapping[str, str], colour: str) -> list[Line]:
        error = partial(measured, "error")
        return [Line(name, error(one) - error(who), colour) for who, name in others.items()]

    def heading(what: str, who: str) -> str:
        return f"{what}: error {select(table, method=who)['error'].mean():.1%}"

    rounds = sorted(int(each) for each in table["round"].dropna().unique())[1:]
    again = {f"round_{each}": f"taught by it, round {each}" for each in rounds}
    groups: Groups = {
        heading("over a student of labels", "labels"): over("labels", LOSSES, TAUGHT),
        heading("over one teacher", "member"): over("member", {"ensemble": "ensemble"}, ENSEMBLE),
        heading("over the first network", "round_0"): over("round_0", again, SELF),
    }
    forest(axes, table, groups)
    axes.axvline(0, color=style.INK, lw=1)
    axes.set_xlabel("points of test error gained")
    forest_key(axes, table)
    panels.legend(axes)
    return f"Gains on {_name(table)}, {table['num_train'].iat[0]:,.0f} images"


def _sizes(table: pd.DataFrame) -> list[int]:
    """K of the teachers, rising."""
    return sorted({int(size) for size in table["size"].dropna()})


def _usual(table: pd.DataFrame) -> float:
    """The temperature of students of all sizes of teachers; of few sizes it is varied."""
    hot = table.loc[table["kd_loss"] == "hinton", ["T", "size"]].drop_duplicates()
    return float(hot["T"].value_counts().idxmax())


def _by_teachers(axes: Axes, table: pd.DataFrame) -> str:
    """Views of teachers and of their students, and what theory says of the students."""
    sizes, T = _sizes(table), _usual(table)
    students: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "hinton": ({"T": T}, {"label": f"students, T = {T:g}"}),
        "paper": ({}, {"label": "students, the paper's update", "ls": "--", "mfc": "white"}),
    }
    curve = partial(panels.curve, axes, table, low=0, high=1, ms=5.5)
    teachers = {float(size): coverage(f"ensemble_{size}") for size in sizes}
    curve(teachers, color=ENSEMBLE, marker="^", label="their teacher, K averaged")
    for i, (loss, (where, look)) in enumerate(students.items()):
        aside = 0.08 * (i + 1)  # or intervals would hide each other
        points = {size + aside: coverage(kd_loss=loss, size=size, **where) for size in sizes}
        curve(points, color=TAUGHT, **look)
    theory = {size: measured("predicted", kd_loss="paper", size=size) for size in sizes}
    known = {size: panels.values(table, each) for size, each in theory.items()}
    means = {size: each.by_seed.mean() for size, each in known.items() if each is not None}
    axes.plot(list(means), list(means.values()), ":", color=style.INK, label="students, theory")
    axes.set_xticks(sizes)
    axes.set_ylim(0, 1.02)
    panels.hundredths(axes.yaxis)
    axes.set_xlabel("networks that teach, K")
    axes.set_ylabel(f"views covered, c in %\n{panels.by_repetition(panels.repetitions(table))}")
    panels.legend(axes)
    return "Patches: views by number of teachers"


def _by_loss(axes: Axes, table: pd.DataFrame) -> str:
    """Views of the students of most teachers, by what they are taught."""
    K, T = _sizes(table)[-1], _usual(table)
    of_all = measured("predicted", kd_loss="paper", size=K)
    of_few = measured("predicted", "few_hinton")
    taught: dict[str, Estimate] = {
        f"soft targets, T = {each:g}": coverage(kd_loss="hinton", size=K, T=each)
        for each in sorted(table["T"].dropna().unique())
    }
    taught |= {
        "squares of logits": coverage(kd_loss="squares", size=K),
        "centred squares": coverage(kd_loss="squares_centred", size=K),
        "the paper's update": coverage(kd_loss="paper", size=K),
    }
    few = f"{table['per_class'].max():.0f} samples a class"
    groups: Groups = {
        "labels": [
            Line("one network", coverage("member"), ONE),
            Line("as long as students", coverage("labels"), ONE),
            Line(few, coverage("few_labels"), ONE),
        ],
        f"{K} teachers": [
            *(Line(name, each, TAUGHT, beside=of_all) for name, each in taught.items()),
            Line(f"T = {T:g}, {few}", coverage("few_hinton"), TAUGHT, beside=of_few),
        ],
    }
    forest(axes, table, groups, low=0, high=1, beside=panels.THEORY)
    axes.set_xlim(0, 1.03)
    axes.set_xlabel("views covered, c in %")
    forest_key(axes, table)
    axes.plot([], [], ls="none", label="theory", **panels.THEORY)
    panels.legend(axes)
    return "Patches: views by what is taught"


PANELS = (
    ("mnist", _digits),
    ("cifar10", _images),
    ("synthetic", _by_teachers),
    ("synthetic", _by_loss),
)
