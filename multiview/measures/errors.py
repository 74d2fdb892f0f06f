"""Errors of classifiers on test samples and on the training samples, in any setting with both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from multiview.bench.bench import Bench, Setting
from multiview.bench.method import Classifier, Measure
from multiview.bench.modules import ModuleBench, ModuleSetting
from multiview.train.metrics import wrong


@dataclass(frozen=True, kw_only=True)
class TestErrors(Measure):
    """``error`` on the test samples and ``train`` on the training samples, ties being errors.

    Of several networks the means, and ``each`` one's error on the test samples; ``best``, the
    error of the networks as they were when best on the validation samples, where there are such.
    """

    __test__ = False  # no test case of pytest

    def check(self, setting: Setting) -> None:
        """Refuse synthetic patches, whose samples are of two kinds."""
        if not isinstance(setting, ModuleSetting):
            raise ValueError(
                "TestErrors is of test samples of one kind, and synthetic patches have two: use "
                "PatchErrors."
            )

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """By method."""
        assert isinstance(bench, ModuleBench)
        samples, row = bench.samples, {}
        test, train = samples.test_labels.cpu(), samples.train_labels.cpu()
        for name, classifier in trained.items():
            each = errors(bench.outputs(classifier.logits, samples.test), test)
            fitted = errors(bench.outputs(classifier.logits, samples.train), train)
            row[name] = {"error": float(each.mean()), "train": float(fitted.mean())}
            if each.dim():
                row[name]["each"] = each.tolist()
            if classifier.best is not None:
                best = errors(bench.outputs(classifier.best, samples.test), test)
                row[name]["best"] = float(best.mean())
        return row


def errors(
    logits: Float[Tensor, "n *networks k"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "*networks"]:
    """The fraction of samples that each network gets wrong."""
    return wrong(logits, labels).double().mean(0)
