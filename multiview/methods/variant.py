"""Variant: another method by other networks or on other samples than all training samples."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int
from torch import Tensor

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.nets import NetSpec
from multiview.bench.patches import PatchBench, PatchSetting
from multiview.bench.setting import Setting
from multiview.data import sample_patches
from multiview.methods.averaging import Labels
from multiview.train.metrics import wrong


@dataclass(frozen=True, kw_only=True)
class TransferSet:
    """The training samples that a student meets (Hinton, Vinyals & Dean, arXiv 1503.02531).

    Attributes:
        classes: Those that it meets; None: all.
        without: Classes that it never meets.
        share: Fraction of the samples, equally many of each class, the first ones, at least one.
        per_class: Number of samples of each class, the first ones; None: as ``share`` says.

    Raises:
        ValueError: If no sample could be left.
    """

    classes: tuple[int, ...] | None = None
    without: tuple[int, ...] = ()
    share: float = 1.0
    per_class: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"share={self.share} is a fraction of samples: use (0, 1].")
        if self.per_class is not None and self.per_class < 1:
            raise ValueError(f"per_class={self.per_class} counts samples: use at least 1.")
        if self.classes is not None and not set(self.classes) - set(self.without):
            raise ValueError(
                f"classes={self.classes} are all in without={self.without}: leave one to be met."
            )

    def rows(self, labels: Int[Tensor, " n"]) -> Int[Tensor, " m"]:
        """Indices of the samples that are met, among all.

        Raises:
            ValueError: If there is none.
        """
        labels = labels.cpu()
        met = torch.ones_like(labels, dtype=torch.bool)
        if self.classes is not None:
            met &= torch.isin(labels, torch.tensor(self.classes))
        met &= ~torch.isin(labels, torch.tensor(self.without, dtype=labels.dtype))
        if not met.any():
            raise ValueError(
                f"classes={self.classes} without={self.without} leave no training sample, whose "
                f"classes are 0 to {int(labels.max())}: name others."
            )
        if self.share == 1 and self.per_class is None:
            return met.nonzero()[:, 0]
        number = self.per_class
        if number is None:
            number = max(1, round(self.share * len(labels) / (int(labels.max()) + 1)))
        each = [(met & (labels == j)).nonzero()[:number, 0] for j in labels.unique()]
        return torch.cat(each)


@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """As many training samples as there are, drawn with replacement.

    Networks of draws of their own are what bagging averages (Breiman, Machine Learning 24, 1996).

    Attributes:
        draw: Number of the draw; another number gives other samples.

    Raises:
        ValueError: If ``draw`` is no integer >= 0.
    """

    draw: int

    def __post_init__(self) -> None:
        checks.count("draw", self.draw, 0, meaning="is the number of a draw")

    def rows(self, labels: Int[Tensor, " n"], generator: torch.Generator) -> Int[Tensor, " n"]:
        """Indices of the samples that are met, as often as each was drawn, in their order."""
        return torch.randint(len(labels), (len(labels),), generator=generator).sort().values


@dataclass(frozen=True, kw_only=True)
class Variant(Method):
    """Another method by other networks, or on some of the training samples alone.

    What that method builds on, such as its teacher, is trained as ever. Its error on the samples
    it met is noted as ``transfer_error`` where they are not all.

    Attributes:
        of: The method.
        net: Kind of its networks; None: as the setting has them.
        samples: Those that it meets, for about as many steps; None: all.
    """

    of: Method
    net: NetSpec | None = None
    samples: TransferSet | Bootstrap | None = None

    def needs(self) -> Iterator[Method]:
        """What the other method builds on."""
        return self.of.needs()

    def networks(self, setting: Setting) -> int | None:
        """As many as the other method leaves."""
        return self.of.networks(setting)

    def check(self, setting: Setting) -> None:
        """Refuse networks that the setting cannot have, and what the other method refuses.

        Raises:
            ValueError: If the setting cannot have them, or the other method refuses it.
        """
        self.of.check(setting if self.net is None else setting.with_net(self.net))

    def beside(self, other: Method) -> bool:
        """Methods that may be trained in one go may so where both are varied alike."""
        if not isinstance(other, Variant) or replace(other, of=self.of) != self:
            return False
        return self.of.beside(other.of)

    def train(self, bench: Bench) -> Classifier:
        """The classifier of the other method."""
        (trained,) = self.train_together(bench, [self])
        return trained

    @classmethod
    def trainings(cls, setting: Setting, methods: Sequence[Method]) -> int:
        """As many as of the other methods."""
        inner = [each.of for each in methods if isinstance(each, Variant)]
        return type(inner[0]).trainings(setting, inner)

    @classmethod
    def train_together(cls, bench: Bench, methods: Sequence[Method]) -> list[Classifier]:
        """Train methods that are varied alike."""
        varied = [each for each in methods if isinstance(each, Variant)]
        first, part = varied[0], bench
        if first.net is not None:
            part = part.with_net(first.net)
        if first.samples is not None:
            part = part.with_samples(_rows(bench, first.samples))
        kind, inner = type(first.of), [each.of for each in varied]
        found = kind.train_together(part, inner) if inner[1:] else [first.of.train(part)]
        return found if first.samples is None else [_noted(part, each) for each in found]


def _rows(bench: Bench, samples: TransferSet | Bootstrap) -> Int[Tensor, " m"]:
    """Indices of the training samples that are met."""
    if isinstance(samples, Bootstrap):
        return samples.rows(bench.labels, bench.stream("bootstrap", samples.draw))
    return samples.rows(bench.labels)


@dataclass(frozen=True, kw_only=True)
class OnOwnSamples(Method):
    """A network on labels, with training samples of synthetic patches that no other network has.

    Attributes:
        draw: Number of the samples and of the initial weights.
    """

    draw: int

    def networks(self, setting: Setting) -> int:
        """One network."""
        return 0

    def check(self, setting: Setting) -> None:
        """Refuse samples of which there are no others.

        Raises:
            ValueError: If the setting is not one of synthetic patches.
        """
        if not isinstance(setting, PatchSetting):
            raise ValueError(
                f"OnOwnSamples draws synthetic patches, and a {type(setting).__name__} has none: "
                "use Bootstrap."
            )

    def train(self, bench: Bench) -> Classifier:
        """Draw the samples and train the network."""
        assert isinstance(bench, PatchBench)
        drawn = bench.stream("own samples", self.draw)
        spec, number = bench.setting.spec, bench.setting.num_train
        batch = sample_patches(spec, bench.features, number, drawn)
        part = bench.on(batch.patches, batch.labels)
        return Labels(start=f"own samples {self.draw}", course="labels").train(part)


def _noted(part: Bench, found: Classifier) -> Classifier:
    """The classifier, with its error on the samples it met."""
    met = wrong(part.outputs(found.logits, part.inputs), part.labels.cpu()).double().mean()
    return replace(found, notes={**found.notes, "transfer_error": float(met)})
