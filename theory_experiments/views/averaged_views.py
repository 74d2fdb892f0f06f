"""Views that the mean of several networks covers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiview import checks
from multiview.bench import Bench, Classifier
from multiview.measures.averages import Averages
from multiview.measures.patches import PatchMeasure, patch_bench
from multiview.probes import coverage_of, coverage_probes


@dataclass(frozen=True, kw_only=True)
class AveragedViews(PatchMeasure):
    """``coverage`` of each average: the mean over its choices of networks.

    The probes are those of ``Views`` with as many for each view.
    """

    probes_per_view: int
    averages: tuple[Averages, ...]

    def __post_init__(self) -> None:
        checks.count("probes_per_view", self.probes_per_view, meaning="counts probes")

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Coverage by the averages' names."""
        here = patch_bench(bench)
        generator = here.stream("probes")
        probes = coverage_probes(here.setting.spec, here.features, generator, self.probes_per_view)
        row: dict[str, dict[str, Any]] = {}
        for each in self.averages:
            logits = {each.of: here.outputs(trained[each.of].logits, probes.patches)}
            for name, averaged in each.outputs(logits):
                fraction = coverage_of(averaged, probes).fraction
                row[name] = {"coverage": float(fraction.double().mean())}
        return row
