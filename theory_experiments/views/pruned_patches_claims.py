"""What was predicted of pruned patch networks, and how rows are held against it.

The predictions P1 to P5 are those of ``pruned_patches``.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from multiview.bench import Cell, PatchSetting
from multiview.runs.claims import Claim, at_least
from multiview.runs.estimates import Estimate, average, largest, measured
from theory_experiments.views.gates import gated, lambdas, shares
from theory_experiments.views.parts import SYNTHETIC
from theory_experiments.views.pruned_curves import (
    BELOW_FLOOR,
    best_lean,
    by_strength,
    c_lost_when_lean,
    critical,
    error_below_floor,
    fewest_neurons,
    hidden_loss,
    lost_at_the_level,
    off_encoded,
    worst_above_floor,
)
from theory_experiments.views.pruned_patches import (
    KEPT,
    MORE_MU,
    MORE_SAMPLES,
    TEMPERATURE,
)
from theory_experiments.views.units import MARGIN, MORE, SAME, WORDS

GROWS = at_least(1.25)  # of a critical strength
P = {i: f"P{i} (derived; arXiv 2012.09816, Section 4)" for i in range(1, 6)}
PRIMARY, CHECKS = {"one view first"}, {"pruned as gated"}
Lines = tuple[str, str, str, tuple[float, float], Estimate]  # name, source, statement, ...

on_patches = partial(measured, part=SYNTHETIC)


def patch_claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """What was predicted before any run, with what counts as equal or more."""
    for lines in (by_strengths, targets, two_views, critical_strengths, late, together):
        for name, source, statement, predicted, estimate in lines(cells):
            yield Claim(
                name=f"{SYNTHETIC}: {name}",
                source=source,
                statement=statement,
                predicted=predicted,
                estimate=estimate,
                kind="check" if name in CHECKS else "claim",
                primary=name in PRIMARY,
            )


def setting_of(cells: Sequence[Cell]) -> PatchSetting:
    """The setting of most networks."""
    setting = cells[0].setting
    assert isinstance(setting, PatchSetting)
    return setting


def by_strengths(cells: Sequence[Cell]) -> Iterator[Lines]:
    """c is flat until few neurons are left, and all go within a narrow range of lambda."""
    statement = "logits of pruned patch nets are those of the gated ones, to 1e-5 of the largest"
    difference = largest(on_patches("parity", who) for who, _ in gated(cells))
    yield "pruned as gated", "identity", statement, (-1.0, 1e-5), difference
    statement = (
        "c of one network, at the first lambda that leaves 30% of its neurons or fewer, is that at "
        f"the smallest lambda, {WORDS[SAME]}"
    )
    text = "c where 30% of the neurons are left less c of all"
    yield "flat", P[1], statement, SAME, by_strength(text, "one", c_lost_when_lean)
    statement = (
        "while one network has a neuron or more left of every class, its multi-view error is at "
        "most 0.02 at every lambda"
    )
    text = "largest multi-view error with no class lost"
    error = by_strength(text, "one", worst_above_floor)
    yield "until its floor", P[1], statement, (-1.0, 0.02), error
    low, high = BELOW_FLOOR
    statement = (
        f"at the largest lambda that leaves one network {low:g} to {high:g} neurons a class on "
        "average, its multi-view error exceeds 0.2"
    )
    text = f"multi-view error of {low:g} to {high:g} neurons"
    yield "collapse", P[1], statement, (0.2, 1.0), by_strength(text, "one", error_below_floor)
    (first, low), *_, (last, high) = lambdas(cells, "fine").items()
    statement = (
        f"half of all neurons, or more, go between lambda {low:g} and {high:g}, a factor of "
        f"{high / low:.3g}: a cliff"
    )
    lost = on_patches("neurons", first) - on_patches("neurons", last)
    share = lost / setting_of(cells).width
    yield "cliff", "L0 at scale (arXiv 1902.09574)", statement, (0.5, 1.0), share


def targets(cells: Sequence[Cell]) -> Iterator[Lines]:
    """A share of the weights that is asked for is left."""
    asked, width = "networks asked for a share of their weights", setting_of(cells).width
    statement = f"{asked} have it in expectation, to 0.05 at the worst of all shares"
    difference = largest(
        abs(on_patches("expected_share", who) - x) for who, x in shares(cells).items()
    )
    yield "target, expected", "L0Spec", statement, (-1.0, 0.05), difference
    statement = (
        f"{asked} keep that share of their neurons when pruned, to 0.2 at the worst of all shares"
    )
    difference = largest(
        abs(on_patches("neurons", who) / width - x) for who, x in shares(cells).items()
    )
    yield "target, left", "L0Spec", statement, (-1.0, 0.2), difference


def two_views(cells: Sequence[Cell]) -> Iterator[Lines]:
    """Views need neurons, and one view of each class goes first."""
    knew = "a network that knew all views"
    statement = (
        f"c of {knew} is half the number of views of a class that a neuron encodes, to {MARGIN} on "
        "average over lambdas that leave neurons"
    )
    off = by_strength("mean distance of c from half the views encoded", "all", off_encoded)
    yield "held views", P[1], statement, (-1.0, MARGIN), off
    statement = (
        f"{knew} has 1.9 neurons a class or more left at every lambda at which its c is 0.95 or "
        "more"
    )
    estimate = by_strength("fewest neurons where c is 0.95 or more", "all", fewest_neurons)
    yield "neurons of both views", P[1], statement, at_least(1.9), estimate
    statement = f"where c of {knew} falls through 3/4, at most 3% of classes have lost both views"
    text = "classes without a view where c falls through 3/4"
    lost = by_strength(text, "all", lost_at_the_level)
    yield "one view first", P[1], statement, (-1.0, 0.03), lost
    statement = (
        f"where the single-view error of {knew} rises through 1/4 (half of all second views gone), "
        "its multi-view error is at most 0.02"
    )
    text = "multi-view error where the single-view error passes 1/4"
    yield "hidden", P[1], statement, (-1.0, 0.02), by_strength(text, "all", hidden_loss)


def critical_strengths(cells: Sequence[Cell]) -> Iterator[Lines]:
    """Where second views die, by what defends them."""
    mu = setting_of(cells).spec.mu
    factor, ratio, dies = MORE_MU / mu, critical("more_mu") / critical("all"), "second views die"
    statement = (
        f"the lambda at which {dies} (c falls through 3/4) at mu={MORE_MU:g} is 1.25 times that at "
        f"mu={mu:g} or more"
    )
    yield "critical by mu", P[2], statement, GROWS, ratio
    statement = (
        f"the lambda at which {dies} at mu={MORE_MU:g} is {factor:g} times that at mu={mu:g}, to a "
        "factor of 2"
    )
    yield "proportional to mu", P[2], statement, (factor / 2, factor * 2), ratio
    statement = (
        f"lambda/N at which {dies} is the same, to a factor of 2, with {MORE_SAMPLES} N samples at "
        "as many steps: memorisation does not shift it"
    )
    ratio = critical("more_samples") / (critical("all") * MORE_SAMPLES)
    yield "the same lambda/N", P[2], statement, (0.5, 2.0), ratio
    ratios = {"soft": TEMPERATURE, "cool": 1.0}
    for name, temperature in ratios.items():
        statement = (
            f"the lambda at which {dies} is 1.25 times as large or more under soft targets at "
            f"T={temperature:g} as under labels"
        )
        ratio = critical(name) / critical("all")
        yield f"soft at {temperature:g}", P[3], statement, GROWS, ratio
    factor = 1 / mu
    statement = (
        f"the lambda at which {dies} is 1/mu = {factor:g} times as large under soft targets at "
        f"T={TEMPERATURE:g} as under labels, to a factor of 2"
    )
    ratio = critical("soft") / critical("all")
    yield "soft, by 1/mu", P[3], statement, (factor / 2, factor * 2), ratio


def late(cells: Sequence[Cell]) -> Iterator[Lines]:
    """A penalty from the first step loses classes whose neurons grow late."""
    early, delayed = (list(lambdas(cells, name)) for name in ("from_start", "delayed"))
    alike, first = "(lambda times steps alike)", "under one from the first step"
    statement = (
        f"c of untrained networks is larger {WORDS[MORE]} under a delayed penalty {alike} than "
        f"{first}, on average over lambdas"
    )
    gains = (
        on_patches("coverage", b) - on_patches("coverage", a)
        for a, b in zip(early, delayed, strict=True)
    )
    yield "delayed", P[4], statement, MORE, average(gains)
    statement = (
        "networks pruned by a delayed penalty lose no class: their multi-view error is at most "
        "0.02 at every lambda"
    )
    worst = largest(on_patches("multi", who) for who in delayed)
    yield "delayed, no class lost", P[4], statement, (-1.0, 0.02), worst
    statement = (
        "classes lost under a penalty from the first step have largest starts on a view that are "
        "0.1 sigma_init smaller, or more, than those of classes kept"
    )
    yield "slow classes", P[4], statement, at_least(0.1), on_patches("head_start", "data")
    best = partial(by_strength, "largest c with 2 neurons a class or fewer", compute=best_lean)
    statement = (
        f"the largest c with 2 neurons a class or fewer, over lambdas, is larger {WORDS[MORE]} "
        f"under a delayed penalty {alike} than {first}"
    )
    gain = best("delayed") - best("from_start")
    yield "delayed, as many neurons", P[4], statement, MORE, gain


def together(cells: Sequence[Cell]) -> Iterator[Lines]:
    """Pruned networks average as independent ones do."""
    K = setting_of(cells).members
    statement = (
        f"{K} networks, pruned at lambda {KEPT:g} and averaged, cover 1 - (1 - c)^{K}, "
        f"{WORDS[SAME]}"
    )
    who = f"pruned_ensemble_{K}"
    excess = on_patches("coverage", who) - on_patches("predicted", who)
    yield f"{K} pruned networks", P[5], statement, SAME, excess
