"""Networks behind hard-concrete gates, those units closed at the end removed."""

import copy
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting
from multiview.distill import Hinton, KDLoss
from multiview.methods.networks import single
from multiview.sparsity import L0Spec, pruned, remaining, sparsify


@dataclass(frozen=True, kw_only=True)
class Gates(Method):
    """A network trained with L0 gates (Louizos et al., arXiv 1712.01312), closed units removed.

    It notes what ``remaining`` says of the network with gates; ``parity``, the largest difference
    between its logits and those of the pruned network, as a fraction of the largest logit; and the
    ``strength`` or the ``target`` of the penalty, where all layers have one.

    Attributes:
        penalty: What closes gates: lambda, which is divided by the number of samples, a delay, a
            share of weights to be reached. Weights decay in it too, as those of closed gates must
            not: by its own factor or, where it has none, by that of the setting's optimiser.
        dropout: Rate at which the gates of all layers start, or of each.
        teacher: What teaches beside the labels, by ``kd_loss``; None: labels alone.
        weight: Of ``kd_loss``.
        label_weight: Of cross-entropy with the labels, where there is a teacher.
        start: Name of the initial weights, or the method whose network is given gates.

    Raises:
        ValueError: If ``penalty`` is no ``L0Spec``, a rate of ``dropout`` is not in (0, 1), or a
            weight is negative or not finite.
    """

    penalty: L0Spec = L0Spec(strength=0.2, delay=0.5)
    dropout: float | tuple[float, ...] = 0.1
    teacher: Method | None = None
    kd_loss: KDLoss = Hinton()
    weight: float = 1.0
    label_weight: float = 1.0
    start: str | Method = "student"

    def __post_init__(self) -> None:
        checks.instance("penalty", self.penalty, L0Spec)
        rates = self.dropout if isinstance(self.dropout, tuple) else (self.dropout,)
        for each in rates:
            checks.number("dropout", each, "(0, 1)", meaning="is the rate at which gates start")
        checks.not_negative("weight", self.weight)
        checks.not_negative("label_weight", self.label_weight)

    def check(self, setting: Setting) -> None:
        """Refuse a trainer without minibatches, and networks that cannot have these gates.

        Raises:
            ValueError: If the setting has either, or ``teacher`` or ``start`` leaves several
                networks.
        """
        setting.check_sgd("Gates")
        setting.check_gates(self.dropout)
        single("teacher", self.teacher, setting)
        single("start", self.start, setting)

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def train(self, bench: Bench) -> Classifier:
        """The network without what its closed gates stood before."""
        net = bench.gated(self._start(bench), self.dropout)
        bench.fit_once([net], lambda: self._sparsify(bench, net))
        small = pruned(net)
        notes = remaining(net) | {"parity": parity(bench, net, small)}
        return Classifier(logits=bench.frozen(small), net=small, notes=self._lambda() | notes)

    def _sparsify(self, bench: Bench, net: nn.Module) -> None:
        loss = None
        if self.teacher is not None:
            weights = {"weight": self.weight, "label_weight": self.label_weight}
            soft = bench.soft_targets(self.teacher, self.kd_loss, **weights)
            loss = bench.loss(soft)
        settings = bench.training()
        decay = self.penalty.weight_decay or settings["spec"].weight_decay
        settings["spec"] = replace(settings["spec"], weight_decay=0.0)
        penalty = replace(self.penalty, weight_decay=decay)
        sparsify(net, bench.inputs, bench.labels, penalty=penalty, loss=loss, **settings)

    def _start(self, bench: Bench) -> nn.Module:
        if isinstance(self.start, str):
            return bench.one(self.start)
        net = bench.trained(self.start).net
        if net is None:
            raise ValueError(f"start={self.start} leaves no network to prune: use another method.")
        return copy.deepcopy(net)

    def _lambda(self) -> dict[str, Any]:
        """The penalty in one number."""
        if self.penalty.target is not None:
            return {"target": self.penalty.target}
        alike = not isinstance(self.penalty.strength, tuple)
        return {"strength": self.penalty.strength} if alike else {}


def parity(bench: Bench, net: nn.Module, small: nn.Module) -> float:
    """Largest difference of the outputs of two networks, over the largest; 0 where all are 0."""
    few: Tensor = bench.inputs[:500]
    theirs, own = (bench.outputs(bench.frozen(each), few) for each in (net, small))
    difference = float((theirs - own).abs().max())
    return difference / float(theirs.abs().max()) if difference else 0.0
