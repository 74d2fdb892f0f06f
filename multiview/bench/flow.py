"""Training of patch networks along the gradient flow, many side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from multiview import checks
from multiview.bench.curve import Tested
from multiview.bench.trainings import Left, slices
from multiview.bench.types import Course, Fitted, SoftTargets
from multiview.distill import KDLoss
from multiview.models import PatchNet, SingleMember, SummedMembers
from multiview.models.dropout_patch_net import DropoutPatchNet
from multiview.train import TrainResult, TrainSpec, differentiated, frozen, train_patch_net
from multiview.train.patch_gradient import Objective
from multiview.train.patch_networks import Constraint


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Training along the gradient flow, by closed-form gradients of all samples.

    Attributes:
        summed: Of networks trained as their sum; None: as ``labels``.

    Raises:
        ValueError: If ``labels``, ``students`` or ``summed`` is no ``TrainSpec``.
    """

    labels: TrainSpec
    students: TrainSpec
    summed: TrainSpec | None = None

    def __post_init__(self) -> None:
        checks.instance("labels", self.labels, TrainSpec)
        checks.instance("students", self.students, TrainSpec)
        if self.summed is not None:
            checks.instance("summed", self.summed, TrainSpec)

    def spec(self, nets: Sequence[nn.Module], course: Course) -> TrainSpec:
        """How these networks are trained: each by itself, or as their sum.

        Raises:
            ValueError: If a sum stands beside other networks.
        """
        spec: TrainSpec = getattr(self, course)
        if not any(isinstance(net, SummedMembers) for net in nets):
            return spec
        if len(nets) > 1:
            raise ValueError("a sum of networks is trained by itself: fit it alone.")
        return replace(self.summed or spec, summed=True)


