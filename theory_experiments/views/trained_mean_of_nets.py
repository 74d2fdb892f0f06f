"""Networks of any kind trained as their mean, as ``trained_mean`` does for patches."""

from dataclasses import dataclass

from multiview.bench import Bench, Classifier, Method, Setting
from multiview.bench.module_setting import ModuleSetting
from multiview.models import MeanOfNets


@dataclass(frozen=True, kw_only=True)
class TrainedMeanOfNets(Method):
    """As many networks as members, trained as one by the gradient of the mean of their logits.

    They start as those of ``Summed`` do, and are trained at the same rate, at which each step moves
    a network less than a step of the sum would.
    """

    def networks(self, setting: Setting) -> int:
        """One classifier."""
        return 0

    def check(self, setting: Setting) -> None:
        """Refuse networks of patches, which ``TrainedMean`` trains."""
        if not isinstance(setting, ModuleSetting):
            raise ValueError(
                f"TrainedMeanOfNets is of modules, and a {type(setting).__name__} has networks of "
                "patches: use TrainedMean."
            )

    def train(self, bench: Bench) -> Classifier:
        """Train the mean as one network."""
        nets = MeanOfNets(bench.one("sum", i) for i in range(bench.members))
        return bench.classifier(bench.fit_one(nets, order="sum"))
