"""Rocket launching on synthetic patches: which views of its booster does a light net learn?

Of c, the fraction of views covered (each class has two, and a network learns about one of them,
decided by its start). If all neurons of the light net are shared, c falls to the booster's, where
the paper reports that sharing helps; without the block the hint acts before features form and makes
the neurons of both win the same views; a wider booster has no more views to teach. What coverage a
light net that shares nothing adds to its own is judged in ``coverage_of_methods``.

The directions were derived before any run. Results on the seeds 0 to 9 were known when the margin
was set, when the view that a network has learned came to be read from neurons (margins are equal
where logits are mimicked), and when the error by which sharing is said to help came to be that on
the distribution.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from multiview.bench import Cell, Entry, PatchSetting, Sgd, adds
from multiview.comparison.entries import with_predictions
from multiview.distill.rocket_loss import HINT_WEIGHT
from multiview.measures import Companions, PatchErrors, StrongestNeurons, Varied, Views
from multiview.methods import Booster, Rocket, Student
from multiview.runs.claims import Claim
from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Line, Listing, lines_of, measure
from theory_experiments.settings import BY_SGD, PAPER_BY_SGD, SGD, SMOKE_BY_SGD
from theory_experiments.views.parts import SYNTHETIC
from theory_experiments.views.units import (
    LESS,
    MARGIN,
    MORE,
    NO_MORE,
    SAME,
    WORDS,
    counted_in_views,
)

AXES = {  # the rocket's setting that is varied alone: its column, what it is called
    "shared": ("neurons_shared", "neurons shared a class"),
    "width": ("booster_neurons", "booster's neurons a class"),
    "weight": ("hint_weight", "hint's weight"),
}
Axes = dict[str, tuple[Any, ...]]
LAPTOP_AXES: Axes = {
    "shared": (0, 2, 5, 10),
    "width": (20, 10, 40),
    "weight": (HINT_WEIGHT, 0.1, 0.3),
}


def entries(axes: Axes) -> dict[str, Entry]:
    """Every method.

    Args:
        axes: Values along each axis; the rocket stands at the first ones. The largest number of
            shared neurons is all of the light net's.
    """
    usual = {name: values[0] for name, values in axes.items()}
    rocket = partial(Rocket, width=usual["width"])
    alone, most = rocket(weight=0.0), max(axes["shared"])
    both = adds("booster", own="base")
    varied = {
        f"{name}_{value:g}": Entry(Rocket(**(usual | {name: value})), f"{AXES[name][1]}: {value:g}")
        for name, values in axes.items()
        for value in values[1:]
    }
    return {
        "base": Entry(alone, "light net alone"),
        "booster": Entry(Booster(of=alone), "booster alone"),
        "kd": Entry(Student(teacher=Booster(of=alone)), "KD of the trained booster", theory=both),
        "rocket": Entry(rocket(), "rocket, nothing shared", theory=both),
        "no_block": Entry(rocket(block=False), "no gradient block"),
        "no_joint": Entry(rocket(joint=False), "no joint training"),
        "no_joint_shared": Entry(
            rocket(joint=False, shared=most), "no joint training, starts as the booster"
        ),
        **varied,
    }


def places(axes: Axes) -> dict[str, dict[str, float]]:
    """Where rockets stand on the axes; the usual one stands on each."""
    found: dict[str, dict[str, float]] = {"rocket": {}}
    for name, values in axes.items():
        found["rocket"][AXES[name][0]] = values[0]
        found |= {f"{name}_{value:g}": {AXES[name][0]: value} for value in values[1:]}
    return found


def cell(
    setting: PatchSetting, axes: Axes, num_test: int, probes_per_view: int
) -> Cell[PatchSetting]:
    """All methods, and what is measured of light nets and of their boosters."""
    views = Views(probes_per_view=probes_per_view)
    measures = (views, PatchErrors(num_test=num_test), StrongestNeurons())
    return Cell(
        part=SYNTHETIC,
        setting=setting,
        methods={name: each.method for name, each in entries(axes).items()},
        measures=(*measures, Companions(measures=measures), Varied(values=places(axes))),
    )


def in_one_course(setting: PatchSetting, **optim: Any) -> PatchSetting:
    """The setting with the same training for all, of an SGD with other settings."""
    spec = replace(SGD, **optim)
    return replace(setting, training=Sgd(labels=spec, students=spec))


ENTRIES = entries(LAPTOP_AXES)
# The rate is half that of other networks trained by SGD here: shared neurons get two nets'
# gradients, and at 2 those of a booster twice as wide as its light net ended with fewer views with
# hints than without. Chosen on the seeds 1000 to 1003.
COURSE: dict[str, Any] = {"epochs": 80, "learning_rate": 1.0}
LAPTOP = cell(in_one_course(BY_SGD, **COURSE), LAPTOP_AXES, num_test=200, probes_per_view=30)
SMOKE = cell(
    replace(in_one_course(SMOKE_BY_SGD, **COURSE | {"epochs": 3, "batch_size": 30}), num_train=60),
    {"shared": (0, 4), "width": (4, 6), "weight": (HINT_WEIGHT, 0.1)},
    num_test=50,
    probes_per_view=20,
)
PAPER = cell(
    in_one_course(PAPER_BY_SGD, **COURSE),
    {
        "shared": (0, 5, 10, 15, 20),
        "width": (40, 20, 80),
        "weight": LAPTOP_AXES["weight"],
    },
    num_test=10_000,
    probes_per_view=100,
)

THEORY = "derived; arXiv 2012.09816, Section 4"
WHAT = "fraction of views that the light net covers"
on_patches = partial(measured, part=SYNTHETIC)
coverage = partial(on_patches, "coverage")
of_booster = partial(on_patches, "booster_coverage")
agreement = partial(on_patches, "neurons_agree")


def claims(cell: Cell[PatchSetting]) -> Iterator[Claim]:
    """What this experiment alone varies: predictions P2, P3 and P5, and the paper's of sharing."""
    width, mu = cell.setting.width, cell.setting.spec.mu
    every, shared = f"all {width} neurons of the light net shared", f"shared_{width}"
    rockets = [each for each in cell.methods.values() if isinstance(each, Rocket)]
    few, *_, most = sorted({each.width for each in rockets if each.width is not None})
    strongest = "the strongest neurons of light net and booster are on the same view"
    claim = partial(_claim, f"P3 ({THEORY})")
    yield _claim(
        f"P2 ({THEORY})",
        "all shared",
        f"with {every}, the {WHAT} is its booster's, {WORDS[SAME]}",
        SAME,
        coverage(shared) - of_booster(shared),
    )
    yield _claim(
        "arXiv 1708.04106, Table 2 (its gain, of images)",
        "sharing helps",
        f"the light net's test error on the distribution ({mu:g} single-view samples) "
        f"is less with {every} than with none",
        (1e-9, 1.0),
        on_patches("mixed", "rocket") - on_patches("mixed", shared),
    )
    yield claim(
        "block, winners",
        f"with the gradient block, {strongest} in 0.35 to 0.65 of the classes, as by chance",
        (0.35, 0.65),
        agreement("rocket"),
    )
    yield claim(
        "no block, winners",
        f"{strongest} in at least {MARGIN} more of the classes without the gradient block than "
        "with it",
        MORE,
        agreement("no_block") - agreement("rocket"),
    )
    yield claim(
        "no block, booster",
        f"without the gradient block the booster covers at least {MARGIN} fewer of the views",
        LESS,
        of_booster("no_block") - of_booster("rocket"),
    )
    yield _claim(
        f"P5 ({THEORY})",
        "wider booster",
        f"the {WHAT} is at most {MARGIN} more with a booster of {most} neurons a class than of "
        f"{few}",
        NO_MORE,
        coverage(booster_neurons=most) - coverage(booster_neurons=few),
    )


