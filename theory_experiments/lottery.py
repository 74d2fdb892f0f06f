"""Initial weights decide which view is learned; what is missed is learned by heart.

Of a class's two views the one whose best neuron starts ahead, weighted by its signal S, wins the
race of x' = S x^(q-1) and the other stays near its start. Single-view training samples whose strong
view lost are then fitted through their noise, so the same samples with fresh noise are wrong again
(Allen-Zhu & Li, arXiv 2012.09816, Section 4: winning set M, tensor-power lemma, phases I to III).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from rich.table import Table

from multiview import stream
from multiview.probes import coverage_of, coverage_probes, view_norms
from multiview.runs.claims import Claim
from multiview.runs.experiment import Context, Experiment, Grid
from multiview.runs.script import main
from multiview.train import TrainSpec
from theory_experiments._estimates import Estimate, claims_from, number
from theory_experiments._lottery import LotteryCell, race
from theory_experiments._lottery_estimates import (
    CLEAR,
    LEAD_BINS,
    accuracy,
    against,
    each,
    final_loser,
    share_small,
    stray_growth,
    tail_error,
    tail_growth,
    total_growth,
)
from theory_experiments._memorisation import GROUPS, memorisation
from theory_experiments._patch_nets import (
    PAPER_SPEC,
    SMALL_SPEC,
    draw_features,
    draw_train,
    logits_of,
    new_nets,
    only_cpu,
)
from theory_experiments._trace import follow, rise, tail


def run(cell: LotteryCell, context: Context) -> dict[str, Any]:
    """Lottery, trajectories, tail and memorisation of the networks on one draw of everything.

    Returns:
        The columns of ``race``, ``rise``, ``tail`` and ``memorisation``.
    """
    features = draw_features(cell)
    train = draw_train(cell, features)
    start = new_nets(cell, "members", cell.members)
    net, trace = follow(cell, start, train, features, context.progress)
    probes = coverage_probes(cell.spec, features, stream(cell.seed, "probes"), cell.probes_per_view)
    covered = coverage_of(logits_of(net, probes), probes).covered
    winners, losers = trace.paths(view_norms(net, features).argmax(-1))
    return {
        **race(cell, start, net, train, features, covered, winners, losers),
        **rise(cell, trace.time, winners, losers),
        **tail(trace, winners, losers),
        **memorisation(cell, net, train, features, covered),
    }


LAPTOP = LotteryCell()
PRESETS = {
    "smoke": replace(
        LAPTOP,
        spec=replace(SMALL_SPEC, mu=0.03),
        num_train=200,
        members=4,
        num_test=100,
        num_multi=50,
        redraws=5,
        probes_per_view=20,
        train=TrainSpec(max_steps=300),
        tail=TrainSpec(max_steps=60, loss_bound=1e-3),
    ),
    "laptop": LAPTOP,
    "paper": replace(LAPTOP, spec=PAPER_SPEC, num_train=2000, width=20, num_test=2000),
}
SEEDS = {"smoke": 2, "laptop": 8, "paper": 20}


def cells(preset: str) -> Callable[[int, Any], list[LotteryCell]]:
    """Of each repetition two: patches without a feature are empty, or as noisy as the others."""

    def two(seed: int, options: Any) -> list[LotteryCell]:
        cell = replace(PRESETS[preset], seed=seed)
        noise = replace(cell.spec, sigma_background=cell.spec.sigma_p)
        return [cell, replace(cell, spec=noise)]

    return two


def empty(table: pd.DataFrame) -> pd.DataFrame:
    """Repetitions whose patches without a feature are empty."""
    return table.loc[table["spec.sigma_background"] == 0]


def noisy(table: pd.DataFrame) -> pd.DataFrame:
    """Repetitions whose patches without a feature are noise."""
    return table.loc[table["spec.sigma_background"] > 0]


def claims(preset: str, options: Any) -> list[Claim]:
    """The steps of the proof; the smoke preset is too small to be held against them."""
    return [] if preset == "smoke" else claims_from(claim_lines(PRESETS[preset]))


def claim_lines(cell: LotteryCell) -> Iterator[tuple]:
    """The steps as they stand, for k to infinity, and what they come to here."""

    def of(value: Callable[[Any], Any]) -> Estimate:
        return lambda table: each(empty(table), value)

    def named(column: str) -> Estimate:
        return of(lambda row: row[column])

    source = "Section 4, winning set M"
    threshold = 1 + 1 / math.log(cell.width) ** 2
    says = f"a view ahead by 1 + 1/log^2 m = {threshold:.2f} or more wins in 99% of classes"
    yield "the set M, k to infinity", source, says, (0.99, 1.0), of(accuracy(threshold))
    says = f"a view ahead by {CLEAR} or more wins in 95% of classes"
    yield "clear leads, here", source, says, (0.95, 1.0), of(accuracy(CLEAR))
    says = "the view ahead wins in 90% of all classes"
    yield "all leads, here", source, says, (0.9, 1.0), of(accuracy())

    source = lemma = "Section 4, tensor-power lemma"
    says = "the loser ends below a tenth of the winner in 70% of classes"
    yield "loser and winner", source, says, (0.7, 1.0), of(share_small)
    says = "where one view is learned, the other ends at 3 sigma_init or less (median)"
    yield "the loser's size", source, says, (0.0, 3.0), of(final_loser)
    says = "until the winner escapes, the loser grows as x' = S x^(q-1) says, within 25%"
    yield "the race without noise", source, says, (0.8, 1.25), of(against("race"))
    says, source = "the same where noise adds its linear term to x^(q-1)", f"{lemma}, finite k"
    yield "the race with noise", source, says, (0.8, 1.25), of(against("noisy_race"))

    says = "projections on them at most double during training (median)"
    yield "other classes' features", "Section 4, phase I", says, (0.0, 2.0), of(stray_growth)

    source = "Section 4, phase III"
    says = "training samples whose strong view is unknown are all right"
    yield "lost samples, own noise", source, says, (0.0, 0.0), named("error_lost")
    says = "with fresh noise they are wrong 60% of the time or more"
    yield "lost samples, fresh noise", source, says, (0.6, 1.0), named("fresh_error_lost")
    says = "more than half of their logit goes with their own noise"
    yield "noise in lost samples", source, says, (0.5, 1.0), named("noise_share_lost")
    says = "of the logit of multi-view samples, less than 0.1"
    yield "noise in multi-view samples", source, says, (-0.1, 0.1), named("noise_share_multi")

    says = "losers grow by less than 10% a decade as the loss falls from 0.1 to 0.001"
    yield "tail: the loser", lemma, says, (0.9, 1.1), of(tail_growth)
    says = "single-view error moves by at most 0.02 as the loss falls from 0.1 to 0.001"
    moves = of(lambda row: tail_error(0.001)(row) - tail_error(0.1)(row))
    yield "tail: the error", "Section 4, Theorem 1", says, (-0.02, 0.02), moves


def summary(table: pd.DataFrame) -> Table:
    """Every number with its 95% interval over repetitions, for empty and for noisy patches."""
    printed = Table(
        title="Lottery and memorisation: mean [95% interval] over repetitions; patches without a "
        "feature are",
        title_justify="left",
    )
    for heading in ("", "empty", "noise"):
        printed.add_column(heading, justify="right" if heading else "left")
    for name, value in summary_lines():
        of_kinds = (number(each(kind(table), value), -math.inf) for kind in (empty, noisy))
        printed.add_row(name, *of_kinds)
    return printed


def summary_lines() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """What is printed: its name, and its value in a row."""
    plain = accuracy(kind="_plain")
    yield "networks", lambda row: row["members"]
    yield "winner predicted", accuracy()
    yield "  without the signal S", plain
    yield "  difference", lambda row: accuracy()(row) - plain(row)
    for low, high in pairwise(LEAD_BINS):
        end = "more" if math.isinf(high) else f"{high:g}"
        yield f"  lead {low:g} to {end}", accuracy(low, high)
    yield f"  lead {CLEAR} and more", accuracy(CLEAR)
    yield f"fraction of classes with a lead of {CLEAR}", lambda row: (row["lead"] >= CLEAR).mean()
    yield "classes with one view learned", lambda row: row["one_view"].mean()
    yield "loser below 10% of winner", share_small
    yield "  no single-view sample shows it", lambda row: share_small(row, False)
    yield "  one or more do", lambda row: share_small(row, True)
    yield "loser / winner, median", lambda row: np.median(row["final_loser"] / row["final_winner"])
    yield "loser / sigma_init, one view", final_loser
    yield "loser's growth, median", total_growth
    yield "  until escape", lambda row: np.nanmedian(row["growth"])
    yield "  of this over the race's", against("race")
    yield "  over the noisy race's", against("noisy_race")
    yield "stray projection / sigma_init", lambda row: np.median(row["stray"]) / row["sigma_init"]
    yield "  growth", stray_growth
    for group in GROUPS:
        for name, what in (
            ("number", "samples x networks"),
            ("error", "training error"),
            ("fresh_error", "error with fresh noise"),
            ("noise_share", "noise in the label's logit"),
            ("weak_share", "weak view's patch in it"),
        ):
            yield f"{what}, {group}", lambda row, name=f"{name}_{group}": row[name]
    yield "empty patches in it, lost", lambda row: row["parts_lost"][3] / row["parts_lost"].sum()
    for bound in (0.1, 0.05, 0.01, 1e-3):
        yield f"single-view error at loss {bound:g}", tail_error(bound)
    yield "loser's growth a decade, 0.1 to 0.001", tail_growth


EXPERIMENT = Experiment(
    name="lottery",
    run=run,
    grids={preset: Grid(cells=cells(preset), seeds=SEEDS[preset]) for preset in PRESETS},
    claims=claims,
    check=only_cpu,
    summary=summary,
    figure="lottery",
)

if __name__ == "__main__":
    main(EXPERIMENT)
