"""Synthetic patches: the setting, and the bench that trains networks of patches on them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview.bench.bench import (
    Bench,
    Context,
    Course,
    DropoutKind,
    Fitted,
    Gram,
    Setting,
    SoftTargets,
    repeated,
)
from multiview.bench.nets import NetSpec
from multiview.data import MultiViewSpec, PatchBatch, make_features, sample_patches
from multiview.distill import distillation_loss, distillation_objective
from multiview.models import PatchNet, SingleMember, SummedMembers
from multiview.models.dropout_patch_net import DropoutPatchNet
from multiview.models.shared_patch_nets import shared_patch_nets
from multiview.ntk import patch_net_gram
from multiview.sparsity import GatedPatchNet
from multiview.train import (
    OptimSpec,
    TrainSpec,
    cross_entropy,
    fit,
    per_member,
    target_loss,
    train_patch_net,
)
from multiview.train.loop import Loss
from multiview.train.patch_gradient import Objective


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """Training by minibatch SGD, of networks on labels and of whatever is taught."""

    labels: OptimSpec
    students: OptimSpec


@dataclass(frozen=True, kw_only=True)
class Flow:
    """Training along the gradient flow, by closed-form gradients of all samples.

    Attributes:
        summed: Of networks trained as their sum; None: as ``labels``.
    """

    labels: TrainSpec
    students: TrainSpec
    summed: TrainSpec | None = None


@dataclass(frozen=True, kw_only=True)
class PatchSetting(Setting):
    """Samples of synthetic patches, and the two-layer networks that are trained on them.

    Attributes:
        members: K, the number of networks of an ensemble where a method does not say.
        width: m, neurons of a class.
    """

    spec: MultiViewSpec
    num_train: int
    members: int
    width: int = 10
    q: float = 4
    relu_knee: float = 3.0
    sigma_init: float = 0.06
    training: Sgd | Flow

    def __post_init__(self) -> None:
        if self.members < 1:
            raise ValueError(f"members={self.members} counts networks: use at least 1.")

    def bench(self, seed: int, context: Context) -> "PatchBench":
        """The bench of one repetition."""
        return PatchBench(self, seed, context)

    def check_sgd(self, method: str) -> None:
        """Refuse what needs minibatches, where networks follow the flow."""
        if isinstance(self.training, Flow):
            raise ValueError(
                f"{method} needs minibatches, and this setting follows the gradient flow: use "
                "training=Sgd(...)."
            )

    def check_shared(self, shared: int) -> None:
        """Refuse more shared neurons than a class has."""
        if not 0 <= shared <= self.width:
            raise ValueError(f"shared={shared} counts neurons of a class: use 0 to {self.width}.")

    def check_net(self, net: NetSpec) -> None:
        """Refuse all but the networks of Section 3."""
        raise ValueError(f"net={net}: networks of patches are PatchNets, leave it out.")

    def check(self, context: Context) -> None:
        """Refuse another device: the closed-form gradient is written for the CPU."""
        if context.device != "cpu":
            raise ValueError(
                f"device={context.device!r}: networks of patches run on the CPU, leave it."
            )


class PatchBench(Bench):
    """One draw of features and samples, and networks of patches.

    Attributes:
        features: Of the views, (k, L, d).
        batch: The training samples with their provenance.
    """

    def __init__(self, setting: PatchSetting, seed: int, context: Context) -> None:
        super().__init__(seed, context)
        self.setting, self.members = setting, setting.members
        self.num_classes = setting.spec.num_classes
        self.side_by_side = isinstance(setting.training, Flow)

    @cached_property
    def features(self) -> Float[Tensor, "k L d"]:
        """The features of this repetition."""
        return make_features(self.setting.spec, self.stream("features"))

    @cached_property
    def batch(self) -> PatchBatch:
        """The training samples, shared by all networks."""
        number = self.setting.num_train
        return sample_patches(self.setting.spec, self.features, number, self.stream("train"))

    @property
    def inputs(self) -> Float[Tensor, "n P d"]:
        """The training samples' patches."""
        return self.batch.patches

    @property
    def labels(self) -> Tensor:
        """Their classes."""
        return self.batch.labels

    def with_samples(self, rows: Int[Tensor, " m"]) -> "PatchBench":
        """The bench with these samples; the flow follows their mean and meets each once."""
        other = self.variant()
        if isinstance(self.setting.training, Sgd):
            rows = repeated(rows, len(self.labels))
        other.__dict__["batch"] = self.batch[rows]
        return other

    def nets(self, name: str, number: int = 1, **other: Any) -> PatchNet:
        """Untrained networks; a larger number begins with the same ones.

        Args:
            other: Settings of ``PatchNet`` that are not those of the setting.
        """
        setting = self.setting
        settings = {
            "patch_dim": setting.spec.patch_dim,
            "width": setting.width,
            "sigma_init": setting.sigma_init,
            "q": setting.q,
            "relu_knee": setting.relu_knee,
        }
        return PatchNet(
            members=number,
            num_classes=self.num_classes,
            generator=self.stream("init", name),
            **(settings | other),
        )

    def group(self, name: str, number: int) -> PatchNet:
        """Untrained networks in one tensor."""
        return self.nets(name, number)

    def one(self, name: str, index: int = 0) -> nn.Module:
        """One untrained network, the ``index``-th of its name."""
        nets = self.nets(name, index + 1)
        return (nets.member(index) if index else nets).single()

    def summed(self, name: str, number: int) -> nn.Module:
        """Untrained networks as one classifier, their sum."""
        return self.nets(name, number).summed()

    def member(self, group: nn.Module, index: int) -> nn.Module:
        """A copy of one network of a group."""
        if not isinstance(group, PatchNet):
            raise TypeError(f"a group of patch nets is a PatchNet, got {type(group).__name__}.")
        return group.member(index).single()

    def fit(
        self,
        nets: Sequence[nn.Module],
        soft: Sequence[SoftTargets | None],
        course: Course = "labels",
        order: str = "student",
    ) -> list[Fitted]:
        """Train networks in place by SGD, one after the other, or copies of them by the flow."""
        if isinstance(self.setting.training, Flow):
            return self._by_flow(self.setting.training, nets, soft, course)
        for i, (net, each) in enumerate(zip(nets, soft, strict=True)):
            settings = self.training(course, order) | {
                "progress": partial(self._part, i, len(nets))
            }
            fit(net, self.inputs, self.loss(each), **settings)
        return [Fitted(net=net) for net in nets]

    def dropout_net(self, name: str, kind: DropoutKind, rate: float) -> nn.Module:
        """A network with dropout of its neurons or of whole patches."""
        return SingleMember(DropoutPatchNet(self.nets(name), **{kind: rate}))

    def gated(self, net: nn.Module, dropout: float) -> nn.Module:
        """A copy with a gate on each neuron."""
        gates = self.stream("gates")
        return SingleMember(GatedPatchNet(patch_net(net), dropout=dropout, generator=gates))

    def pair(
        self, shared: int, boosters: int, start: str, width: int | None
    ) -> tuple[nn.Module, list[nn.Module]]:
        """A light network and boosters; ``shared`` counts neurons of each class."""
        light = self.nets("student")
        wide = self.nets(start, boosters, **({} if width is None else {"width": width}))
        pairs = [shared_patch_nets(light, wide.member(i), shared) for i in range(boosters)]
        return pairs[0][0], [booster for _, booster in pairs]

    def tangent_gram(self, net: nn.Module) -> Gram:
        """The kernel in closed form."""
        inner = patch_net(net)
        # float32 products: wrong by 1e-6 of the diagonal, a thousandth of the ridge.
        settings = {"q": inner.q, "relu_knee": inner.relu_knee, "dtype": torch.float32}
        return partial(patch_net_gram, inner.weight[0], **settings)

    def kernel_networks(self, number: int, width: int | None, scale: float | None) -> list:
        """Networks of their own start, as wide and large as is said."""
        changes = {"width": width, "sigma_init": scale}
        nets = self.nets("kernels", number, **{k: v for k, v in changes.items() if v is not None})
        return [nets.member(i).single() for i in range(number)]

    def loss(self, soft: SoftTargets | None) -> Loss:
        """Of the labels, and of a teacher asked once, as samples are the same at every step."""
        if soft is None:
            return target_loss(self.labels)
        with torch.no_grad():
            teacher = soft.teacher(self.inputs)
        return distillation_loss(
            self.labels,
            teacher,
            soft.kd_loss,
            weight=soft.weight,
            label_weight=soft.label_weight,
        )

    def training(self, course: Course = "students", order: str = "student") -> dict[str, Any]:
        """Optimiser, order of samples and progress."""
        if isinstance(self.setting.training, Flow):
            raise ValueError("the flow has no minibatches: train this in a setting with Sgd.")
        return {
            "spec": getattr(self.setting.training, course),
            "generator": self.stream("sgd", order),
            "progress": self.report,
        }

    def _part(self, i: int, parts: int, message: str, fraction: float) -> None:
        self.report(message, (i + fraction) / parts)

    def _by_flow(
        self,
        flow: Flow,
        nets: Sequence[nn.Module],
        soft: Sequence[SoftTargets | None],
        course: Course,
    ) -> list[Fitted]:
        """Train copies of all networks side by side; a sum by itself."""
        spec: TrainSpec = getattr(flow, course)
        if any(isinstance(each, SummedMembers) for each in nets):
            spec = replace(flow.summed or spec, summed=True)
            if len(nets) > 1:
                raise ValueError("a sum of networks is trained by itself: fit it alone.")
        plain = [patch_net(each) for each in nets]
        start = plain[0]
        if len(plain) > 1:
            start = start.with_weight(torch.cat([each.weight for each in plain]))
        given: dict[str, Any] = {}
        if any(each is not None for each in soft):
            given["objective"] = self._objective(plain, soft)
        result = train_patch_net(
            start, self.inputs, self.labels, spec, progress=self.report, **given
        )
        fitted, first = [], 0
        for net, own in zip(nets, plain, strict=True):
            which = slice(first, first + len(own.weight))
            first = which.stop
            trained = result.net if len(nets) == 1 else result.net.member(which)
            counted = slice(None) if spec.summed else which
            notes = {
                "steps": float(result.steps[counted].double().mean()),
                "converged": float(result.converged[counted].double().mean()),
            }
            fitted.append(Fitted(net=like(net, trained), notes=notes))
        return fitted

    def _objective(self, nets: Sequence[PatchNet], soft: Sequence[SoftTargets | None]) -> Objective:
        """A loss of its own for each network of all."""
        each: list[Objective] = []
        for net, targets in zip(nets, soft, strict=True):
            if targets is None:
                each += [cross_entropy(self.labels, self.num_classes)] * len(net.weight)
                continue
            with torch.no_grad():
                logits = targets.teacher(self.inputs)
            own = logits.unbind(1) if logits.dim() == 3 else [logits] * len(net.weight)
            each += [
                distillation_objective(self.labels, teacher, targets.kd_loss, targets.weight)
                for teacher in own
            ]
        return per_member(*each)


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


def like(net: nn.Module, trained: PatchNet) -> nn.Module:
    """The trained network in the shape of the untrained one: a group, a single one or a sum."""
    if isinstance(net, SummedMembers):
        return trained.summed()
    return trained.single() if isinstance(net, SingleMember) else trained
