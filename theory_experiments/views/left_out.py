"""ClassLeftOut: what students that never met a class know of it, before and after a shift."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from multiview.bench import Bench, Classifier
from multiview.bench.patches import PatchBench
from multiview.data import PatchBatch, sample_patches
from multiview.data.provenance import Kind
from multiview.distill import best_shift, shifted
from multiview.measures.patches import PatchMeasure, patch_bench
from multiview.probes import coverage_of, coverage_probes
from multiview.probes.coverage import COVERED
from multiview.train.metrics import wrong

Measured = dict[str, dict[str, float]]  # of the class left out, and of the others


@dataclass(frozen=True, kw_only=True)
class ClassLeftOut(PatchMeasure):
    """Means over students each of which never met a class, before and after one shift of its logit.

    Under the name "omitted_<name>" of the class left out, under "others_<name>" of all others:
    ``shifted``, the error on test samples after the ``shift`` that was best on validation samples;
    ``coverage`` then; and ``answered``, the fraction of ``answered_views``. Of the class left out
    also ``error``, before the shift, and ``single``, on its single-view samples after it.

    Attributes:
        students: Names of the methods, by the class that each never met.
        num_validation, num_test: Numbers of samples.
    """

    name: str
    students: tuple[tuple[int, str], ...]
    num_validation: int
    num_test: int
    probes_per_view: int

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> Measured:
        """The means over the classes left out."""
        here = patch_bench(bench)
        drawn = self._drawn(here)
        found = []
        for omitted, name in self.students:
            outputs = {
                use: bench.outputs(trained[name].logits, batch.patches)
                for use, batch in drawn.items()
            }
            found.append(after_shift(omitted, drawn, outputs))
        return {
            f"{who}_{self.name}": {
                measure: sum(each[who][measure] for each in found) / len(found)
                for measure in measures
            }
            for who, measures in found[0].items()
        }

    def _drawn(self, bench: PatchBench) -> dict[str, PatchBatch]:
        """Validation, test and single-view samples, and probes."""
        spec, features = bench.setting.spec, bench.features
        uses: dict[str, tuple[int, Kind]] = {
            "validation": (self.num_validation, "mixed"),
            "test": (self.num_test, "mixed"),
            "single": (self.num_test, "single"),
        }
        drawn = {
            use: sample_patches(spec, features, number, bench.stream("omitted", use), kind)
            for use, (number, kind) in uses.items()
        }
        probes = coverage_probes(spec, features, bench.stream("probes"), self.probes_per_view)
        return drawn | {"probes": probes}


def after_shift(
    omitted: int, drawn: Mapping[str, PatchBatch], outputs: Mapping[str, Float[Tensor, "n k"]]
) -> Measured:
    """A student that never met the class ``omitted``, before and after one shift of its logit.

    Args:
        drawn: Samples for "validation" and "test", "single"-view samples, and "probes".
        outputs: The student's logits of each.
    """
    labels = {use: batch.labels for use, batch in drawn.items()}
    shift = best_shift(outputs["validation"], labels["validation"], [omitted])

    def mistakes(use: str) -> Tensor:
        return wrong(shifted(outputs[use], [omitted], shift), labels[use]).double()

    missing, single = labels["test"] == omitted, labels["single"] == omitted
    probes, on_probes = drawn["probes"], outputs["probes"]
    covered = coverage_of(shifted(on_probes, [omitted], shift), probes).covered.double().mean(-1)
    answered = answered_views(on_probes, probes).mean(-1)
    others = torch.arange(len(answered)) != omitted
    before = wrong(outputs["test"], labels["test"])
    return {
        "omitted": {
            "error": float(before[missing].double().mean()),
            "shift": shift,
            "shifted": float(mistakes("test")[missing].mean()),
            "single": float(mistakes("single")[single].mean()),
            "coverage": float(covered[omitted]),
            "answered": float(answered[omitted]),
        },
        "others": {
            "shifted": float(mistakes("test")[~missing].mean()),
            "coverage": float(covered[others].mean()),
            "answered": float(answered[others].mean()),
        },
    }


def answered_views(logits: Float[Tensor, "n k"], probes: PatchBatch) -> Float[Tensor, "k L"]:
    """1 for the views that the logit of their class answers to, whatever the other logits do.

    It does if it is larger on a probe of the view than on one of another class at least 90% of the
    time. Coverage cannot tell that of a class whose bias was shifted: where every other class is
    recognised, what is none of them may be called that class without having been learned.
    """
    k, L = probes.strength.shape[1:]
    answered = torch.zeros(k, L, dtype=torch.float64)
    for j in range(k):
        rest = logits[probes.labels != j, j]
        for v in range(L):
            own = logits[(probes.labels == j) & (probes.lone_view == v), j]
            answered[j, v] = (own.unsqueeze(1) > rest).double().mean() >= COVERED
    return answered
