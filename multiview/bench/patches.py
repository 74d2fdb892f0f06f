"""Synthetic patches: the setting, and the bench that trains networks of patches on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.curve import Curve, tested_along
from multiview.bench.flow import Flow, fit_by_flow, patch_net, without_masks
from multiview.bench.nets import NetSpec
from multiview.bench.setting import Setting
from multiview.bench.sgd import Sgd
from multiview.bench.strays import constraint
from multiview.bench.types import (
    Context,
    Course,
    DropoutKind,
    Fitted,
    Gram,
    SoftTargets,
    check_strays,
)
from multiview.data import MultiViewSpec, PatchBatch, make_features, sample_patches
from multiview.distill import distillation_loss
from multiview.models import PatchNet, SingleMember
from multiview.models.dropout_patch_net import DropoutPatchNet
from multiview.models.shared_patch_nets import shared_patch_nets
from multiview.models.smoothed_relu import power
from multiview.ntk import patch_net_gram
from multiview.sparsity import GatedPatchNet
from multiview.sparsity.layers import initial_dropout
from multiview.train import fit, target_loss
from multiview.train.loop import Loss


@dataclass(frozen=True, kw_only=True)
class PatchSetting(Setting):
    """Samples of synthetic patches, and the two-layer networks that are trained on them.

    Attributes:
        members: K, the number of networks of an ensemble where a method does not say.
        width: m, neurons of a class.
        curve: Tests of networks along their training by the flow; None: there are none.

    Raises:
        ValueError: If a field is of another type or out of range, or there is a ``curve`` where
            networks are trained by minibatches.
    """

    spec: MultiViewSpec
    num_train: int
    members: int
    width: int = 10
    q: float = 4
    relu_knee: float = 3.0
    sigma_init: float = 0.06
    training: Sgd | Flow
    curve: Curve | None = None

    def __post_init__(self) -> None:
        checks.instance("spec", self.spec, MultiViewSpec)
        checks.instance("training", self.training, (Sgd, Flow))
        checks.count("num_train", self.num_train, meaning="counts samples")
        checks.count("members", self.members, meaning="counts networks")
        checks.count("width", self.width, meaning="counts neurons of a class")
        power(self.q)
        checks.positive("relu_knee", self.relu_knee)
        checks.positive("sigma_init", self.sigma_init)
        if self.curve is not None:
            checks.instance("curve", self.curve, Curve)
            if isinstance(self.training, Sgd):
                raise ValueError(
                    f"curve={self.curve} tests networks along the flow, and this setting trains by "
                    "minibatches: leave it out, or use training=Flow(...)."
                )

    @property
    def side_by_side(self) -> bool:
        """Whether networks follow the flow, where many at once share what one takes."""
        return isinstance(self.training, Flow)

    def bench(self, seed: int, context: Context) -> "PatchBench":
        """The bench of one repetition."""
        return PatchBench(self, seed, context)

    def check_sgd(self, method: str) -> None:
        """Refuse what needs minibatches, where networks follow the flow.

        Raises:
            ValueError: If networks follow the gradient flow.
        """
        if isinstance(self.training, Flow):
            raise ValueError(
                f"{method} needs minibatches, and this setting follows the gradient flow: use "
                "training=Sgd(...)."
            )

    def check_features(self, method: str) -> None:
        """Refuse minibatches, whose gradients autograd gives.

        Raises:
            ValueError: If networks are trained by minibatches.
        """
        if isinstance(self.training, Sgd):
            super().check_features(method)

    def check_dropout(self, kind: DropoutKind, rate: float | None) -> None:
        """Refuse dropout without a rate: these networks have none of their own.

        Raises:
            ValueError: If ``rate`` is None.
        """
        if rate is None:
            raise ValueError("rate=None is that of networks with dropout layers: give a number.")

    def check_shared(self, shared: int) -> None:
        """Refuse more shared neurons than a class has.

        Raises:
            ValueError: If ``shared`` is not from 0 to ``width``.
        """
        if not 0 <= shared <= self.width:
            raise ValueError(f"shared={shared} counts neurons of a class: use 0 to {self.width}.")

    def check_gates(self, dropout: float | tuple[float, ...]) -> None:
        """Refuse rates of several layers: these networks have one.

        Raises:
            ValueError: If ``dropout`` is not one rate.
        """
        initial_dropout(dropout, 1)

    def with_net(self, net: NetSpec) -> Setting:
        """Refuse all but the networks of Section 3.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"net={net}: networks of patches are PatchNets, leave it out.")

    def check(self, context: Context) -> None:
        """Refuse another device: the closed-form gradient is written for the CPU.

        Raises:
            ValueError: If the device of the context is not the CPU.
        """
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
        super().__init__(setting, seed, context)
        self.setting, self.members = setting, setting.members
        self.num_classes = setting.spec.num_classes
        self.side_by_side, self.minibatches = setting.side_by_side, not setting.side_by_side

    @cached_property
    def features(self) -> Float[Tensor, "k L d"]:
        """The features of this repetition."""
        return make_features(self.setting.spec, self.stream("features"))

    @cached_property
    def batch(self) -> PatchBatch:
        """The training samples, shared by all networks."""
        number = self.setting.num_train
        return sample_patches(self.setting.spec, self.features, number, self.stream("train"))

    @cached_property
    def inputs(self) -> Float[Tensor, "n P d"]:
        """The training samples' patches."""
        return self.batch.patches

    @cached_property
    def labels(self) -> Tensor:
        """Labels of the training samples."""
        return self.batch.labels

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
        """A copy of one network of a group.

        Raises:
            TypeError: If the group is neither a ``PatchNet`` nor a ``DropoutPatchNet``.
        """
        if isinstance(group, DropoutPatchNet):
            return SingleMember(group.member(index))
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
        flow = self.setting.training
        if isinstance(flow, Flow):
            spec = flow.spec(nets, course)
            return fit_by_flow(
                nets,
                soft,
                self.inputs,
                self.labels,
                spec,
                self.report,
                once=self.once,
                tested=tested_along(
                    self.setting.curve, self.setting.spec, self.features, self.stream
                ),
                constrain=constraint(nets, soft, self.features),
            )
        check_strays(soft)
        for i, (net, each) in enumerate(zip(nets, soft, strict=True)):

            def train(i: int = i, net: nn.Module = net, each: SoftTargets | None = each) -> None:
                settings = self.training(course, order)
                settings["progress"] = partial(self._part, i, len(nets))
                fit(net, self.inputs, self.loss(each), **settings)

            self.fit_once([net], train)
        return [Fitted(net=net) for net in nets]

    def dropout_net(
        self, name: str, kind: DropoutKind, rate: float | None, number: int | None = None
    ) -> nn.Module:
        """Networks with dropout of their neurons or of whole patches."""
        drop = {} if rate is None else {kind: rate}
        nets = DropoutPatchNet(self.nets(name, number or 1), **drop)
        return SingleMember(nets) if number is None else nets

    def gated(self, net: nn.Module, dropout: float | tuple[float, ...]) -> nn.Module:
        """A copy with a gate on each neuron; the dropout of a network that has some is left out."""
        (rate,) = initial_dropout(dropout, 1)
        plain = patch_net(without_masks(net))
        return SingleMember(GatedPatchNet(plain, dropout=rate, generator=self.stream("gates")))

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
        """Loss of the labels and of a teacher, whose logits are computed once for all steps."""
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
        """Optimiser, order of samples and progress.

        Raises:
            ValueError: If networks follow the gradient flow, which has no minibatches.
        """
        if isinstance(self.setting.training, Flow):
            raise ValueError("the flow has no minibatches: train this in a setting with Sgd.")
        return {
            "spec": getattr(self.setting.training, course),
            "generator": self.stream("sgd", order),
            "progress": self.report,
        }

    def _part(self, i: int, parts: int, message: str, fraction: float) -> None:
        self.report(message, (i + fraction) / parts)
