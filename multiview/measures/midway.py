"""Midway: another measure, of networks as they were after half of their steps."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Measure
from multiview.bench.setting import Setting


@dataclass(frozen=True, kw_only=True)
class Midway(Measure):
    """What a measure finds of networks as they were after half of their steps.

    It tells networks that cannot learn more from those that are slow. The values have the names of
    the measure with ``_half`` at the end; methods of which no such networks are kept have none.

    Attributes:
        names: Which values of the measure are kept.
    """

    measure: Measure
    names: tuple[str, ...]

    def check(self, setting: Setting) -> None:
        """Refuse what the measure refuses."""
        self.measure.check(setting)

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """Measures of each method's network after half of its steps."""
        kept = {
            name: replace(each, logits=each.midway)
            for name, each in trained.items()
            if each.midway is not None
        }
        found = self.measure.of(bench, kept)
        return {
            method: {f"{name}_half": values[name] for name in self.names}
            for method, values in found.items()
        }
