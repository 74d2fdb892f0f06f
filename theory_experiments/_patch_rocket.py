"""Rocket launching on synthetic patches: which views of its booster does a light net learn?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.probes import Coverage
from multiview.runs.experiment import Context
from multiview.theory import mixed_error, student_coverage
from theory_experiments._patch_nets import PAPER_SPEC, SMALL_SPEC, draw_features, draw_train
from theory_experiments._patch_rocket_nets import (
    Pair,
    PatchRocketCell,
    along_axes,
    neuron_winners,
    train_pairs,
)
from theory_experiments._patch_sgd import measured
from theory_experiments._won_views import won_views

BOOSTER = "booster_"  # beginning of what is measured of a pair's booster


def run_patch_rocket(cell: PatchRocketCell, context: Context) -> dict[str, dict[str, Any]]:
    """Light nets and boosters trained in every way, and what each of them covers.

    Returns:
        A method for each pair of ``train_pairs``. Of its light net, and beginning with ``booster_``
        of its booster: ``coverage``, ``margin`` (mean over probes that show one view), ``single``,
        ``multi`` and ``mixed`` (errors on samples of either kind, and on the distribution, of which
        mu are single-view). The fraction of classes in which both won the same view:
        ``neurons_agree``, by their strongest neurons; ``margins_agree``, by their margins. Where a
        pair stands on an axis: ``neurons_shared``, ``booster_neurons``, ``hint_weight``.
        ``predicted``: c by the closed form, with the c measured of nets alone. ``union`` of "data":
        of the very views of light net and booster alone.
    """
    features = draw_features(cell)
    pairs = train_pairs(cell, draw_train(cell, features), context.progress)

    def outputs(patches: Tensor) -> dict[str, Tensor]:
        found = {}
        for name, (light, booster) in pairs.items():
            found |= {name: light(patches), BOOSTER + name: booster(patches)}
        return found

    covered, values = measured(cell, features, outputs)
    row: dict[str, dict[str, Any]] = {
        name: {
            **_errors(cell, values, name),
            **{BOOSTER + key: of for key, of in _errors(cell, values, BOOSTER + name).items()},
            **_agreement(cell, features, pair, covered[name], covered[BOOSTER + name]),
        }
        for name, pair in pairs.items()
    }
    for name, places in along_axes(cell).items():
        row[name] |= places
    for name, c in predictions(row).items():
        row[name]["predicted"] = c
    views = [covered[name].covered for name in ("base", BOOSTER + "base")]
    return row | {"data": {"union": float(torch.logical_or(*views).double().mean())}}


def _errors(
    cell: PatchRocketCell, values: Mapping[str, Mapping[str, Tensor]], name: str
) -> dict[str, float]:
    """What is measured of one net."""
    found = {measure: float(each[name]) for measure, each in values.items()}
    return found | {"mixed": mixed_error(cell.spec.mu, found["single"], found["multi"])}


def _agreement(
    cell: PatchRocketCell,
    features: Float[Tensor, "k L d"],
    pair: Pair,
    light: Coverage,
    booster: Coverage,
) -> dict[str, float]:
    """The fractions of classes in which light net and booster won the same view."""
    return {
        "neurons_agree": _same(*(neuron_winners(cell, net, features) for net in pair)),
        "margins_agree": _same(won_views(light), won_views(booster)),
    }


def _same(light: Int[Tensor, " k"], booster: Int[Tensor, " k"]) -> float:
    return float((light == booster).double().mean())


def predictions(row: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """What pairs that share nothing cover if a light net adds its boosters' views to its own."""
    own = row["base"]["coverage"]
    both = student_coverage(row["base"]["booster_coverage"], own)
    return {
        "kd": both,
        "rocket": both,
        "rocket_kd": student_coverage(row["teacher"]["booster_coverage"], both),
        "many": student_coverage(row["many"]["booster_coverage"], own),
    }


LAPTOP = PatchRocketCell()
SMOKE = replace(
    LAPTOP,
    spec=SMALL_SPEC,
    num_train=60,
    width=4,
    booster_width=4,
    booster_widths=(4, 6),
    shared=(0, 4),
    weights=(0.03, 0.1),
    members=2,
    optim=replace(LAPTOP.optim, epochs=3, batch_size=30),
    num_test=50,
    probes_per_view=20,
)
PAPER = replace(
    LAPTOP,
    spec=PAPER_SPEC,
    num_train=2000,
    width=20,
    booster_width=40,
    booster_widths=(20, 40, 80),
    shared=(0, 5, 10, 15, 20),
    members=10,
    num_test=10_000,
    probes_per_view=100,
)
