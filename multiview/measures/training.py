"""Errors of classifiers on the samples they were trained on."""

from collections.abc import Mapping
from dataclasses import dataclass

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Measure
from multiview.train.metrics import wrong


@dataclass(frozen=True, kw_only=True)
class TrainErrors(Measure):
    """``train``, the error on the training samples as they are; of several networks the mean."""

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, float]]:
        """Training error of each method, kernels and averages included."""
        labels = bench.labels.cpu()
        return {
            name: {
                "train": float(
                    wrong(bench.outputs(each.logits, bench.inputs), labels).double().mean()
                )
            }
            for name, each in trained.items()
        }
