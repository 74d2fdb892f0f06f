"""The data tilt the lottery: how often each view of a class is learned, over many networks.

Theorem 2 of Allen-Zhu & Li (arXiv 2012.09816) says that K averaged networks miss 2^-K of the views,
as each network learns either view of a class with probability 1/2. Networks of one ensemble have
their samples in common, though, which may favour one of the views: if view v is learned with
probability p_v, K networks miss the mean of (1 - p_v)^K, which is more than 2^-K wherever p_v
varies. Here p_v is measured over twenty networks on each of ten data sets. Beside them stand
networks that each have samples of their own, which nothing tilts alike, and networks that each have
a bootstrap sample (bagging): what is drawn from tilted data is tilted nearly as much. Predictions
were stated before any run but for pilots on seeds from 1000 on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.bench import (
    Bench,
    Cell,
    Classifier,
    Method,
    PatchSetting,
    Setting,
    check,
    run,
)
from multiview.data import sample_patches
from multiview.measures import Averages, Views
from multiview.measures.patches import PatchMeasure, Row, patch_bench
from multiview.methods import Bootstrap, Group, Labels, Members, Variant
from multiview.rng import stream
from multiview.runs.claims import Claim, at_least, at_most
from multiview.runs.estimates import Estimate, measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, estimated, measure
from theory_experiments.settings import many_classes, many_classes_smoke


@dataclass(frozen=True, kw_only=True)
class Growth(PatchMeasure):
    """Of "data": ``growth``, at what rate each view makes a small neuron of its class grow, (k, L).

    The mean over all training samples of (1[y = i] - 1/k) times the sum over patches of
    [<x_p, v>]^+^q: the gradient's part along a view while every class has the probability 1/k. It
    holds the samples' strengths, their noise, and the view's occurrences in other classes' samples.
    """

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """The rates of the training samples."""
        here = patch_bench(bench)
        return {"data": {"growth": growth(here.inputs, here.labels, here.features, here.setting.q)}}


def growth(
    patches: Float[Tensor, "n P d"],
    labels: Int[Tensor, " n"],
    features: Float[Tensor, "k L d"],
    q: float,
) -> Float[Tensor, "k L"]:
    """The rates of ``Growth``."""
    k = len(features)
    shown = torch.einsum("npd,kld->npkl", patches, features).clamp(min=0).pow(q).sum(1)
    own = torch.nn.functional.one_hot(labels, k).to(shown) - 1 / k
    return torch.einsum("nkl,nk->kl", shown, own) / len(patches)


@dataclass(frozen=True, kw_only=True)
class OnOwnSamples(Method):
    """A network on labels, with training samples that no other network has.

    Attributes:
        draw: Number of the samples and of the initial weights.
    """

    draw: int

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """Draw the samples and train the network."""
        here = patch_bench(bench)
        drawn = here.stream("own samples", self.draw)
        spec, number = here.setting.spec, here.setting.num_train
        batch = sample_patches(spec, here.features, number, drawn)
        part = here.on(batch.patches, batch.labels)
        return Labels(start=f"own samples {self.draw}", course="labels").train(part)


# Methods of many networks, what their averages are called, and what their samples are.
KINDS = {
    "member": ("ensemble", "the same samples"),
    "bagged": ("bagging", "bootstrap samples"),
    "own": ("own_ensemble", "samples of their own"),
}


def cell(k: int, networks: int) -> Cell:
    """The networks in the setting with k classes."""
    return at(replace(many_classes(k), members=networks))


def at(setting: PatchSetting) -> Cell:
    """As many networks as the setting has members: on the same samples, bagged, on their own."""
    draws = range(setting.members)
    bagged = (
        Variant(of=Labels(start=f"bagged {i}", course="labels"), samples=Bootstrap(draw=i))
        for i in draws
    )
    averages = tuple(Averages(of=of, name=name) for of, (name, _) in KINDS.items())
    return Cell(
        setting=setting,
        methods={
            "member": Members(),
            "bagged": Group(of=tuple(bagged)),
            "own": Group(of=tuple(OnOwnSamples(draw=i) for i in draws)),
        },
        measures=(Views(probes_per_view=20, averages=averages), Growth()),
    )


SMOKE = at(many_classes_smoke(60, members=3, width=4))
K = 10  # networks averaged, where claims say so


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """That the data tilt the lottery, by what, and that samples of their own set it upright."""
    source = "Theorem 2, finite data"
    shared, own = (measured("missed", f"{KINDS[who][0]}_{K}") for who in ("member", "own"))
    for name, statement, predicted, estimate in (
        (
            "tilted",
            "on the same samples p_v varies beyond chance: its standard deviation over views is at "
            "least 0.05",
            at_least(0.05),
            measured("tilt", "member"),
        ),
        (
            "floor of the ensemble",
            f"{K} networks on the same samples miss at least 2 x 2^-{K} of the views",
            at_least(2 * 2.0**-K),
            shared,
        ),
        (
            "own samples",
            f"{K} networks on samples of their own miss at most 3 x 2^-{K} of the views",
            at_most(3 * 2.0**-K),
            own,
        ),
        (
            "bagging",
            "networks on bootstrap samples are tilted half as much as those on the same samples, "
            "or more",
            at_least(0),
            measured("tilt", "bagged") - measured("tilt", "member") * 0.5,
        ),
        (
            "what tilts",
            "the log-odds of p_v rise with the logarithm of the views' growth rates as the largest "
            "of m normal starts says (measured slope over predicted slope is 0.75 to 1.25)",
            (0.75, 1.25),
            measured("slope_ratio", "member"),
        ),
    ):
        yield Claim(name, source, statement, predicted, estimate)


def tilt(covered: Any) -> float:
    """The standard deviation of p_v over views, less what the number of networks makes of it.

    Args:
        covered: Views covered by each network, (networks, k, L).
    """
    views = np.asarray(covered, dtype=float)
    n = len(views)
    p = views.mean(0)
    chance = (p * (1 - p) / (n - 1)).mean()
    return float(np.sqrt(max(0.0, p.var() - chance)))


def predicted_slope(width: int, q: float, draws: int = 200_000) -> float:
    """By how much the log-odds of a view to win rise with the logarithm of its growth rate.

    The view with the larger S^(1/(q-2)) max_r g_r wins, with g_r normal; near even odds the slope
    is four times the density at 0 of the difference of the logarithms of two such maxima, over
    q - 2.
    """
    drawn = torch.randn(2, draws, width, generator=stream(0, "slope")).amax(2).clamp(min=1e-6)
    gap = (drawn[0].log() - drawn[1].log()).abs()
    near = 0.05
    return float(4 * (gap < near).double().mean() / (2 * near) / (q - 2))


def measured_slope(covered: Any, rates: Any) -> float:
    """The slope, over classes, of the log-odds that the first view is the one learned.

    By weighted least squares of empirical log-odds (half a network added to either side) on the
    logarithm of the rates' ratio, through the origin.
    """
    views, rate = np.asarray(covered, dtype=bool), np.asarray(rates, dtype=float)
    first, second = (views[:, :, i] & ~views[:, :, 1 - i] for i in (0, 1))
    a, b = first.sum(0) + 0.5, second.sum(0) + 0.5
    odds, weight = np.log(a / b), a * b / (a + b)
    x = np.log(rate[:, 0] / rate[:, 1])
    return float((weight * x * odds).sum() / (weight * x * x).sum())


def derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with the ``tilt`` of networks, and their ``slope_ratio``."""
    parts: Iterable[pd.DataFrame] = (
        with_tilt(lines) for _, lines in table.groupby("key", sort=False)
    )
    return pd.concat(list(parts))


