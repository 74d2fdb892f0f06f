"""What is claimed of the views that light nets on patches cover, before runs on seeds from 10 on.

Of c, the fraction of views covered (each class has two, and a network learns about one of them,
decided by its start). A light net that shares nothing with its booster adds the booster's views to
its own: 1 - (1 - c)(1 - c_B), and a trained net adds a third factor; if all neurons of the light
net are shared, c falls to the booster's, where the paper reports that sharing helps; without the
block the hint acts before features form and makes the neurons of both win the same views; a hint
that waits until the booster fits takes nothing away; a wider booster has no more views to teach,
and several boosters have.

The directions were derived before any run. Results on the seeds 0 to 9 were known when the margin
was set, when who won a view came to be read from neurons (margins are equal where logits are
mimicked), and when the error by which sharing is said to help came to be that on the distribution.
"""

from collections.abc import Iterator
from functools import partial

from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from theory_experiments._parts import SYNTHETIC
from theory_experiments._patch_rocket_nets import PatchRocketCell
from theory_experiments.views.units import LESS, MARGIN, MORE, NO_LESS, NO_MORE, SAME, WORDS

THEORY = "derived; arXiv 2012.09816, Section 4"
WHAT = "fraction of views that the light net covers"

on_patches = partial(measured, part=SYNTHETIC)
coverage = partial(on_patches, "coverage")
winners = partial(on_patches, "neurons_agree")


def patch_rocket_claims(cell: PatchRocketCell) -> Iterator[Claim]:
    """Predictions P1 to P5, and the paper's of sharing."""
    yield from _sum_claims()
    yield from _sharing_claims(cell)
    yield from _block_claims()
    yield from _booster_claims(cell)


def _sum_claims() -> Iterator[Claim]:
    for name, who, says, law in (
        ("rocket", "rocket", "with nothing shared", "(1 - c_B), of light net and booster"),
        (
            "rocket + KD",
            "rocket_kd",
            "launched and taught by a trained net",
            "(1 - c_B)(1 - c_T)",
        ),
    ):
        yield Claim(
            name=f"synthetic: {name}",
            source=f"P1 ({THEORY})",
            statement=f"{says}, the {WHAT} is 1 - (1 - c){law}, {WORDS[SAME]}",
            predicted=SAME,
            estimate=coverage(who) - on_patches("predicted", who),
        )


def _sharing_claims(cell: PatchRocketCell) -> Iterator[Claim]:
    every, shared = f"all {cell.width} neurons of the light net shared", f"shared_{cell.width}"
    yield Claim(
        name="synthetic: all shared",
        source=f"P2 ({THEORY})",
        statement=f"with {every}, the {WHAT} is its booster's, {WORDS[SAME]}",
        predicted=SAME,
        estimate=coverage(shared) - on_patches("booster_coverage", shared),
    )
    yield Claim(
        name="synthetic: sharing hurts",
        source=f"P2 ({THEORY})",
        statement=f"the {WHAT} is at least {MARGIN} less with {every} than with none",
        predicted=LESS,
        estimate=coverage(shared) - coverage("rocket"),
    )
    yield Claim(
        name="synthetic: sharing helps",
        source="arXiv 1708.04106, Table 2 (its gain, of images)",
        statement="the light net's test error on the distribution "
        f"({cell.spec.mu:g} single-view samples) is less with {every} than with none",
        predicted=(1e-9, 1.0),
        estimate=on_patches("mixed", "rocket") - on_patches("mixed", shared),
    )


def _block_claims() -> Iterator[Claim]:
    claim = partial(Claim, source=f"P3 ({THEORY})")
    same = "the strongest neurons of light net and booster are on the same view"
    yield claim(
        name="synthetic: block, winners",
        statement=f"with the gradient block, {same} in 0.35 to 0.65 of the classes, as by chance",
        predicted=(0.35, 0.65),
        estimate=winners("rocket"),
    )
    yield claim(
        name="synthetic: no block, winners",
        statement=f"{same} in at least {MARGIN} more of the classes without the gradient block "
        "than with it",
        predicted=MORE,
        estimate=winners("no_block") - winners("rocket"),
    )
    for who, measure in (("light net", "coverage"), ("booster", "booster_coverage")):
        yield claim(
            name=f"synthetic: no block, {who}",
            statement=f"without the gradient block the {who} covers at least {MARGIN} fewer of the "
            "views",
            predicted=LESS,
            estimate=on_patches(measure, "no_block") - on_patches(measure, "rocket"),
        )


def _booster_claims(cell: PatchRocketCell) -> Iterator[Claim]:
    yield Claim(
        name="synthetic: late hint",
        source=f"P4 ({THEORY})",
        statement=f"the {WHAT} is at most {MARGIN} less where the hint waits for {cell.delay:g} of "
        "the steps than where it acts from the first",
        predicted=NO_LESS,
        estimate=coverage("late") - coverage("rocket"),
    )
    few, most = cell.booster_widths[0], cell.booster_widths[-1]
    yield Claim(
        name="synthetic: wider booster",
        source=f"P5 ({THEORY})",
        statement=f"the {WHAT} is at most {MARGIN} more with a booster of {most} neurons a class "
        f"than of {few}",
        predicted=NO_MORE,
        estimate=coverage(booster_neurons=most) - coverage(booster_neurons=few),
    )
    yield Claim(
        name=f"synthetic: {cell.members} boosters",
        source=f"P5 ({THEORY})",
        statement=f"the {WHAT} is at least {MARGIN} more with the mean of {cell.members} boosters "
        "than with one",
        predicted=MORE,
        estimate=coverage("many") - coverage("rocket"),
    )
