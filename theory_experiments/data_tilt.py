"""The data tilt the lottery: how often each view of a class is learned, over many networks.

Theorem 2 of Allen-Zhu & Li (arXiv 2012.09816) says that K averaged networks miss 2^-K of the views,
as each network learns either view of a class with probability 1/2. Networks of one ensemble have
their samples in common, though, which may favour one of the views: if view v is learned with
probability p_v, K networks miss the mean of (1 - p_v)^K, which is more than 2^-K wherever p_v
varies. Here p_v is measured over twenty networks on each of ten data sets; beside them stand
networks that each have a bootstrap sample of their own (bagging), which must not be tilted alike.
Predictions were stated before any run but for pilots on seeds from 1000 on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from multiview.bench import Bench, Cell, Classifier, check, run
from multiview.measures import Averages, Views
from multiview.measures.patches import PatchMeasure, Row, patch_bench
from multiview.methods import Bootstrap, Group, Labels, Members, Variant
from multiview.rng import stream
from multiview.runs.claims import Claim, at_least, at_most
from multiview.runs.estimates import Estimate, measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, estimated, measure
from theory_experiments.settings import many_classes


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
    labels: Float[Tensor, " n"],
    features: Float[Tensor, "k L d"],
    q: float,
) -> Float[Tensor, "k L"]:
    """The rates of ``Growth``."""
    k = len(features)
    shown = torch.einsum("npd,kld->npkl", patches, features).clamp(min=0).pow(q).sum(1)
    own = torch.nn.functional.one_hot(labels, k).to(shown) - 1 / k
    return torch.einsum("nkl,nk->kl", shown, own) / len(patches)


def cell(k: int, networks: int, **setting: Any) -> Cell:
    """Networks on the same samples, and as many on bootstrap samples of them."""
    bagged = Group(
        of=tuple(
            Variant(of=Labels(start=f"bagged {i}", course="labels"), samples=Bootstrap(draw=i))
            for i in range(networks)
        )
    )
    averages = (Averages(), Averages(of="bagged", name="bagging"))
    return Cell(
        setting=replace(many_classes(k), members=networks, **setting),
        methods={"member": Members(), "bagged": bagged},
        measures=(Views(probes_per_view=20, averages=averages), Growth()),
    )


def smoke() -> Cell:
    """Few classes, members, samples and steps."""
    own = many_classes(20)
    small = {"num_classes": 4, "patch_dim": 40, "num_patches": 8, "sparsity": 1.2}
    labels = replace(own.training.labels, max_steps=60)
    spec = replace(own.spec, **small, mu=0.02)
    training = replace(own.training, labels=labels)
    return cell(20, 3, spec=spec, num_train=100, width=4, training=training)


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """That the data tilt the lottery, by what, and that bagging sets it upright."""
    source = "Theorem 2, finite data"
    K = 10
    missed, bagged = (measured("missed", f"{name}_{K}") for name in ("ensemble", "bagging"))
    yield Claim(
        "tilted",
        source,
        "p_v varies beyond chance: its standard deviation over views is at least 0.05",
        at_least(0.05),
        measured("tilt", "member"),
    )
    yield Claim(
        "floor of the ensemble",
        source,
        f"{K} networks on the same samples miss at least 2 x 2^-{K} of the views",
        at_least(2 * 2.0**-K),
        missed,
    )
    yield Claim(
        "bagging",
        source,
        f"{K} networks on bootstrap samples miss at most 1.5 x 2^-{K} of the views",
        at_most(1.5 * 2.0**-K),
        bagged,
        primary=True,
    )
    yield Claim(
        "what tilts",
        source,
        "the log-odds of p_v rise with the logarithm of the views' growth rates as the largest of "
        "m normal starts says (measured slope over predicted slope is 0.75 to 1.25)",
        (0.75, 1.25),
        measured("slope_ratio", "member"),
    )


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
        lines=[
            Line(label=(label,), where={"method": name})
            for name, label in (("member", "same samples"), ("bagged", "bootstrap samples"))
        ],
        columns=[
            measure("views covered by one, %", "coverage"),
            measure("true spread of p_v", "tilt", unit="number", digits=3),
            measure("slope over predicted slope", "slope_ratio", unit="number"),
        ],
        labels=("networks",),
    )
    yield Listing(
        title="Views missed by all of K networks",
        lines=[
            Line(label=(f"{K}", f"{100 * 2.0**-K:.3g}"))
            for K in (1, 2, 4, 8, 10, 16, 20)
            if f"ensemble_{K}" in table["method"].tolist()
        ],
        columns=[
            estimated(heading, partial(missed_by, name), digits=3)
            for heading, name in (("same samples, %", "ensemble"), ("bootstrap, %", "bagging"))
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
        "smoke": Preset(cells=[smoke()], seeds=2, claimed=False),
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