def fit_by_flow(
    nets: Sequence[nn.Module],
    soft: Sequence[SoftTargets | None],
    inputs: Float[Tensor, "n P d"],
    labels: Int[Tensor, " n"],
    spec: TrainSpec,
    progress: Callable[[str, float], None] | None = None,
    once: Callable[[Callable[[], Left]], Left] = lambda train: train(),
    tested: Tested | None = None,
    constrain: Constraint | None = None,
) -> list[Fitted]:
    """Train copies of all networks side by side.

    Each notes of its training, means over the networks of a group: ``steps``, the gradients taken;
    ``converged``, the fraction that the rule stopped; ``loss`` and ``train``, the loss and the
    error on the training samples at the end.

    Args:
        soft: What each is taught beside the labels, None where it learns from labels alone.
        once: As ``Bench.once``.
        tested: Tests the networks along the training.
        constrain: As of ``train_patch_net``.

    Raises:
        ValueError: If a network has no closed-form gradient.
    """
    plain = [patch_net(each) for each in nets]
    start = plain[0]
    if len(plain) > 1:
        start = start.with_weight(torch.cat([each.weight for each in plain]))
    members = [len(each.weight) for each in plain]
    trained_apart = [1] if spec.summed else members

    def train() -> Left:
        given: dict[str, Any] = {}
        if any(each is not None for each in soft):
            given["objective"] = taught_by(soft, trained_apart, inputs, labels)
        halfway = Snapshot(spec.max_steps // 2)

        def observe(time: Tensor, net: PatchNet) -> None:
            halfway(time, net)
            if tested is not None:
                tested(time, net)

        result = train_patch_net(
            start,
            inputs,
            labels,
            spec,
            progress=progress,
            observe=observe,
            constrain=constrain,
            **given,
        )
        left = left_by(result, halfway.net or result.net)
        return left if tested is None else {**left, **tested.left(result)}

    left = once(train)
    last, early = start.with_weight(left["last"]), start.with_weight(left["midway"])
    return [
        Fitted(
            net=like(net, last.member(which)).eval(),
            midway=frozen(like(net, early.member(which))),
            notes=notes(left, counted),
            curve=curve_of(left, counted),
        )
        for net, which, counted in zip(nets, slices(members), slices(trained_apart), strict=True)
    ]


def left_by(result: TrainResult, midway: PatchNet) -> Left:
    """What a training leaves: weights, those midway, and what is noted of each network."""
    return {
        "last": result.net.weight.detach(),
        "midway": midway.weight.detach(),
        "steps": result.steps,
        "converged": result.converged,
        "loss": result.loss[-1],
        "train": result.error[-1],
    }


def curve_of(left: Left, which: slice) -> dict[str, Tensor]:
    """The tests of some networks along their training; empty where there were none."""
    return {
        name.removeprefix("curve_"): values[:, which]
        for name, values in left.items()
        if name.startswith("curve_")
    }


def notes(left: Left, which: slice) -> dict[str, float]:
    """What is noted of the training of some networks."""
    exact = {name: left[name][which].double().mean() for name in ("steps", "converged")}
    means = {name: left[name][which].mean() for name in ("loss", "train")}
    return {name: float(value) for name, value in (exact | means).items()}


class Snapshot:
    """An observer of a training that keeps the networks as they were before one of its sweeps."""

    def __init__(self, sweep: int) -> None:
        self.sweeps_to_come = sweep
        self.net: PatchNet | None = None

    def __call__(self, time: Tensor, net: PatchNet) -> None:
        if self.sweeps_to_come == 0:
            self.net = net
        self.sweeps_to_come -= 1


def taught_by(
    soft: Sequence[SoftTargets | None],
    sizes: Sequence[int],
    inputs: Float[Tensor, "N P d"],
    labels: Int[Tensor, " N"],
) -> Objective:
    """A loss of its own for each network, those of one kind in one piece.

    As ``per_member`` of ``distillation_objective``, several times faster where there are many.

    Args:
        soft: What each network, or each group of networks, is taught beside the labels.
        sizes: The number of networks of each.
    """
    groups: dict[tuple[KDLoss, float], dict[int, Tensor]] = {}  # teacher's logits by network
    label_weight = torch.ones(sum(sizes))
    for targets, which in zip(soft, slices(sizes), strict=True):
        if targets is None:
            continue
        label_weight[which] = targets.label_weight
        with torch.no_grad():
            logits = targets.teacher(inputs)
        size = which.stop - which.start
        each = logits.unbind(1) if logits.dim() == 3 else [logits] * size
        if len(each) != size:
            raise ValueError(f"a teacher of {len(each)} students teaches {size}: give as many.")
        group = groups.setdefault((targets.kd_loss, targets.weight), {})
        group |= dict(zip(range(which.start, which.stop), each, strict=True))
    parts = [
        (kd_loss, weight, torch.tensor(list(group)), torch.stack(list(group.values()), 1))
        for (kd_loss, weight), group in groups.items()
    ]

    def total(nets: Tensor, logits: Tensor, rows: Tensor) -> Tensor:
        n, e, _ = logits.shape
        label = labels[rows].unsqueeze(1).expand(n, e)
        loss = functional.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
        loss = loss.view(n, e) * label_weight[nets].to(loss)
        for kd_loss, weight, members, teachers in parts:
            student, teacher = (nets.unsqueeze(1) == members).nonzero(as_tuple=True)
            if len(student):  # some may have stopped
                value = kd_loss(logits[:, student], teachers[rows][:, teacher])
                loss = loss.index_add(1, student, weight * value)
        return loss

    return lambda logits, rows, nets: differentiated(partial(total, nets))(logits, rows, nets)


def patch_net(net: nn.Module) -> PatchNet:
    """The PatchNet that is, or is behind, a network of patches.

    Raises:
        ValueError: If there is none, as of a network with dropout or gates.
    """
    inner = net.net if isinstance(net, SingleMember | SummedMembers) else net
    if not isinstance(inner, PatchNet):
        raise ValueError(
            f"{type(inner).__name__} has no closed-form gradient: train it in a setting with Sgd."
        )
    return inner


def without_masks(net: nn.Module) -> nn.Module:
    """The network, without dropout if it is one that has some."""
    inner = net.net if isinstance(net, SingleMember) else net
    return inner.plain() if isinstance(inner, DropoutPatchNet) else net


def like(net: nn.Module, trained: PatchNet) -> nn.Module:
    """The trained network in the shape of the untrained one: a group, a single one or a sum."""
    if isinstance(net, SummedMembers):
        return trained.summed()
    return trained.single() if isinstance(net, SingleMember) else trained
