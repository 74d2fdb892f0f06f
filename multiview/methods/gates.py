"""Networks behind hard-concrete gates, those units closed at the end removed."""

from dataclasses import dataclass, replace

from multiview.bench.bench import Bench, Setting
from multiview.bench.method import Classifier, Method
from multiview.distill import Hinton, KDLoss
from multiview.sparsity import L0Spec, gated_layers, pruned, sparsify


@dataclass(frozen=True, kw_only=True)
class Gates(Method):
    """A network of the students' start trained with L0 gates (Louizos et al., arXiv 1712.01312).

    It notes ``share_open``, the share of its gates that are open at the end.

    Attributes:
        strength: lambda of the penalty, which divides it by the number of samples.
        dropout: Rate at which the gates start.
        delay: Fraction of the steps before the penalty acts.
        teacher: What teaches beside the labels, by ``kd_loss``; None: labels alone.
    """

    strength: float
    dropout: float = 0.1
    delay: float = 0.5
    teacher: Method | None = None
    kd_loss: KDLoss = Hinton()
    weight: float = 1.0

    def check(self, setting: Setting) -> None:
        """Refuse a trainer without minibatches, in which gates are drawn."""
        setting.check_sgd("Gates")

    def train(self, bench: Bench) -> Classifier:
        """The network without what its closed gates stood before."""
        net = bench.gated(bench.one("student"), self.dropout)
        soft = None
        if self.teacher is not None:
            soft = bench.soft_targets(self.teacher, self.kd_loss, self.weight)
        settings = bench.training()
        decay = settings["spec"].weight_decay  # of weights whose gates are open, in the penalty
        settings["spec"] = replace(settings["spec"], weight_decay=0.0)
        sparsify(
            net,
            bench.inputs,
            bench.labels,
            penalty=L0Spec(strength=self.strength, delay=self.delay, weight_decay=decay),
            loss=None if soft is None else bench.loss(soft),
            **settings,
        )
        states = [(each.gates() != 0).double() for each in gated_layers(net).values()]
        open_gates = sum(float(each.sum()) for each in states)
        small = pruned(net)
        return Classifier(
            logits=bench.frozen(small),
            net=small,
            notes={"share_open": open_gates / sum(each.numel() for each in states)},
        )