def with_tilt(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of a cell with what its networks have learned and its data say."""
    line = lines.set_index("method")
    covered: Any = line["covered"].dropna()
    predicted = predicted_slope(int(line["width"].iloc[0]), float(line["q"].iloc[0]))
    ratio = {who: measured_slope(covered[who], line["growth"]["data"]) for who in covered.index}
    return lines.assign(
        tilt=lines["method"].map({who: tilt(covered[who]) for who in covered.index}.get),
        slope_ratio=lines["method"].map({who: each / predicted for who, each in ratio.items()}.get),
    )


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """The tilt, and views missed by the number of networks."""
    yield Listing(
        title="How often a view is learned",
        lines=[Line(label=(label,), where={"method": name}) for name, (_, label) in KINDS.items()],
        columns=[
            measure("views covered by one, %", "coverage"),
            measure("true spread of p_v", "tilt", unit="number", digits=3),
            measure("slope over predicted slope", "slope_ratio", unit="number"),
        ],
        labels=("networks on",),
    )
    yield Listing(
        title="Views missed by all of K networks",
        lines=[
            Line(label=(f"{K}", f"{100 * 2.0**-K:.3g}"))
            for K in (1, 2, 4, 8, 10, 16, 20)
            if f"ensemble_{K}" in table["method"].tolist()
        ],
        columns=[
            estimated(f"{label}, %", partial(missed_by, name), digits=3)
            for name, label in KINDS.values()
        ],
        labels=("K", "2^-K, %"),
    )


def missed_by(name: str, line: Line) -> Estimate:
    """The views that as many networks miss as the line says, which are called so."""
    return measured("missed", f"{name}_{line.label[0]}")


EXPERIMENT = Experiment(
    name="data_tilt",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=[SMOKE], seeds=2, claimed=False),
        "laptop": Preset(cells=[cell(20, 20)], seeds=10),
        "paper": Preset(cells=[cell(40, 50)], seeds=10),
    },
    claims=claims,
    check=check,
    derived=derived,
    tables=tables,
    figure="data_tilt",
)

if __name__ == "__main__":
    main(EXPERIMENT)