def _claim(
    source: str, name: str, statement: str, predicted: tuple[float, float], estimate: Estimate
) -> Claim:
    return Claim(f"synthetic: {name}", source, statement, predicted, estimate)


def derived(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines with what follows from what was measured.

    Returns:
        With ``predicted``, c by the closed form; ``neurons_agree`` and ``margins_agree``, the
        fraction of classes in which light net and booster have learned the same view, by their
        strongest neurons or by margins; ``mixed``, the error on the distribution; ``union``, the
        fraction of views that light net or booster covers.
    """
    lines = with_predictions(lines, ENTRIES)
    mu = lines["spec.mu"]
    lines = lines.assign(
        mixed=mu * lines["single"] + (1 - mu) * lines["multi"],
        neurons_agree=share(np.equal, lines, "strongest_view"),
        margins_agree=share(np.equal, lines, "dominant_view"),
        union=share(np.logical_or, lines, "covered"),
    )
    both = (f"booster_{name}" for name in ("coverage", "single"))
    return counted_in_views(lines, "coverage", "single", "union", *both)


def share(relation: np.ufunc, lines: pd.DataFrame, name: str) -> list[float]:
    """How often an array of the light net and one of its booster are so related, by line."""
    pairs = zip(lines[name], lines[f"booster_{name}"], strict=True)
    return [
        float(relation(one, other).mean()) if isinstance(other, np.ndarray) else np.nan
        for one, other in pairs
    ]


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Coverage, errors, and agreement of light nets and boosters, and c as the theory has it."""
    c, booster = measure("c", "coverage"), measure("c of its booster", "booster_coverage")
    neurons = measure("same view, neurons", "neurons_agree")
    mixed = measure("error, on D", "mixed")
    shown = {
        name: each.label for name, each in ENTRIES.items() if name.rpartition("_")[0] not in AXES
    }
    yield Listing(
        title="Synthetic patches, light nets and their boosters, in % (margins: of logits). c: "
        "views covered by the light net; same view: classes in which light net and booster have "
        "learned the same view, by their strongest neurons or by margins; errors: of the light net "
        "on test samples, and on their distribution D",
        lines=lines_of(shown),
        columns=[
            *(c, measure("c predicted", "predicted"), booster, neurons),
            measure("same view, margins", "margins_agree"),
            measure("margin", "margin", unit="number"),
            measure("error, single-view", "single"),
            measure("error, multi-view", "multi"),
            mixed,
        ],
    )
    yield Listing(
        title="The rocket, one setting varied at a time, columns as above, in %",
        lines=[
            Line(label=(label, f"{value:g}"), where={axis: value})
            for axis, label in AXES.values()
            for value in sorted(table[axis].dropna().unique())
        ],
        columns=[c, booster, neurons, mixed],
        labels=("varied", "value"),
    )
    yield Listing(
        title="Views covered by light net or booster, each trained alone, in %",
        lines=lines_of({"base": "the union"}),
        columns=[measure("c", "union")],
    )
