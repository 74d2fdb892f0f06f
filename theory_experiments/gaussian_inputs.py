"""Without multi-view structure an ensemble gains what variance explains, and no more.

Inputs are Gaussian, or a mixture of Gaussians; labels come from linear, fully connected, residual
and convolutional target networks, with and without label noise; learners are networks of the same
families and the paper's own, convolutional with the smoothed ReLU. The same code learns the paper's
multi-view patches (Allen-Zhu & Li, arXiv 2012.09816: ensembles do not improve test accuracy on
Gaussian-like inputs, hence variance is not why they do on images).

What variance allows: on each test sample the members are replaced by draws from the Gaussian that
has their mean logits and their covariance, and the surrogates' mean error minus the error of the
mean logits is the allowed gain. The measured gain, the members' mean error minus that same error,
exceeds it where members are no fluctuation around their mean: some know, the others do not.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
from rich.table import Table

from multiview import stream
from multiview.runs.claims import Claim
from multiview.runs.experiment import Context, Experiment, Grid, NoOptions
from multiview.runs.script import main
from multiview.train import TrainSpec
from multiview.train.metrics import wrong
from theory_experiments._contrast import within
from theory_experiments._estimates import claims_from, column, percent, points, ratio, where
from theory_experiments._gaussian_estimates import by_seed, on_views, pairs, relative_drop
from theory_experiments._gaussian_learners import LEARNERS, learn
from theory_experiments._gaussian_tasks import TaskCell, draw_samples
from theory_experiments._learners import FAMILIES
from theory_experiments._patch_nets import PAPER_SPEC, SMALL_SPEC, NetCell, only_cpu
from theory_experiments._surrogates import gain_columns


def run(cell: TaskCell, context: Context) -> dict[str, Any]:
    """Train and test all learners on one task.

    Returns:
        ``<learner>_<name>`` for every name of ``gain_columns``, and ``<learner>_train``, the mean
        training error, label noise included. On multi-view patches these are errors on single-view
        test samples; with ``_multi`` at the end those on multi-view ones.
    """
    train, tests = draw_samples(cell)
    row: dict[str, Any] = {}
    for i, learner in enumerate(LEARNERS):
        span = i / len(LEARNERS), (i + 1) / len(LEARNERS)
        outputs = learn(cell, learner, train, within(context.progress, *span))
        row[f"{learner}_train"] = float(wrong(outputs(train.patches), train.labels).double().mean())
        for ending, test in tests.items():
            generator = stream(cell.seed, "surrogates", learner, ending)
            found = gain_columns(outputs(test.patches), test.labels, cell.draws, generator)
            row |= {f"{learner}_{name}{ending}": value for name, value in found.items()}
    return row


LAPTOP = TaskCell()
VIEWS = replace(
    LAPTOP,
    inputs="multi-view",
    target="views",
    num_train=800,
    num_test=2000,
    train=NetCell().train,
)
SMOKE: dict[str, Any] = {
    "spec": replace(SMALL_SPEC, patch_dim=20, mu=0.05, sigma_p=20**-0.5),
    "num_train": 100,
    "num_test": 200,
    "members": 3,
    "hidden": 10,
    "width": 5,
    "optim": replace(LAPTOP.optim, epochs=3, batch_size=20),
}
PRESETS = {  # Gaussian-like inputs, multi-view patches
    "smoke": (
        replace(LAPTOP, train=TrainSpec(max_steps=10), **SMOKE),
        replace(VIEWS, train=TrainSpec(max_steps=150), **SMOKE),
    ),
    "laptop": (LAPTOP, VIEWS),
    "paper": (
        # Ten times the samples, and learners that fit them.
        replace(
            LAPTOP,
            num_train=10_000,
            num_test=20_000,
            hidden=200,
            optim=replace(LAPTOP.optim, epochs=40),
            width=20,
            train=TrainSpec(max_steps=300, loss_bound=0.05),
        ),
        replace(VIEWS, spec=PAPER_SPEC, num_train=2000, num_test=5000, hidden=200, width=20),
    ),
}
SEEDS = {"smoke": 2, "laptop": 5, "paper": 10}


def cells(preset: str) -> Callable[[int, NoOptions], Iterator[TaskCell]]:
    """Every task of one repetition: Gaussian, mixture (without label noise), multi-view."""
    gaussian, views = PRESETS[preset]

    def tasks(seed: int, options: NoOptions) -> Iterator[TaskCell]:
        for inputs, label_noise in (("gaussian", 0.0), ("gaussian", 0.1), ("mixture", 0.0)):
            for target in FAMILIES:
                yield replace(
                    gaussian, seed=seed, inputs=inputs, target=target, label_noise=label_noise
                )
        yield replace(views, seed=seed)

    return tasks


def claims(preset: str, options: NoOptions) -> list[Claim]:
    """The paper's control, and the gain it is a control of; the smoke preset shows neither."""
    return [] if preset == "smoke" else claims_from([*control_claims(), *gain_claims()])


