"""What ``cost_of_parts`` would print, caught as a number."""

from typing import Any

import pytest

from multiview.data.images import ImageData
from theory_experiments import _parts


def record_cost(monkeypatch: pytest.MonkeyPatch, images: ImageData) -> dict[str, float]:
    """Let all cells have these images; ``flop`` of the last cost asked for stands in the result."""
    said: dict[str, float] = {}

    def note(flop: float, *rest: Any) -> str:
        said["flop"] = flop
        return str(rest)

    monkeypatch.setattr(_parts, "images_of", lambda cell, context: images)
    monkeypatch.setattr(_parts, "check_images_present", lambda cells, context: cells)
    monkeypatch.setattr(_parts, "time_and_memory", note)
    return said
