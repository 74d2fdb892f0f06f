"""What all methods of ``coverage_of_methods`` share: samples, starts, members and their logits."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import stream
from multiview.data import PatchBatch
from multiview.distill import RocketResult, rocket_launching
from multiview.ensemble import mean_logits
from multiview.models import DropoutPatchNet, PatchNet, SingleMember, shared_patch_nets
from multiview.ntk import centred_one_hot, fit_kernels, patch_net_gram
from multiview.ntk.members import Kind
from multiview.train.compute import frozen
from multiview.train.loop import Loss, fit, target_loss
from multiview.train.optim import OptimSpec
from theory_experiments._patch_nets import draw_features, draw_train, new_nets
from theory_experiments._patch_sgd import SGD, SgdCell

# From patches (n, P, d) to the logits (n, k), or (n, many, k) of many alike.
Classifier = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class MethodsCell(SgdCell):
    """One repetition of all methods; settings were chosen on the seeds 1000 to 1005.

    Members, their sum and nets with dropout take the steps of ``optim``; whatever is taught, has
    gates or is launched takes those of ``student``, and so does a net with labels alone beside it.
    """

    student: OptimSpec = field(default_factory=lambda: replace(SGD, epochs=200))
    num_test: int = 400
    temperature: float = 4.0  # of Hinton's loss
    tau: float = 1 / 3  # of the paper's update
    scale: float = 10.0  # the paper's factor on logits
    push: float = 5.0  # weight of the paper's update; all other lessons weigh 1
    neuron: float = 0.25  # dropout of hidden neurons
    patch: float = 0.5  # dropout of whole patches
    num_masks: int = 50
    hint: float = 0.03  # weight of a booster's hint
    delay: float = 0.5  # fraction of the steps before a late hint acts
    gate_dropout: float = 0.1  # where gates start
    light_penalty: float = 0.01  # lambda that closes hardly any gate
    strong_penalty: float = 0.2  # lambda that closes most
    penalty_delay: float = 0.5  # fraction of the steps before either acts
    kernel_width: int = 14  # m of the kernels' networks
    kernel_sigma_init: float = 3.0  # their start; lazy training needs a large one
    ridge: float = 1e-3

    def __post_init__(self) -> None:
        if self.members < 2:
            raise ValueError(f"members={self.members} is no ensemble: use at least 2.")
        if not 0 <= self.light_penalty < self.strong_penalty:
            raise ValueError(
                f"light_penalty={self.light_penalty} and strong_penalty={self.strong_penalty} are "
                "two strengths >= 0: use a larger one for the second."
            )


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The samples of a repetition, and what several methods need, trained when first asked for."""

    cell: MethodsCell
    features: Float[Tensor, "k L d"]
    train: PatchBatch

    @classmethod
    def of(cls, cell: MethodsCell) -> "Bench":
        """The bench of this repetition."""
        features = draw_features(cell)
        return cls(cell=cell, features=features, train=draw_train(cell, features))

    def fresh(self, name: str = "student", members: int = 1) -> PatchNet:
        """Untrained nets; all students have one start, that of a member is among ``members``."""
        return new_nets(self.cell, name, members)

    def taught(self, student: nn.Module, loss: Loss | None = None) -> nn.Module:
        """``student``, trained on this loss for the steps of students; labels alone by default."""
        return self._fitted(student, loss, self.cell.student, "student")

    def on_labels(self, net: nn.Module, name: str) -> nn.Module:
        """``net``, trained on labels for the members' steps, samples in the order of ``name``."""
        return self._fitted(net, None, self.cell.optim, name)

    def _fitted(self, net: nn.Module, loss: Loss | None, optim: OptimSpec, name: str) -> nn.Module:
        loss = target_loss(self.train.labels) if loss is None else loss
        fit(net, self.train.patches, loss, optim, self.order(name))
        return net

    def order(self, name: str = "student") -> torch.Generator:
        """Generator of the order in which training meets the samples."""
        return stream(self.cell.seed, "sgd", name)

    @cached_property
    def members(self) -> PatchNet:
        """K networks on labels."""
        net = self.fresh("members", self.cell.members)
        self.on_labels(net, "members")
        return net

    @cached_property
    def logits(self) -> Float[Tensor, "N members k"]:
        """The members' logits on the training samples, which students are taught by."""
        return frozen(self.members)(self.train.patches)

    @property
    def ensemble(self) -> Float[Tensor, "N k"]:
        """Mean of the members' logits on the training samples."""
        return mean_logits(self.logits)

    def dropped(self, kind: Literal["neuron", "patch"]) -> nn.Module:
        """The net with dropout of this kind, of the first member's start."""
        return self.neuron_net if kind == "neuron" else self.patch_net

    @cached_property
    def neuron_net(self) -> nn.Module:
        """The net trained with dropout of neurons."""
        net = DropoutPatchNet(self.fresh("members"), neuron=self.cell.neuron)
        return self.on_labels(SingleMember(net), "members")

    @cached_property
    def patch_net(self) -> nn.Module:
        """The net trained with dropout of patches."""
        net = DropoutPatchNet(self.fresh("members"), patch=self.cell.patch)
        return self.on_labels(SingleMember(net), "members")

    def launched(self, shared: int = 0, **settings: Any) -> RocketResult:
        """A light net of the students' start and a booster as wide, ``shared`` neurons in both."""
        nets = shared_patch_nets(self.fresh(), self.fresh("booster"), shared)
        return self.rocket(*nets, **settings)

    def rocket(self, light: nn.Module, *booster: nn.Module, **settings: Any) -> RocketResult:
        """The light net, launched by these boosters; ``settings`` of ``rocket_launching``."""
        return rocket_launching(
            light,
            booster,
            self.train.patches,
            self.train.labels,
            spec=self.cell.student,
            generator=self.order(),
            weight=self.cell.hint,
            **settings,
        )

    @cached_property
    def unshared(self) -> RocketResult:
        """A light net and a booster that share nothing."""
        return self.launched()

    @cached_property
    def by_many(self) -> RocketResult:
        """A light net and boosters of the members' starts, the mean of their logits as hint."""
        start = self.fresh("members", self.cell.members)
        boosters = (start.single(i) for i in range(self.cell.members))
        return self.rocket(self.fresh().single(), *boosters)

    @cached_property
    def kernels(self) -> "Kernels":
        """Kernel models of as many networks as there are members."""
        return Kernels(self)


