"""What is measured of classifiers of synthetic patches: errors, and the views they have learned."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, get_args

import torch
from jaxtyping import Bool
from torch import Tensor

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Measure
from multiview.bench.patches import PatchBench, PatchSetting
from multiview.bench.setting import Setting
from multiview.data import stream_patches
from multiview.data.provenance import Kind
from multiview.measures.averages import Averages
from multiview.probes import coverage_of, coverage_probes, missed_views
from multiview.theory import lost_error, single_view_error
from multiview.train.metrics import wrong

Row = dict[str, dict[str, Any]]


def patch_bench(bench: Bench) -> PatchBench:
    """The bench as one of patches.

    Raises:
        TypeError: If it is another.
    """
    if not isinstance(bench, PatchBench):
        raise TypeError(f"views are known on synthetic patches, not on a {type(bench).__name__}.")
    return bench


class PatchMeasure(Measure):
    """A measure that only synthetic patches allow."""

    def check(self, setting: Setting) -> None:
        """Refuse all but synthetic patches.

        Raises:
            ValueError: If the setting is another.
        """
        if not isinstance(setting, PatchSetting):
            raise ValueError(
                f"{type(self).__name__} measures views, which only synthetic patches name: leave "
                "it out, or use a PatchSetting."
            )


@dataclass(frozen=True, kw_only=True)
class Views(PatchMeasure):
    """Which views each classifier has learned.

    ``coverage``, c, the fraction of views covered; ``margin``, its mean over probes that show one
    view; ``both``, the fraction of classes of which all views are covered; ``views``, the fractions
    of classes of which 0, 1, ..., L are; ``law``, the single-view error that c predicts;
    ``covered``, the views covered, (k, L), or (networks, k, L) of several networks, whose numbers
    are means; ``dominant_view``, the view of each class that is recognised by the larger margin,
    (k,) or (networks, k).

    Attributes:
        averages: Of which each has ``missed``, the fraction of views that none of as many networks
            covers, the mean over all choices of them, and its ``size``.

    Raises:
        ValueError: If ``probes_per_view`` is no integer >= 1.
    """

    probes_per_view: int
    averages: tuple[Averages, ...] = ()

    def __post_init__(self) -> None:
        checks.count("probes_per_view", self.probes_per_view, meaning="counts probes")

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Measures of each method, on samples that show one view of one class."""
        here = patch_bench(bench)
        spec = here.setting.spec
        probes = coverage_probes(spec, here.features, here.stream("probes"), self.probes_per_view)
        row: Row = {}
        for name, logits in _outputs(trained, probes.patches).items():
            found = coverage_of(logits, probes)
            c = float(found.fraction.double().mean())
            row[name] = {
                "coverage": c,
                "margin": float(found.margin.mean((-2, -1)).double().mean()),
                "both": float(found.covered.all(-1).double().mean()),
                "views": views_per_class(found.covered),
                "law": single_view_error(c, lost_error(spec, spec.num_views * c)),
                "covered": found.covered,
                "dominant_view": found.margin.argmax(-1),
            }
        for each in self.averages:
            covered = row[each.of]["covered"]
            for name, size in each.sizes(len(covered)).items():
                row[name] = {"size": size, "missed": missed_views(covered, size)}
        return row


@dataclass(frozen=True, kw_only=True)
class PatchErrors(PatchMeasure):
    """Errors on fresh test samples: ``single`` on single-view ones, ``multi`` on multi-view ones.

    Of several networks the means, and with ``_each`` at the end a list of theirs.

    Attributes:
        num_test: Number of samples of each kind; never held all at once.
        averages: Whose errors are measured too, without ``_each``; each has its ``size``.

    Raises:
        ValueError: If ``num_test`` is no integer >= 1, or ``kinds`` is empty or holds one that
            there is not.
    """

    num_test: int
    kinds: tuple[Kind, ...] = ("single", "multi")
    averages: tuple[Averages, ...] = ()

    def __post_init__(self) -> None:
        checks.count("num_test", self.num_test, meaning="counts samples of each kind")
        if not self.kinds:
            raise ValueError(f"kinds={self.kinds} has no kind of samples: use {get_args(Kind)}.")
        for kind in self.kinds:
            if kind not in get_args(Kind):
                raise ValueError(f"kinds={self.kinds}: {kind!r} is none of {get_args(Kind)}.")

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Row:
        """Errors of each method, on samples that all classifiers share."""
        here = patch_bench(bench)
        row: Row = {name: {} for name in trained}
        for kind in self.kinds:
            mistakes: dict[str, Tensor] = {}
            drawn = here.stream("test", kind)
            spec, features = here.setting.spec, here.features
            for batch in stream_patches(spec, features, self.num_test, drawn, kind):
                outputs = _outputs(trained, batch.patches)
                averaged = chain.from_iterable(each.outputs(outputs) for each in self.averages)
                for name, logits in chain(outputs.items(), averaged):
                    count = wrong(logits, batch.labels).sum(0)
                    mistakes[name] = mistakes.get(name, torch.zeros(())) + count
            for name, count in mistakes.items():
                error = count.double() / self.num_test
                row.setdefault(name, {})[kind] = float(error.mean())
                if error.dim() and name in trained:
                    row[name][f"{kind}_each"] = error.tolist()
        for each in self.averages:
            for name, size in each.sizes(len(row[each.of][f"{self.kinds[0]}_each"])).items():
                row[name]["size"] = size
        return row


def _outputs(trained: Mapping[str, Classifier], patches: Tensor) -> dict[str, Tensor]:
    """Every classifier's logits: all on one batch before the next, which kernels need but once."""
    with torch.no_grad():
        return {name: each.logits(patches) for name, each in trained.items()}


def views_per_class(covered: Bool[Tensor, "*networks k L"]) -> list[float]:
    """Fractions of the classes of which 0, 1, ..., L views are covered."""
    each = covered.sum(-1).flatten()
    return (each.bincount(minlength=covered.shape[-1] + 1).double() / len(each)).tolist()
