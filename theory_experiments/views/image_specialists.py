"""Specialists on images: superclasses, a generalist trained on, and what is measured."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview.bench import Bench, Classifier, Method
from multiview.bench.images import ImageSetting
from multiview.bench.modules import ModuleBench
from multiview.data.superclasses import superclasses_of
from multiview.distill.combination import Specialist, combine
from multiview.distill.confusable import Columns, adjusted_rand, groups_of, sets_of
from multiview.distill.specialists import specialist_labels
from multiview.measures.errors import TestMeasure, errors, module_bench, on_test
from multiview.methods import ClassSets, ConfusableSets, Member, Specialists
from multiview.methods.specialists import Combined
from multiview.train import fit

PART = "cifar100"
NULL_DRAWS = 1000  # random partitions that an agreement is compared with


@dataclass(frozen=True, kw_only=True)
class Superclasses(ClassSets):
    """The superclasses of CIFAR-100; of made-up images neighbours stand in for them."""

    def of(self, bench: Bench, generalist: Member) -> list[list[int]]:
        """Sets that follow from the classes' names."""
        return sets_of(superclass_of_each(bench))


def superclass_of_each(bench: Bench) -> list[int]:
    """The superclass of each class, by number."""
    assert isinstance(bench, ModuleBench)
    setting = bench.setting
    assert isinstance(setting, ImageSetting)
    if setting.data != "cifar100":
        return [label // 2 for label in range(bench.num_classes)]
    return list(superclasses_of(setting.images(bench.seed, bench.context).class_names))


@dataclass(frozen=True, kw_only=True)
class TrainedOn(Method):
    """The generalist trained on for about as many images as its specialists see together.

    To whole epochs, at least 1, which it notes. In each of its epochs a specialist sees the images
    of its classes and as many others, or all.
    """

    like: Specialists

    def train(self, bench: Bench) -> Classifier:
        """A copy of the generalist after the further epochs."""
        labels = bench.labels.cpu()
        own = [_among(labels, classes).sum().item() for classes in self.like.chosen(bench)]
        seen = sum(min(2 * each, len(labels)) for each in own)
        settings = bench.training()
        epochs = max(1, round(settings["spec"].epochs * seen / len(labels)))
        settings["spec"] = replace(settings["spec"], epochs=epochs)
        net = copy.deepcopy(bench.trained(self.like.of).net)
        assert net is not None
        fit(net, bench.inputs, bench.loss(None), **settings)
        return Classifier(logits=bench.frozen(net), net=net, notes={"epochs": epochs})


@dataclass(frozen=True, kw_only=True)
class SpecialistErrors(TestMeasure):
    """``error`` on test samples, and of specialists by whether one of them covers the class.

    Of a generalist with specialists ``conditional``, the error within the right specialist's
    classes when only these are allowed, beside ``conditional_generalist``. Of ``covering`` and the
    generalist ``error_outside`` and ``error_inside``, on test images of the classes that no
    specialist covers and of the others, NaN without such classes; and of "data" their shares of the
    images, ``share_outside`` and ``share_inside``.

    Attributes:
        generalist, covering: Names of methods.
    """

    generalist: str = "generalist"
    covering: str = "tuned"

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Measures of each method, on the test images."""
        here = module_bench(bench)
        test, labels = here.samples.test, here.samples.test_labels.cpu()
        z = here.outputs(trained[self.generalist].logits, test)
        row = {
            name: {"error": float(on_test(here, one.logits).mean())}
            for name, one in trained.items()
        }
        row["data"] = {}
        for name, classifier in trained.items():
            if not isinstance(combined := classifier.logits, Combined):
                continue
            answers = combined.answers.each(lambda ask: here.outputs(ask, test))
            row[name] |= conditional(z, answers, labels)
            if name == self.covering:
                together = combine(z, answers, combined.top)
                sets = [classes for classes, _ in answers]
                for group, own in by_covering(labels, sets).items():
                    row["data"][f"share_{group}"] = float(own.double().mean())
                    row[self.generalist][f"error_{group}"] = float(errors(z[own], labels[own]))
                    row[name][f"error_{group}"] = float(errors(together[own], labels[own]))
        return row


def conditional(
    generalist: Float[Tensor, "t k"], answers: Sequence[Specialist], labels: Int[Tensor, " t"]
) -> dict[str, float]:
    """Errors on the images of each specialist's classes, when only these classes are allowed."""
    wrong, before, count = 0.0, 0.0, 0
    k = generalist.shape[1]
    for classes, logits in answers:
        own = _among(labels, classes)
        targets = specialist_labels(labels[own], classes, k)
        # Consulted by all of them: it may be that the generalist would not have done so.
        together = combine(generalist[own], [(classes, logits[own])], top=k)
        number = int(own.sum())
        wrong += number * float(errors(together[:, classes], targets))
        before += number * float(errors(generalist[own][:, classes], targets))
        count += number
    sums = {"conditional": wrong, "conditional_generalist": before}
    return {name: value / count if count else float("nan") for name, value in sums.items()}


def by_covering(
    labels: Int[Tensor, " t"], sets: Sequence[Sequence[int]]
) -> dict[str, Bool[Tensor, " t"]]:
    """The images of the classes that no specialist covers, and of those that one does."""
    inside = _among(labels, [each for classes in sets for each in classes])
    return {"outside": ~inside, "inside": inside}


def _among(labels: Int[Tensor, " n"], classes: Sequence[int]) -> Bool[Tensor, " n"]:
    """Which labels are of these classes."""
    return torch.isin(labels, torch.tensor(classes, dtype=labels.dtype))


@dataclass(frozen=True, kw_only=True)
class Agreement(TestMeasure):
    """How the sets that a generalist confuses agree with superclasses.

    By the columns of K-means ``agreement``, the adjusted Rand index, and ``largest_set``, the most
    classes in one; ``null_low`` and ``null_high`` of "data", the central 95% of the index when
    classes change places at random.

    Attributes:
        of_member: The generalist.
        sets: Of those columns whose places are changed.
    """

    of_member: Member = field(default_factory=Member)
    sets: ConfusableSets

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Measures of each choice of columns, as if it were a method."""
        k, above = bench.num_classes, superclass_of_each(bench)
        row: dict[str, dict[str, Any]] = {}
        for columns in get_args(Columns):
            found = replace(self.sets, columns=columns).of(bench, self.of_member)
            row[kmeans_on(columns)] = {
                "agreement": adjusted_rand(groups_of(found, k), above),
                "largest_set": max(map(len, found)),
            }
        group = torch.tensor(groups_of(self.sets.of(bench, self.of_member), k))
        drawn = bench.stream("null")
        draws = [group[torch.randperm(k, generator=drawn)].tolist() for _ in range(NULL_DRAWS)]
        null = torch.tensor([adjusted_rand(each, above) for each in draws])
        low, high = null.quantile(torch.tensor([0.025, 0.975])).tolist()
        return row | {"data": {"null_low": low, "null_high": high}}


def kmeans_on(columns: str) -> str:
    """What K-means on these columns is called among the methods."""
    return f"kmeans_{columns}"
