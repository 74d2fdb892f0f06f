"""Networks trained as their mean.

Dividing by K inside the loss is not neutral. With sReLU_R the activation of knee R,
(1/K) sReLU_R(K u) = sReLU_{R/K}(u), so the mean of K networks of knee R that start at sigma is the
sum of K networks of knee R/K that start at sigma/K: their weights differ by the factor K, and the
flow's time by K^2. A winner then has K times as far to grow beyond its knee before the loss is
small, and in that linear stretch it no longer outruns the losers. The remedy is the same identity
read backwards: the mean at knee K R from K sigma is the sum at knee R from sigma.
"""

from dataclasses import dataclass

from multiview.bench import Bench, Classifier, Flow, Method, Setting
from multiview.bench.flow import left_by, notes
from multiview.bench.patches import PatchSetting
from multiview.measures.patches import patch_bench
from multiview.train import cross_entropy, rescaled, train_patch_net


@dataclass(frozen=True, kw_only=True)
class TrainedMean(Method):
    """As many networks as members, trained as one by the gradient of the mean of their logits.

    What is left is their sum, which has the same largest logit. It notes what ``fit_by_flow`` does.

    Attributes:
        start: Name of the initial weights; those of ``Summed`` are called "sum".
        scaled: Whether knee and start are as many times larger as there are networks.
    """

    start: str = "sum"
    scaled: bool = False

    def check(self, setting: Setting) -> None:
        """Refuse all but networks of patches along the flow."""
        if not isinstance(setting, PatchSetting) or not isinstance(setting.training, Flow):
            raise ValueError(
                "TrainedMean follows the gradient flow: use a PatchSetting with training=Flow(...)."
            )

    def train(self, bench: Bench) -> Classifier:
        """The sum of the networks."""
        here = patch_bench(bench)
        setting, flow = here.setting, here.setting.training
        assert isinstance(flow, Flow)
        factor = here.members if self.scaled else 1
        scale = {"relu_knee": factor * setting.relu_knee, "sigma_init": factor * setting.sigma_init}
        start = here.nets(self.start, here.members, **scale)
        result = train_patch_net(
            start,
            here.inputs,
            here.labels,
            flow.spec([start.summed()], "labels"),
            objective=rescaled(cross_entropy(here.labels, here.num_classes), 1 / here.members),
            progress=here.report,
        )
        net, found = result.net.summed(), notes(left_by(result, result.net), slice(None))
        return Classifier(logits=here.frozen(net), net=net, notes=found)
