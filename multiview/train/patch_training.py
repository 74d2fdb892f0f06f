"""train_patch_net: gradient descent, SGD or adaptive gradient flow for PatchNets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args, get_type_hints

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview import checks, shapes
from multiview.models.patch_net import PatchNet
from multiview.train.descent import AdaptiveDescent, FixedRate
from multiview.train.errors import Diverged
from multiview.train.flow import GradientFlow
from multiview.train.metrics import wrong
from multiview.train.objectives import cross_entropy
from multiview.train.patch_gradient import Objective
from multiview.train.patch_networks import Constraint, PatchNetworks
from multiview.train.sweep import Sweep


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """How to train PatchNets, and when a network is done.

    ``flow`` follows gradient flow in rescaled time (``multiview.train.flow``): a step lets a neuron
    in the power region, w' = w^(q-1), grow by the fraction ``relative_step`` / (q - 1), so the
    steps until it leaves that region grow as the logarithm of the start; classes that have left it
    are kept stable by as many further gradients as a step needs. Along the flow the loss never
    rises: a step after which it did is taken again, shorter, so the objective's derivative must be
    that of its loss.
    ``adaptive`` is full-batch descent at ``relative_step`` over the curvature just met
    (``multiview.train.descent``), for updates that are no loss's gradient. ``gd`` is full-batch
    descent, ``sgd`` minibatch descent, both at ``learning_rate``.

    A network is done when every sample was right and the mean loss below ``loss_bound`` in a sweep
    over the samples, or when ``max_steps`` gradients are spent. But for ``sgd`` a sweep is the
    gradient before a step and the step that would follow the last is not taken, so the trained net
    is the one that was found right.

    Raises:
        ValueError: If a field is out of range, or there is no such ``method``.
    """

    method: Literal["flow", "adaptive", "gd", "sgd"] = "flow"
    relative_step: float = 1.0  # flow, adaptive: small follows the flow, 1 decides near ties anew
    learning_rate: float = 0.1  # gd and sgd
    batch_size: int = 100  # sgd
    max_steps: int = 1000  # gradients; the last step of flow may take up to 60 more at each try
    loss_bound: float = 0.1
    summed: bool = False  # train F = sum over members as one network
    bfloat16: bool = False  # products round to bfloat16; weights and losses do not

    def __post_init__(self) -> None:
        checks.choice("method", self.method, get_args(get_type_hints(TrainSpec)["method"]))
        bound = "is a mean loss (0: train until max_steps)"
        for name, check in {
            "relative_step": checks.positive,
            "learning_rate": checks.positive,
            "batch_size": checks.count,
            "max_steps": checks.count,
            "loss_bound": partial(checks.number, interval="[0, inf)", meaning=bound),
            "summed": checks.flag,
            "bfloat16": checks.flag,
        }.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))


@dataclass(frozen=True)
class TrainResult:
    """The trained net and its history: one column per member, or a single one for their sum."""

    net: PatchNet
    steps: Int[Tensor, " e"]  # gradients that steps were made of
    flow_time: Float[Tensor, " e"]  # time along the gradient flow: sum of the rates
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
    generator: torch.Generator | int | None = None,
    observe: Callable[[Tensor, PatchNet], None] | None = None,
    progress: Callable[[str, float], None] | None = None,
    constrain: Constraint | None = None,
) -> TrainResult:
    """Train a copy of ``net``.

    Args:
        labels: Right classes; they decide when a network is done.
        objective: The loss; cross-entropy with ``labels`` by default. See ``objectives`` for soft
            targets and ``distill`` for teachers.
        generator: Order of the samples under sgd, advanced in place.
        observe: Called before every sweep with the networks' flow times (e,) and the current net.
        progress: Called after every sweep with a line and the fraction of ``max_steps`` done.
        constrain: From the gradients of networks, (networks, k, m, d), and their numbers among all,
            (networks,), to those that are followed, such as projections onto a subspace; their own
            by default. Of members that ``summed`` trains as a sum, which are one network, it
            gets the gradients of all of them, (members, k, m, d), and the number [0].

    Raises:
        Diverged: If a loss becomes infinite or NaN, or rises along ``flow`` however short the step.
        ValueError: If patches, labels and net do not fit together, ``sgd`` is given no generator,
            or ``flow`` or ``adaptive`` a net that starts at 0, from where it never moves. If
            ``constrain`` gives gradients of another shape than it was given.
    """
    if generator is not None:
        generator = checks.generator("generator", generator, "order")
    _check_arguments(net, patches, labels, spec, generator, objective)
    checks.function("observe", observe, optional=True)
    checks.function("progress", progress, optional=True)
    checks.function("constrain", constrain, optional=True)
    objective = objective or cross_entropy(labels, net.weight.shape[1])
    inputs = patches.bfloat16() if spec.bfloat16 else patches
    nets = PatchNetworks(net, inputs, labels, objective, spec.summed, constrain)
    weight = nets.weight.clone()  # of all networks; `nets` holds those that go on
    stepper = _stepper(spec, net, weight)
    here = None if spec.method == "sgd" else nets.sweep(nets.weight, nets.which)
    steps = torch.zeros(len(weight), dtype=torch.long)
    flow_time, loss, error = torch.zeros(3, len(weight), dtype=torch.float64)
    losses, errors = [], []
    while len(nets.which):
        active = nets.which
        weight[active] = nets.weight
        if observe is not None:
            observe(flow_time.clone(), nets.as_net(weight))
        if here is not None:
            loss[active], error[active] = here.loss, here.error
        else:
            assert generator is not None  # see _check_arguments
            left = spec.max_steps - int(steps[active].max())
            loss[active], error[active], taken = _sgd_sweep(nets, labels, spec, generator, left)
            steps[active] += taken
            flow_time[active] += taken * spec.learning_rate
            weight[active] = nets.weight
        losses.append(loss.clone())
        errors.append(error.clone())
        _check_divergence(loss, steps, spec)
        if progress is not None:
            line = f"step {int(steps.max())} loss {loss.max():.3f} error {error.max():.3f}"
            progress(line, min(1.0, int(steps.max()) / spec.max_steps))
        going = (_unfinished(loss, error, spec) & (steps < spec.max_steps))[active]
        if not going.all():
            nets.keep(going)
            stepper.keep(going)
        if here is not None and len(nets.which):
            here, time, spent = _step(stepper, here.of(going), nets, steps, spec)
            nets.weight = here.weight
            steps[nets.which] += 1 + spent
            flow_time[nets.which] += time.double()
    return TrainResult(
        net=nets.as_net(weight),
        steps=steps,
        flow_time=flow_time,
        converged=~_unfinished(loss, error, spec),
        loss=torch.stack(losses),
        error=torch.stack(errors),
    )


def _stepper(
    spec: TrainSpec, net: PatchNet, start: Float[Tensor, "nets neurons d"]
) -> GradientFlow | AdaptiveDescent | FixedRate:
    growth = spec.relative_step / (net.q - 1)
    if spec.method == "flow":
        return GradientFlow(start, growth, net.sigma_init)
    if spec.method == "adaptive":
        # The largest of a class's projections on its features starts near 1.5 sigma_init.
        return AdaptiveDescent(spec.relative_step, growth * 1.5 * net.sigma_init)
    return FixedRate(spec.learning_rate)


def _step(
    stepper: GradientFlow | AdaptiveDescent | FixedRate,
    here: Sweep,
    nets: PatchNetworks,
    steps: Int[Tensor, " e"],
    spec: TrainSpec,
) -> tuple[Sweep, Float[Tensor, " nets"], Int[Tensor, " nets"]]:
    """The next step; one that cannot be taken tells when and with which settings."""
    try:
        return stepper.step(here, nets.sweep)
    except Diverged as stuck:
        raise Diverged(f"{stuck} after step {int(steps.max())} with {spec}") from None


def _sgd_sweep(
    nets: PatchNetworks, labels: Tensor, spec: TrainSpec, generator: torch.Generator, left: int
) -> tuple[Tensor, Tensor, int]:
    """At most ``left`` steps over all samples in random order: mean loss, error, steps taken."""
    loss, mistakes = torch.zeros(2, len(nets.which), dtype=torch.float64)
    seen = taken = 0
    for rows in torch.randperm(len(labels), generator=generator).split(spec.batch_size)[:left]:
        gradient = nets.gradient(nets.weight, nets.which, rows)
        loss += gradient.loss * len(rows)
        mistakes += wrong(gradient.logits, labels[rows]).sum(0)
        nets.weight = nets.weight - spec.learning_rate * gradient.weight.view(nets.weight.shape)
        seen += len(rows)
        taken += 1
    return loss / seen, mistakes / seen, taken


def _check_arguments(
    net: PatchNet,
    patches: Any,
    labels: Any,
    spec: TrainSpec,
    generator: torch.Generator | None,
    objective: Any,
) -> None:
    checks.instance("net", net, PatchNet)
    checks.instance("spec", spec, TrainSpec)
    num_classes, dim = net.weight.shape[1], net.weight.shape[3]
    known = {"patch_dim": dim}
    shapes.fit(known, patches=(patches, "float N P patch_dim"), labels=(labels, "int N"))
    shapes.same_type("patches", patches, net.weight)
    shapes.finite(patches=patches)
    shapes.labels("labels", labels, num_classes, "net")
    checks.function("objective", objective, optional=True)
    samples = getattr(objective, "samples", None)
    if samples not in (None, len(labels)):
        raise ValueError(
            f"objective has targets of {samples} samples for {len(labels)} patches and labels: "
            "give it those of the same samples."
        )
    if spec.method == "sgd" and generator is None:
        raise ValueError("method='sgd' shuffles the samples: pass generator=stream(seed, 'sgd').")
    if not bool(net.weight.isfinite().all()):
        raise ValueError("net.weight holds NaN or infinite values: begin from a finite start.")
    if spec.method in ("flow", "adaptive") and not (net.weight.any() and net.sigma_init > 0):
        raise ValueError(
            f"sigma_init={net.sigma_init} or every weight is 0, where the flow stays and its first "
            "step has no unit: use sigma_init > 0."
        )


def _unfinished(
    loss: Float[Tensor, " nets"], error: Float[Tensor, " nets"], spec: TrainSpec
) -> Bool[Tensor, " nets"]:
    """Networks that the stop rule lets go on, from the means over a sweep."""
    return (error > 0) | (loss >= spec.loss_bound)


def _check_divergence(loss: Tensor, steps: Tensor, spec: TrainSpec) -> None:
    if not loss.isfinite().all():
        raise Diverged(
            f"the training loss became {loss.tolist()} after step {int(steps.max())} with {spec}: "
            "use a smaller learning_rate (gd, sgd) or relative_step (flow, adaptive)."
        )
