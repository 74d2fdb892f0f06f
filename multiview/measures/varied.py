"""Settings of methods as columns of the table, by which claims, tables and figures select them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Measure


@dataclass(frozen=True, kw_only=True)
class Varied(Measure):
    """Where methods stand on the axes along which a comparison varies a setting; known beforehand.

    Attributes:
        values: By method: by axis, its value.
    """

    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def of(
        self, bench: Bench, trained: Mapping[str, Classifier]
    ) -> Mapping[str, Mapping[str, Any]]:
        """The values of the methods that were trained."""
        return {name: places for name, places in self.values.items() if name in trained}
