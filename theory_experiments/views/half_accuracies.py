"""Which half of a sample of two images each classifier recognises its class by."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from multiview import checks
from multiview.bench import Bench, Classifier, Setting
from multiview.bench.modules import ModuleBench
from multiview.ensemble import mean_logits
from multiview.measures.errors import Row, TestMeasure, module_bench
from multiview.train.metrics import wrong
from theory_experiments.views.surrogates import surrogate_error
from theory_experiments.views.two_halves import (
    LEFT,
    RIGHT,
    SHOWN,
    TwoImages,
    only,
    shown_alone,
)


@dataclass(frozen=True, kw_only=True)
class Halves(TestMeasure):
    """What classifiers recognise of test samples that show one half of them, or both.

    ``both``, ``left`` and ``right`` are accuracies, means over networks. A half of a class is
    covered if the accuracy on samples of the class that show it alone is above halfway between
    chance, 1/k, and that on the class's whole samples. ``coverage`` is c, the fraction of halves of
    classes covered; ``covered_left`` and ``covered_right`` are those of each half, ``both_halves``
    that of classes of which both are; ``chose_right``, the fraction of classes better recognised
    by the right half than by the left. Of several networks these are means, and ``same`` is the
    fraction of classes in which all are better with the same half; ``gain_left`` and so on, how
    much less their mean logits err than one of them, and ``surrogate_left`` what Gaussian members
    of the same mean and covariance would gain. ``by_class`` holds all accuracies, (networks, 3, k).
    ``fitted_left`` and ``fitted_right`` are accuracies on the training samples that show this half
    alone, where there are any: what is fitted there and not recognised in tests is memorised.

    Attributes:
        of_networks, ensemble: The method of several networks, and how their mean is called.
        draws: Gaussian members a test sample.
    """

    of_networks: str = "member"
    ensemble: str = "ensemble"
    draws: int = 10

    def __post_init__(self) -> None:
        checks.count("draws", self.draws, meaning="counts Gaussian members")

    def check(self, setting: Setting) -> None:
        """Refuse samples that are not two images."""
        if not isinstance(setting, TwoImages):
            raise ValueError(
                f"Halves is of samples of two images, not of a {type(setting).__name__}: use "
                "TwoImages."
            )

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Measures of each method and of the mean of networks."""
        here, row = module_bench(bench), {}
        labels = here.samples.test_labels.cpu()
        shown = {name: only(here.samples.test, lone) for name, lone in SHOWN.items()}
        for method, each in trained.items():
            outputs = {name: here.outputs(each.logits, seen) for name, seen in shown.items()}
            row[method] = accuracies(outputs, labels) | fitted(here, each)
            if method == self.of_networks:
                means = {name: mean_logits(logits) for name, logits in outputs.items()}
                row[self.ensemble] = accuracies(means, labels)
                for name, logits in outputs.items():
                    drawn = here.stream("surrogates", name)
                    surrogate = surrogate_error(logits, labels, self.draws, drawn)
                    together = row[self.ensemble][name]
                    row[method][f"gain_{name}"] = together - row[method][name]
                    row[method][f"surrogate_{name}"] = surrogate - (1 - together)
        return row


def fitted(bench: ModuleBench, classifier: Classifier) -> dict[str, float]:
    """Accuracies on the training samples that show one half alone."""
    alone, found = shown_alone(bench.inputs), {}
    for name, half in ((LEFT, 0), (RIGHT, 1)):
        chosen = alone == half
        if chosen.any():
            outputs = bench.outputs(classifier.logits, bench.inputs[chosen])
            right = ~wrong(outputs, bench.labels[chosen].cpu())
            found[f"fitted_{name}"] = float(right.double().mean())
    return found


def accuracies(
    outputs: Mapping[str, Float[Tensor, "n *networks k"]], labels: Int[Tensor, " n"]
) -> dict[str, Any]:
    """Accuracies by what is shown, and what follows, as ``Halves`` says."""
    classes = functional.one_hot(labels).double()
    by_class = torch.stack(
        [
            (~wrong(each, labels).reshape(len(labels), -1)).double().T @ classes / classes.sum(0)
            for each in outputs.values()
        ],
        1,
    )
    whole, halves = by_class[:, :1], by_class[:, 1:]
    chance = 1 / classes.shape[1]
    covered = (halves > (whole + chance) / 2).double()
    right = halves[:, 1] > halves[:, 0]
    found = {
        **dict(zip(outputs, by_class.mean((0, 2)).tolist(), strict=True)),
        "coverage": float(covered.mean()),
        "covered_left": float(covered[:, 0].mean()),
        "covered_right": float(covered[:, 1].mean()),
        "both_halves": float(covered.prod(1).mean()),
        "chose_right": float(right.double().mean()),
        "by_class": by_class,
    }
    if len(right) > 1:
        found["same"] = float((right == right[0]).all(0).double().mean())
    return found
