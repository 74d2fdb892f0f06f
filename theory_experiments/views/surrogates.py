"""The gain of an ensemble, and that of members with Gaussian logits in their place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from multiview.bench import Bench, Classifier, Measure, Setting
from multiview.ensemble import mean_logits
from multiview.train.metrics import wrong
from theory_experiments.views.gaussian_tasks import TaskBench, TaskSetting


def surrogate_error(
    logits: Float[Tensor, "n members k"],
    labels: Int[Tensor, " n"],
    draws: int,
    generator: torch.Generator,
) -> float:
    """Mean error of Gaussian members with the mean and the covariance of these, sample by sample.

    A draw adds to the mean the members' deviations from it, each times N(0, 1 / members): its
    covariance across classes is the members' own about their mean.
    """
    n, members, _ = logits.shape
    centre = logits.mean(1, keepdim=True)
    share = torch.randn(n, draws, members, generator=generator, dtype=logits.dtype)
    surrogates = centre + members**-0.5 * share @ (logits - centre)
    return float(wrong(surrogates, labels).double().mean())


def gains(
    logits: Float[Tensor, "n members k"],
    labels: Int[Tensor, " n"],
    draws: int,
    generator: torch.Generator,
) -> dict[str, Any]:
    """What is reported of one learner.

    Returns:
        ``member``, the members' mean error, ``each`` theirs, ``best`` the smallest, ``spread``
        their standard deviation; ``ensemble``, the error of the mean logits; ``gain``, member -
        ensemble; ``surrogate_gain``, that of Gaussian members: it is the larger, the more the
        members vary, but a gain beyond it says that their logits are not Gaussian around their
        mean, and not that variance has no part in it.
    """
    each = wrong(logits, labels).double().mean(0)
    ensemble = float(wrong(mean_logits(logits), labels).double().mean())
    member = float(each.mean())
    return {
        "member": member,
        "each": each.tolist(),
        "best": float(each.min()),
        "spread": float(each.std()),
        "ensemble": ensemble,
        "gain": member - ensemble,
        "surrogate_gain": surrogate_error(logits, labels, draws, generator) - ensemble,
    }


@dataclass(frozen=True, kw_only=True)
class Gains(Measure):
    """Of every learner all that ``gains`` says, and ``train``, the mean training error with noise.

    On multi-view patches these are errors on single-view test samples; of a learner with ``_multi``
    at the end, on multi-view ones.

    Attributes:
        draws: Surrogate members a test sample.
    """

    draws: int = 10

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ValueError(f"draws={self.draws} counts at least 1.")

    def check(self, setting: Setting) -> None:
        """Refuse all but tasks."""
        if not isinstance(setting, TaskSetting):
            raise ValueError(f"Gains needs the tests of a task: use a TaskSetting, not {setting}.")

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Measures of each learner on each kind of test samples."""
        assert isinstance(bench, TaskBench)
        row: dict[str, dict[str, Any]] = {}
        for learner, each in trained.items():
            for ending, test in bench.tests.items():
                drawn = bench.stream("surrogates", learner, ending)
                row[learner + ending] = gains(
                    each.logits(test.patches), test.labels, self.draws, drawn
                )
            mistakes = wrong(each.logits(bench.inputs), bench.labels)
            row[learner]["train"] = float(mistakes.double().mean())
        return row
