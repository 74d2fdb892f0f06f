"""Sets of classes that specialists tell apart: those a generalist confuses, and random ones."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import get_args

import torch

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.module_setting import ModuleSetting
from multiview.bench.modules import ModuleBench
from multiview.bench.setting import Setting
from multiview.distill.confusable import Columns, confusable_sets, groups_of, sets_of
from multiview.methods.averaging import Member

Sets = list[list[int]]


class ClassSets(ABC):
    """Which classes belong together: a frozen dataclass."""

    @abstractmethod
    def of(self, bench: Bench, generalist: Member) -> Sets:
        """Every class in one of the sets.

        Args:
            generalist: It is trained already.
        """

    def check(self, setting: Setting) -> None:
        """Refuse a setting that has no such sets.

        Raises:
            ValueError: If it has none.
        """


@dataclass(frozen=True, kw_only=True)
class RandomSets(ClassSets):
    """As many sets of equal size as ``number``, drawn anew for each generalist.

    Raises:
        ValueError: If ``number`` is no integer >= 1.
    """

    number: int

    def __post_init__(self) -> None:
        checks.count("number", self.number, meaning="counts sets of classes")

    def of(self, bench: Bench, generalist: Member) -> Sets:
        """The sets; no prediction is asked for."""
        order = torch.randperm(bench.num_classes, generator=bench.stream("sets", generalist.index))
        return [sorted(part.tolist()) for part in order.tensor_split(self.number)]


@dataclass(frozen=True, kw_only=True)
class ConfusableSets(ClassSets):
    """K-means of a generalist's predictions on the validation samples, as ``confusable_sets``.

    Attributes:
        number: Of clusters, and so the most sets there can be.

    Raises:
        ValueError: If ``number`` is no integer >= 1, or there are no such ``columns``.
    """

    number: int
    columns: Columns = "correlation"

    def __post_init__(self) -> None:
        checks.count("number", self.number, meaning="counts clusters of classes")
        checks.choice("columns", self.columns, get_args(Columns))

    def of(self, bench: Bench, generalist: Member) -> Sets:
        """The sets, by the columns that stand in ``columns``."""
        assert isinstance(bench, ModuleBench)
        logits = bench.outputs(bench.trained(generalist).logits, bench.samples.validation)
        drawn = bench.stream("sets", self.columns)
        return confusable_sets(logits.softmax(1), self.number, drawn, columns=self.columns)

    def check(self, setting: Setting) -> None:
        """Refuse synthetic patches, whose classes are all alike, and have no validation samples.

        Raises:
            ValueError: If the setting is one of synthetic patches.
        """
        if not isinstance(setting, ModuleSetting):
            raise ValueError(
                "classes of synthetic patches are confused with no class rather than another: use "
                "RandomSets."
            )


@dataclass(frozen=True, kw_only=True)
class ShuffledSets(ClassSets):
    """Random sets as large as others: their classes change places."""

    like: ClassSets

    def of(self, bench: Bench, generalist: Member) -> Sets:
        """The sets, drawn once for all generalists."""
        k = bench.num_classes
        group = torch.tensor(groups_of(self.like.of(bench, generalist), k))
        drawn = torch.randperm(k, generator=bench.stream("random sets"))
        return sets_of(group[drawn].tolist())

    def check(self, setting: Setting) -> None:
        """Refuse what the others refuse.

        Raises:
            ValueError: If they refuse the setting.
        """
        self.like.check(setting)
