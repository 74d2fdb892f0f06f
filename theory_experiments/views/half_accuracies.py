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

    ``both``, ``left`` and ``right`` are accuracies, means over networks. A class is known so far as
    samples of it are called by its name more often than those of others, which are called so too
    by a network that knows them not: the difference of the two rates (Youden's index). A half of a
    class is covered if samples that show it alone are known more than half as well as networks
    know the class's whole samples, on average over those of ``of_networks``. ``coverage`` is c,
    the fraction of halves of classes covered; ``covered_left`` and ``covered_right`` are those of
    each half, ``both_halves`` that of classes of which both are; ``chose_right``, the fraction of
    classes better known by the right half than by the left. Of several networks these are means,
    and ``same`` is the fraction of classes in which all are better with the same half;
    ``gain_left`` and so on, how
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
        whole = here.outputs(trained[self.of_networks].logits, shown["both"])
        enough = known(whole, labels).mean(0) / 2
        for method, each in trained.items():
            outputs = {name: here.outputs(each.logits, seen) for name, seen in shown.items()}
            row[method] = accuracies(outputs, labels, enough) | fitted(here, each)
            if method == self.of_networks:
                means = {name: mean_logits(logits) for name, logits in outputs.items()}
                row[self.ensemble] = accuracies(means, labels, enough)
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


def known(
    outputs: Float[Tensor, "n *networks k"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "networks k"]:
    """By network and class, how much more often its samples are called so than those of others."""
    classes = functional.one_hot(labels).double()
    called = functional.one_hot(outputs.argmax(-1), outputs.shape[-1]).double()
    called = called.reshape(len(labels), -1, outputs.shape[-1])
    own, all_of = torch.einsum("nmk,nk->mk", called, classes), called.sum(0)
    number = classes.sum(0)
    return own / number - (all_of - own) / (len(labels) - number)


def accuracies(
    outputs: Mapping[str, Float[Tensor, "n *networks k"]],
    labels: Int[Tensor, " n"],
    enough: Float[Tensor, " k"],
) -> dict[str, Any]:
    """Accuracies by what is shown, and what follows, as ``Halves`` says.

    Args:
        enough: How well a class has to be known by a half that is covered.
    """
    classes = functional.one_hot(labels).double()
    by_class = torch.stack(
        [
            (~wrong(each, labels).reshape(len(labels), -1)).double().T @ classes / classes.sum(0)
            for each in outputs.values()
        ],
        1,
    )
    alone = torch.stack([known(outputs[name], labels) for name in (LEFT, RIGHT)], 1)
    covered = (alone > enough).double()
    right = alone[:, 1] > alone[:, 0]
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
