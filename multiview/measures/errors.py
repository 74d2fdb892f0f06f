"""What is measured of classifiers on test samples that are not patches: errors, and agreement."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from multiview.bench.bench import Bench, Setting
from multiview.bench.method import Classifier, Logits, Measure
from multiview.bench.modules import ModuleBench, ModuleSetting
from multiview.ensemble import mean_logits
from multiview.probes import agreement
from multiview.train.metrics import wrong

Row = dict[str, dict[str, Any]]


class SampleMeasure(Measure):
    """A measure on the samples of a ``ModuleBench``."""

    def check(self, setting: Setting) -> None:
        """Refuse synthetic patches, which are drawn anew for each test."""
        if not isinstance(setting, ModuleSetting):
            raise ValueError(
                f"{type(self).__name__} needs test samples, and {type(setting).__name__} holds "
                "none: use the measures of patches."
            )


@dataclass(frozen=True, kw_only=True)
class Errors(SampleMeasure):
    """Errors on the test samples: ``error`` after training.

    Of several networks the mean, and ``each``, a list of theirs.

    Attributes:
        best: Whether also in the states that were best on validation samples, where a method keeps
            them: ``error_best`` and ``each_best``.
        train: Whether also on the training samples as they are: ``train``.
        validation: Whether also on the samples that are held out to choose on: ``validation``.
    """

    best: bool = False
    train: bool = False
    validation: bool = False

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """By method."""
        return {name: self._errors(module_bench(bench), each) for name, each in trained.items()}

    def _errors(self, bench: ModuleBench, classifier: Classifier) -> dict[str, Any]:
        found = mean_and_each("", on_test(bench, classifier.logits))
        if self.best and classifier.best is not None:
            found |= mean_and_each("_best", on_test(bench, classifier.best))
        samples = bench.samples
        for name, wanted, inputs, labels in (
            ("train", self.train, samples.train, samples.train_labels),
            ("validation", self.validation, samples.validation, samples.validation_labels),
        ):
            if wanted:
                outputs = bench.outputs(classifier.logits, inputs)
                found[name] = float(errors(outputs, labels.cpu()).mean())
        return found


@dataclass(frozen=True, kw_only=True)
class ErrorsBySize(SampleMeasure):
    """Test errors of the mean logits of 1, 2, ... all networks: means over all choices of as many.

    ``error`` and ``size`` of the single networks, of "<ensemble>_2" and so on, and of all together.

    Attributes:
        of_networks: Name of a method that leaves several networks.
        ensemble: Name of the method that averages all of them.
    """

    of_networks: str = "member"
    ensemble: str = "ensemble"

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """By method, one for each size."""
        here = module_bench(bench)
        outputs = here.outputs(trained[self.of_networks].logits, here.samples.test)
        labels = here.samples.test_labels.cpu()
        K, row = outputs.shape[1], {}
        for size in range(1, K + 1):
            choices = [
                float(errors(mean_logits(outputs[:, list(each)]), labels))
                for each in itertools.combinations(range(K), size)
            ]
            name = {1: self.of_networks, K: self.ensemble}.get(size, f"{self.ensemble}_{size}")
            row[name] = {"size": size, "error": sum(choices) / len(choices)}
        return row


@dataclass(frozen=True, kw_only=True)
class Pairs(SampleMeasure):
    """How pairs of networks agree in their mistakes, as ``agreement``, under the name "pairs".

    Attributes:
        of_networks: Name of a method that leaves several networks.
    """

    of_networks: str = "member"

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """The means over pairs, on the test samples."""
        here = module_bench(bench)
        outputs = here.outputs(trained[self.of_networks].logits, here.samples.test)
        return {"pairs": vars(agreement(outputs, here.samples.test_labels.cpu()))}


def module_bench(bench: Bench) -> ModuleBench:
    """The bench as one that holds test samples.

    Raises:
        TypeError: If it is another.
    """
    if not isinstance(bench, ModuleBench):
        raise TypeError(f"a {type(bench).__name__} holds no test samples: use a ModuleBench.")
    return bench


def errors(
    outputs: Float[Tensor, "n *networks k"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "*networks"]:
    """The fraction of the samples that each network has wrong; ties count as wrong."""
    return wrong(outputs, labels).double().mean(0)


def on_test(bench: ModuleBench, logits: Logits) -> Float[Tensor, "*networks"]:
    """Errors on the test samples."""
    return errors(bench.outputs(logits, bench.samples.test), bench.samples.test_labels.cpu())


def mean_and_each(ending: str, found: Float[Tensor, "*networks"]) -> dict[str, Any]:
    """The mean error, and a list of all where there are several networks."""
    if not found.dim():
        return {f"error{ending}": float(found)}
    each = found.tolist()
    return {f"error{ending}": sum(each) / len(each), f"each{ending}": each}


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