def control_claims() -> Iterator[tuple]:
    """Where there are no views, variance explains what an ensemble gains.

    That it gains nothing at all cannot be asked: learners this small vary. One point is granted
    where gain and variance are compared on average, two in the worst of all pairs.
    """
    source, here = "Gaussian-like inputs", "on Gaussian-like inputs"
    fifth, below = "is below 0.2 of the paper's learner's on multi-view data", (-math.inf, 0.2)

    says = f"{here} ensembles gain at most 0.01 more than variance allows, on average"
    yield "gain is variance", source, says, (-math.inf, 0.01), by_seed("mean", "excess")
    says = f"{here} no learner of any target gains 0.02 more than variance allows"
    yield "gain is variance, worst pair", source, says, (-math.inf, 0.02), by_seed("max", "excess")
    says = f"the relative error drop of the paper's learner {here} {fifth}"
    drop = relative_drop("mean", ("smoothed",))
    yield "relative drop, paper's learner", source, says, below, drop
    says = f"the relative error drop of all learners {here}, on average, {fifth}"
    yield "relative drop, all learners", source, says, below, relative_drop("mean")
    says = f"the largest relative error drop of a learner {here} {fifth}"
    yield "relative drop, worst pair", source, says, below, relative_drop("max")
    says = f"{here} ensembles beat their best member by at most 0.005, on average"
    best = by_seed("mean", "over_best")
    yield "no gain over the best member", source, says, (-math.inf, 0.005), best


def gain_claims() -> Iterator[tuple]:
    """Where there are views, the ensemble of the paper's learner gains far more."""
    source, there = "Theorems 1 and 2", "on multi-view data"

    says = (
        f"{there} the ensemble of the paper's learner avoids at least 80% of its members' errors "
        "on single-view samples"
    )
    yield "multi-view drop", source, says, (0.8, math.inf), on_views(column("drop"))
    says = f"{there} that ensemble gains at least 0.05 more than variance allows"
    excess = on_views(column("excess"))
    yield "multi-view gain is not variance", source, says, (0.05, math.inf), excess
    says = f"{there} its members' errors spread by at most a quarter of its gain"
    share = on_views(ratio("spread", "gain"))
    yield "spread far below the gain", "Section 1", says, (-math.inf, 0.25), share


NAMES = {
    "linear": "linear",
    "connected": "fully connected",
    "residual": "residual",
    "convolutional": "convolutional",
    "smoothed": "conv., smoothed",
}


def summary(table: pd.DataFrame) -> Table:
    """Errors, gains and what variance allows, averaged over the target networks."""
    printed = Table(
        title="Test error and gain in %, mean over target networks [95% interval], "
        f"n={table['seed'].nunique()} repetitions",
        title_justify="left",
        caption="noisy: with wrong training labels; multi-view: errors on single-view samples",
        caption_justify="left",
    )
    errors = {"one": "mean member", "best": "best member", "ensemble": "ensemble"}
    gains = {"gain": "gain", "allowed": "variance allows"}
    printed.add_column("learner", no_wrap=True)
    for heading in (errors | gains).values():
        printed.add_column(heading, justify="right", no_wrap=True)
    found = pairs(table)
    for inputs, noise in found[["inputs", "label_noise"]].drop_duplicates().to_numpy():
        printed.add_section()
        printed.add_row(f"{inputs}, noisy" if noise else inputs, style="bold")
        for learner in LEARNERS:
            of_seed = where(found, inputs=inputs, label_noise=noise, learner=learner).groupby(
                "seed"
            )
            numbers = [percent(of_seed[name].mean()) for name in errors]
            numbers += [points(of_seed[name].mean()) for name in gains]
            printed.add_row(f" {NAMES[learner]}", *numbers)
    return printed


EXPERIMENT = Experiment(
    name="gaussian_inputs",
    run=run,
    grids={preset: Grid(cells=cells(preset), seeds=SEEDS[preset]) for preset in PRESETS},
    claims=claims,
    check=only_cpu,
    summary=summary,
    figure="gaussian_inputs",
)

if __name__ == "__main__":
    main(EXPERIMENT)
