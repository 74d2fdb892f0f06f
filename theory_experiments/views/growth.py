"""How the two views of each class grow, from the start into the tail of the loss."""

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.bench import Bench, Classifier, Flow, Method, PatchSetting, Setting
from multiview.data import sample_patches
from multiview.measures.patches import patch_bench
from multiview.models import PatchNet
from multiview.probes import view_norms
from multiview.train import TrainSpec, train_patch_net
from multiview.train.metrics import wrong

RESCALED = np.linspace(0, 2, 81)  # in units of a winner's time half way to the knee
TAIL_LOSSES = np.logspace(-1, -4, 25)  # 8 a decade


@dataclass(frozen=True, kw_only=True)
class Followed(Method):
    """K networks of labels, followed at every sweep and beyond the rule that ends their training.

    It notes ``growth`` (members, k), of the losing view of each class until the winning one reaches
    the knee of the activation, NaN where it never does; and what ``rise`` and ``tail`` return.

    Attributes:
        tail: The training that goes on; its networks are traced, not handed on. Steps are short, as
            it lasts only some 40 sweeps of the usual ones.
        num_test: Number of single-view samples, tested at every sweep.
    """

    tail: TrainSpec = TrainSpec(relative_step=0.2, loss_bound=1e-4, max_steps=2000)
    num_test: int = 300

    def __post_init__(self) -> None:
        if self.num_test < 1:
            raise ValueError(f"num_test={self.num_test} counts samples: use at least 1.")

    def check(self, setting: Setting) -> None:
        """Refuse all but two views of a class, along the gradient flow."""
        if not isinstance(setting, PatchSetting) or not isinstance(setting.training, Flow):
            raise ValueError(
                "Followed traces the gradient flow: use a PatchSetting with Flow(...)."
            )
        if setting.spec.num_views != 2:
            raise ValueError(f"num_views={setting.spec.num_views}: a winner has one loser, use 2.")

    def train(self, bench: Bench) -> Classifier:
        """The networks that the usual rule stops, with notes of the trace beyond it."""
        net, trace = self.follow(bench)
        here = patch_bench(bench)
        knee = here.setting.relu_knee
        winners, losers = winner_and_loser(trace.norms, view_norms(net, here.features).argmax(-1))
        reached = winners >= knee
        at_knee = losers.gather(0, reached.int().argmax(0, keepdim=True)).squeeze(0)
        growth = (at_knee / losers[0]).where(reached.any(0), math.nan)
        notes = {
            "growth": growth,
            **rise(trace, winners, losers, knee),
            **tail(trace, winners, losers),
        }
        return Classifier(logits=bench.frozen(net), net=net, notes=notes)

    def follow(self, bench: Bench) -> tuple[PatchNet, "Trace"]:
        """The networks, and the trace that goes on beyond them."""
        here = patch_bench(bench)
        flow, spec, features = here.setting.training, here.setting.spec, here.features
        assert isinstance(flow, Flow)
        drawn = bench.stream("test", "single")
        test = sample_patches(spec, features, self.num_test, drawn, kind="single")
        begin = torch.zeros(here.members, dtype=torch.float64)
        seen: list[tuple[Tensor, Tensor, Tensor]] = []

        def observe(time: Tensor, net: PatchNet) -> None:
            with torch.no_grad():
                error = wrong(net(test.patches), test.labels).double().mean(0)
            seen.append((begin + time, error, view_norms(net, features)))

        def report(begin: float, end: float, line: str, fraction: float) -> None:
            bench.report(line, begin + fraction * (end - begin))

        fit = partial(train_patch_net, patches=bench.inputs, labels=bench.labels, observe=observe)
        start = here.nets("members", here.members)
        trained = fit(start, spec=flow.labels, progress=partial(report, 0.0, 0.8))
        begin = trained.flow_time
        tail = fit(trained.net, spec=self.tail, progress=partial(report, 0.8, 1.0))
        time, error, norms = (torch.stack(each) for each in zip(*seen, strict=True))
        loss = torch.cat([trained.loss, tail.loss])
        return trained.net, Trace(time=time, loss=loss, error=error, norms=norms)


@dataclass(frozen=True)
class Trace:
    """The networks at every sweep over the samples."""

    time: Float[Tensor, "sweeps members"]  # of the gradient flow
    loss: Float[Tensor, "sweeps members"]
    error: Float[Tensor, "sweeps members"]  # on single-view test samples
    norms: Float[Tensor, "sweeps members k 2"]  # Lambda


def winner_and_loser(
    norms: Float[Tensor, "*sweeps members k 2"], winner: Int[Tensor, "members k"]
) -> tuple[Float[Tensor, "*sweeps members k"], Float[Tensor, "*sweeps members k"]]:
    """Lambda of these views and of the others."""
    chosen = winner.expand(norms.shape[:-1]).unsqueeze(-1)
    winners = norms.gather(-1, chosen).squeeze(-1)
    return winners, norms.sum(-1) - winners


def rise(
    trace: Trace,
    winners: Float[Tensor, "sweeps members k"],
    losers: Float[Tensor, "sweeps members k"],
    knee: float,
) -> dict[str, Any]:
    """Lambda against time in units of what the class's winner takes half way to the knee.

    Returns:
        ``rise_time`` (times,); ``rise_winner`` and ``rise_loser`` (members, k, times), log10 of
        Lambda, NaN after the end of the trace and for a class whose winner never came so far.
    """
    times, shape = trace.time.numpy(), (*winners.shape[1:], len(RESCALED))
    paths = {"rise_winner": np.full(shape, np.nan), "rise_loser": np.full(shape, np.nan)}
    logs = {
        name: path.clamp(min=1e-4).log10().numpy()
        for name, path in zip(paths, (winners, losers), strict=True)
    }
    for e, i in np.ndindex(shape[:2]):
        above = winners[:, e, i] >= knee / 2
        if above.any():
            scaled = times[:, e] / times[int(above.int().argmax()), e]
            for name, path in logs.items():
                paths[name][e, i] = np.interp(RESCALED, scaled, path[:, e, i], right=np.nan)
    return {"rise_time": RESCALED, **paths}


def tail(
    trace: Trace,
    winners: Float[Tensor, "sweeps members k"],
    losers: Float[Tensor, "sweeps members k"],
) -> dict[str, Any]:
    """The networks when their loss first is below each of TAIL_LOSSES, NaN if it never was.

    Returns:
        ``tail_loss`` (losses,); ``tail_error`` (losses, members) on single-view test samples;
        ``tail_winner`` and ``tail_loser`` (losses, members, k), Lambda.
    """
    below = trace.loss <= torch.from_numpy(TAIL_LOSSES).view(-1, 1, 1)  # (losses, sweeps, members)
    first, reached = below.int().argmax(1), below.any(1)
    members = torch.arange(trace.loss.shape[1])
    measures: dict[str, Any] = {"tail_loss": TAIL_LOSSES}
    for name, path in {"error": trace.error, "winner": winners, "loser": losers}.items():
        value = path[first, members]
        known = reached.view(*reached.shape, *[1] * (value.dim() - 2))
        measures[f"tail_{name}"] = value.where(known, math.nan)
    return measures
