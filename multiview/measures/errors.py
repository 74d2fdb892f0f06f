"""Errors of classifiers on test samples and on the training samples, in any setting with both."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Logits, Measure
from multiview.bench.module_setting import ModuleSetting
from multiview.bench.modules import ModuleBench
from multiview.bench.setting import Setting
from multiview.ensemble import mean_logits
from multiview.probes import agreement
from multiview.train.metrics import wrong

Row = dict[str, dict[str, Any]]


class TestMeasure(Measure):
    """A measure on the test samples of one kind that a setting holds."""

    __test__ = False  # no test case of pytest

    def check(self, setting: Setting) -> None:
        """Refuse synthetic patches, whose samples are of two kinds.

        Raises:
            ValueError: If the setting is one of synthetic patches.
        """
        if not isinstance(setting, ModuleSetting):
            raise ValueError(
                f"{type(self).__name__} is of test samples of one kind, and synthetic patches have "
                "two: use PatchErrors."
            )


@dataclass(frozen=True, kw_only=True)
class TestErrors(TestMeasure):
    """``error`` on the test samples and ``train`` on the training samples, ties being errors.

    ``best`` is the error on the test samples of the networks as they were when best on the
    validation samples, where there are such. Of several networks all are means, and ``each`` and
    ``best_each`` are lists of errors on the test samples.

    Attributes:
        methods: Names of those that are measured; None: all.
        train: Whether also on the training samples; or the names of the methods of which it is.
        validation: Whether also on the validation samples, on which settings are chosen.
    """

    methods: tuple[str, ...] | None = None
    train: bool | tuple[str, ...] = True
    validation: bool = False

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Errors of each method, on the test samples."""
        here, row = module_bench(bench), {}
        for name in trained if self.methods is None else self.methods:
            classifier = trained[name]
            each = on_test(here, classifier.logits)
            row[name] = {"error": mean(each)} | ({"each": each.tolist()} if each.dim() else {})
            samples = here.samples
            fitted = self.train if isinstance(self.train, bool) else name in self.train
            for part, wanted, inputs, labels in (
                ("train", fitted, samples.train, samples.train_labels),
                ("validation", self.validation, samples.validation, samples.validation_labels),
            ):
                if wanted:
                    outputs = here.outputs(classifier.logits, inputs)
                    row[name][part] = mean(errors(outputs, labels.cpu()))
            if classifier.best is not None:
                best = on_test(here, classifier.best)
                row[name]["best"] = mean(best)
                row[name] |= {"best_each": best.tolist()} if best.dim() else {}
        return row


@dataclass(frozen=True, kw_only=True)
class ErrorsBySize(TestMeasure):
    """Test errors of the mean logits of 1, 2, ... all networks: means over all choices of as many.

    ``error`` and ``size`` of the single networks, of "<ensemble>_2" and so on, and of all together.

    Attributes:
        of_networks: Name of a method that leaves several networks.
        ensemble: Name of the method that averages all of them.
    """

    of_networks: str = "member"
    ensemble: str = "ensemble"

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Errors by method and size: a method of its own for each."""
        here = module_bench(bench)
        outputs = here.outputs(trained[self.of_networks].logits, here.samples.test)
        labels, networks = here.samples.test_labels.cpu(), range(outputs.shape[1])
        row: Row = {}
        for size in range(1, len(networks) + 1):
            choices = itertools.combinations(networks, size)
            found = [mean(errors(mean_logits(outputs[:, list(each)]), labels)) for each in choices]
            known = {1: self.of_networks, len(networks): self.ensemble}
            name = known.get(size, f"{self.ensemble}_{size}")
            row[name] = {"size": size, "error": sum(found) / len(found)}
        return row


@dataclass(frozen=True, kw_only=True)
class Pairs(TestMeasure):
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
    logits: Float[Tensor, "n *networks k"], labels: Int[Tensor, " n"]
) -> Float[Tensor, "*networks"]:
    """The fraction of samples that each network gets wrong."""
    return wrong(logits, labels).double().mean(0)


def on_test(bench: ModuleBench, logits: Logits) -> Float[Tensor, "*networks"]:
    """Errors on the test samples of a bench."""
    return errors(bench.outputs(logits, bench.samples.test), bench.samples.test_labels.cpu())


def mean(errors: Float[Tensor, "*networks"]) -> float:
    """The mean over several networks; the error of a single one."""
    each = errors.flatten().tolist()
    return sum(each) / len(each)
