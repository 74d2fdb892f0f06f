"""train_patch_net: gradient descent, SGD or adaptive gradient flow for PatchNets."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview.models.patch_net import PatchNet
from multiview.train.errors import Diverged
from multiview.train.metrics import wrong
from multiview.train.objectives import cross_entropy
from multiview.train.patch_gradient import Objective, Workspace, patch_gradient

MAX_GROWTH = 3.0  # flow: a step is at most this many times the one before


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """How to train PatchNets, and when a network is done.

    ``flow`` follows gradient flow in rescaled time: each network's rate is ``relative_step`` over
    the curvature it has just met, ||change of gradient|| / ||change of weights|| (Malitsky &
    Mishchenko, arXiv 1910.09529). While a neuron escapes as w' = w^(q-1), this lets it grow by
    relative_step / (q - 1) a step, so a small start costs no more than a few steps; afterwards it
    is the stability limit of the classes that have broken out, and it rises as the loss falls.
    ``gd`` is full-batch descent, ``sgd`` minibatch descent, both at ``learning_rate``.

    A network is done when every sample was right and the mean loss below ``loss_bound`` in a sweep
    over the samples, or at ``max_steps``. Under ``flow`` and ``gd`` a sweep is one gradient and the
    step that would follow is not taken, so the trained net is the one that was found right.
    """

    method: Literal["flow", "gd", "sgd"] = "flow"
    relative_step: float = 1.0  # flow: 0.01 follows the exact flow; 1 decides near ties otherwise
    learning_rate: float = 0.1  # gd and sgd
    batch_size: int = 100  # sgd
    max_steps: int = 1000
    loss_bound: float = 0.1
    summed: bool = False  # train F = sum over members as one network
    bfloat16: bool = False  # matrix products of bfloat16 factors; weights and sums stay as they are

    def __post_init__(self) -> None:
        if self.method not in ("flow", "gd", "sgd"):
            raise ValueError(f'method is "flow", "gd" or "sgd", got {self.method!r}.')
        for name in ("learning_rate", "relative_step"):
            value = getattr(self, name)
            if not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name}={value} must be positive and finite.")
        for name in ("batch_size", "max_steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} counts at least 1.")
        if not self.loss_bound >= 0:
            raise ValueError(
                f"loss_bound={self.loss_bound} is a mean loss: use >= 0, and 0 to train until "
                "max_steps."
            )


@dataclass(frozen=True)
class TrainResult:
    """The trained net and its history: one column per member, or a single one for their sum."""

    net: PatchNet
    steps: Int[Tensor, " e"]  # gradient steps taken
    flow_time: Float[Tensor, " e"]  # sum of the learning rates
    converged: Bool[Tensor, " e"]  # stopped by the rule, not by max_steps
    loss: Float[Tensor, "sweeps e"]  # mean training loss during each sweep over the samples
    error: Float[Tensor, "sweeps e"]  # fraction of training samples wrong during each sweep


def train_patch_net(
    net: PatchNet,
    patches: Float[Tensor, "N P d"],
    labels: Int[Tensor, " N"],
    spec: TrainSpec,
    *,
    objective: Objective | None = None,
    generator: torch.Generator | None = None,
    observe: Callable[[Tensor, PatchNet], None] | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> TrainResult:
    """Train a copy of ``net``.

    Args:
        labels: Right classes; they decide when a network is done.
        objective: The loss; cross-entropy with ``labels`` by default. See ``objectives`` for soft
            targets and ``distill`` for teachers.
        generator: Order of the samples under sgd, advanced in place.
        observe: Called before every sweep with the networks' flow times (e,) and the current net.
        progress: Called after every sweep with a line and the fraction of ``max_steps`` done.

    Raises:
        Diverged: If a loss becomes infinite or NaN.
        ValueError: If patches, labels and net do not fit together, ``sgd`` is given no generator,
            or ``flow`` a net that starts at 0, from where it never moves.
    """
    _refuse_misfits(net, patches, labels, spec, generator)
    objective = objective or cross_entropy(labels, net.weight.shape[1])
    per_net = len(net.weight) if spec.summed else 1
    num_nets = len(net.weight) // per_net
    weight = net.weight.detach().clone()
    steps = torch.zeros(num_nets, dtype=torch.long)
    flow_time, loss, error = torch.zeros(3, num_nets, dtype=torch.float64)
    losses, errors = [], []
    inputs = patches.bfloat16() if spec.bfloat16 else patches
    active = torch.ones(num_nets, dtype=torch.bool)  # the others are done and cost nothing
    part = net.with_weight(weight)  # the active networks
    rates, workspace = _Rates(spec, net, per_net), Workspace()
    while active.any():
        if observe is not None:
            observe(flow_time.clone(), net.with_weight(weight))
        sweep_loss, sweep_wrong = torch.zeros(2, int(active.sum()), dtype=torch.float64)
        seen = 0
        for rows in _batches(len(inputs), spec, generator):
            gradient = patch_gradient(part, inputs, objective, rows, spec.summed, workspace)
            seen += len(rows)
            sweep_loss += gradient.loss * len(rows)
            sweep_wrong += wrong(gradient.logits, labels[rows]).sum(0)
            rate = rates.next(part.weight.detach(), gradient.weight)
            if spec.method != "sgd":  # this gradient was the whole sweep
                rate = rate * _unfinished(sweep_loss / seen, sweep_wrong / seen, spec)
            part.weight.data -= rate.repeat_interleave(per_net).view(-1, 1, 1, 1) * gradient.weight
            steps[active] += rate > 0
            flow_time[active] += rate
            if int(steps.max()) >= spec.max_steps:
                break  # in the middle of a sweep of sgd
        members = active.repeat_interleave(per_net)
        weight[members] = part.weight.detach()
        loss[active], error[active] = sweep_loss / seen, sweep_wrong / seen
        losses.append(loss.clone())
        errors.append(error.clone())
        _refuse_divergence(loss, steps, spec)
        if progress is not None:
            line = f"step {int(steps.max())} loss {loss.max():.3f} error {error.max():.3f}"
            progress(line, int(steps.max()) / spec.max_steps)
        going = _unfinished(loss, error, spec) & (steps < spec.max_steps)
        if not going[active].all():
            rates.keep(going[active])
            active &= going
            part = net.with_weight(weight[active.repeat_interleave(per_net)])
    return TrainResult(
        net=net.with_weight(weight),
        steps=steps,
        flow_time=flow_time,
        converged=~_unfinished(loss, error, spec),
        loss=torch.stack(losses),
        error=torch.stack(errors),
    )


def _refuse_misfits(
    net: PatchNet,
    patches: Tensor,
    labels: Tensor,
    spec: TrainSpec,
    generator: torch.Generator | None,
) -> None:
    num_classes, dim = net.weight.shape[1], net.weight.shape[3]
    if len(patches) == 0 or len(labels) != len(patches) or patches.shape[-1] != dim:
        raise ValueError(
            f"patches {tuple(patches.shape)} and labels {tuple(labels.shape)} must hold the same "
            f"samples, at least one, of patch_dim={dim} as the net."
        )
    if labels.min() < 0 or labels.max() >= num_classes:
        raise ValueError(
            f"labels run from {int(labels.min())} to {int(labels.max())}, but the net has classes "
            f"0 to {num_classes - 1}."
        )
    if spec.method == "sgd" and generator is None:
        raise ValueError("method='sgd' shuffles the samples: pass generator=stream(seed, 'sgd').")
    if spec.method == "flow" and not net.weight.any():
        raise ValueError("every weight is 0, where the flow stays: use sigma_init > 0.")


def _batches(num_samples: int, spec: TrainSpec, generator: torch.Generator | None) -> Iterator:
    """The rows of each gradient step of one sweep over the samples."""
    if spec.method == "sgd":
        yield from torch.randperm(num_samples, generator=generator).split(spec.batch_size)
    else:
        yield torch.arange(num_samples)


class _Rates:
    """The rate of each network's next step; remembers the step before (flow)."""

    def __init__(self, spec: TrainSpec, net: PatchNet, per_net: int) -> None:
        self.spec, self.q, self.sigma_init, self.per_net = spec, net.q, net.sigma_init, per_net
        self.before: tuple[Tensor, Tensor, Tensor] | None = None  # weight, gradient, rate

    def next(self, weight: Tensor, gradient: Tensor) -> Float[Tensor, " nets"]:
        """Rates at these weights (e, k, m, d), e = nets * per_net."""
        num_nets = len(weight) // self.per_net
        if self.spec.method != "flow":
            return torch.full((num_nets,), self.spec.learning_rate, dtype=weight.dtype)
        if self.before is None:
            # The largest of a class's projections on its features starts near 1.5 sigma_init.
            step = 1.5 * self.sigma_init * self.spec.relative_step / (self.q - 1)
            rate = step / gradient.norm(dim=-1).view(num_nets, -1).amax(1)
        else:
            old_weight, old_gradient, old_rate = self.before
            moved = (weight - old_weight).view(num_nets, -1).norm(dim=1)
            turned = (gradient - old_gradient).view(num_nets, -1).norm(dim=1)
            # A gradient that did not turn at all leaves the growth as the only limit.
            limit = (
                self.spec.relative_step * moved / turned.clamp(min=torch.finfo(moved.dtype).tiny)
            )
            rate = torch.minimum(limit.nan_to_num(posinf=torch.inf), MAX_GROWTH * old_rate)
        self.before = weight.clone(), gradient, rate
        return rate

    def keep(self, nets: Bool[Tensor, " nets"]) -> None:
        """Forget the networks that are done."""
        if self.before is not None:
            weight, gradient, rate = self.before
            members = nets.repeat_interleave(self.per_net)
            self.before = weight[members], gradient[members], rate[nets]


def _unfinished(
    loss: Float[Tensor, " nets"], error: Float[Tensor, " nets"], spec: TrainSpec
) -> Bool[Tensor, " nets"]:
    """Networks that the stop rule lets go on, from the means over a sweep."""
    return (error > 0) | (loss >= spec.loss_bound)


def _refuse_divergence(loss: Tensor, steps: Tensor, spec: TrainSpec) -> None:
    if not loss.isfinite().all():
        raise Diverged(
            f"the training loss became {loss.tolist()} after step {int(steps.max())} with {spec}: "
            "use a smaller learning_rate (gd, sgd) or relative_step (flow)."
        )
