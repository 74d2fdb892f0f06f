"""Networks that have to learn every view: trained on samples that show one view each."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from multiview import checks
from multiview.bench import Bench, Classifier, Method, Setting
from multiview.bench.patches import PatchBench, PatchSetting
from multiview.data import sample_patches
from theory_experiments.views.two_halves import TwoImages, only, shown_alone


@dataclass(frozen=True, kw_only=True)
class OnLoneViews(Method):
    """Another method on samples of which each shows one view of its class alone.

    Of patches they are drawn anew, single-view samples; of two images side by side each training
    sample that shows both halves keeps its left or its right one, in turn.

    Attributes:
        of: The method; what it builds on is trained on lone views too.
        times: How many times as many samples of patches are drawn as a setting has.
    """

    of: Method
    times: int = 1

    def __post_init__(self) -> None:
        checks.count("times", self.times)

    def needs(self) -> Iterator[Method]:
        """Nothing that is trained on the setting's samples."""
        yield from ()

    def networks(self, setting: Setting) -> int | None:
        """As many as the other method leaves."""
        return self.of.networks(setting)

    def check(self, setting: Setting) -> None:
        """Refuse samples whose views are not known, and what the other method refuses."""
        if not isinstance(setting, PatchSetting | TwoImages):
            raise ValueError(
                f"OnLoneViews needs samples whose views are known, not a "
                f"{type(setting).__name__}: use a PatchSetting or TwoImages."
            )
        self.of.check(setting)

    def train(self, bench: Bench) -> Classifier:
        """Train the other method on such samples."""
        return bench.on(*self._samples(bench), report=bench.report).trained(self.of)

    def _samples(self, bench: Bench) -> tuple[Shaped[Tensor, "n ..."], Int[Tensor, " n"]]:
        if isinstance(bench, PatchBench):
            spec, number = bench.setting.spec, self.times * bench.setting.num_train
            drawn = bench.stream("lone views")
            batch = sample_patches(spec, bench.features, number, drawn, kind="single")
            return batch.patches, batch.labels
        alone = shown_alone(bench.inputs)  # of those that show one half already
        turn = torch.arange(len(alone), device=alone.device) % 2
        return only(bench.inputs, torch.where(alone < 0, turn, alone)), bench.labels