class Kernels:
    """The kernel models of networks at their start, as functions of patches."""

    def __init__(self, bench: Bench) -> None:
        cell, self.patches = bench.cell, bench.train.patches
        settings = {"width": cell.kernel_width, "sigma_init": cell.kernel_sigma_init}
        self.start = new_nets(cell, "kernels", cell.members, **settings)
        # float32 products: wrong by 1e-6 of the diagonal, a thousandth of the ridge.
        self.settings = {"q": cell.q, "relu_knee": cell.relu_knee, "dtype": torch.float32}
        self.targets = centred_one_hot(bench.train.labels, cell.spec.num_classes)
        self.ridge = cell.ridge
        self.own = [
            patch_net_gram(weight, self.patches, **self.settings) for weight in self.start.weight
        ]
        self.last: tuple[Tensor, list[Tensor]] | None = None

    def fitted(self, kind: Kind) -> Classifier:
        """The models of this kind; of the distilled ones that of the first member's features."""
        fit = fit_kernels(kind, self.own, self.targets, self.ridge)

        def outputs(patches: Float[Tensor, "n P d"]) -> Tensor:
            found = fit(self.cross(patches))
            return found[:, 0] if kind == "distilled" else found

        return outputs

    def cross(self, patches: Float[Tensor, "n P d"]) -> list[Tensor]:
        """Kernels with the training samples; kept for the next call, of another kind of model."""
        if self.last is None or self.last[0] is not patches:
            self.last = (
                patches,
                [
                    patch_net_gram(weight, patches, self.patches, **self.settings)
                    for weight in self.start.weight
                ],
            )
        return self.last[1]
