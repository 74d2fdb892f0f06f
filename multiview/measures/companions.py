"""What other measures find of companions, such as the boosters of rockets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Measure
from multiview.bench.setting import Setting


@dataclass(frozen=True, kw_only=True)
class Companions(Measure):
    """Other measures of what was trained beside a method, under names that begin with ``prefix``.

    Methods without a companion have none of them.
    """

    measures: tuple[Measure, ...]
    prefix: str = "booster_"

    def check(self, setting: Setting) -> None:
        """Refuse what a measure refuses."""
        for each in self.measures:
            each.check(setting)

    def of(
        self, bench: Bench, trained: Mapping[str, Classifier]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Measures of the companion of each method that has one."""
        companions = {
            name: each.companion for name, each in trained.items() if each.companion is not None
        }
        row: dict[str, dict[str, Any]] = {name: {} for name in companions}
        for measure in self.measures:
            for name, found in measure.of(bench, companions).items():
                row[name] |= {self.prefix + key: value for key, value in found.items()}
        return row
