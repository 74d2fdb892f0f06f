"""Curves: errors of networks along their training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier
from multiview.bench.patches import PatchSetting
from multiview.bench.setting import Setting
from multiview.measures.patches import PatchMeasure


@dataclass(frozen=True, kw_only=True)
class Curves(PatchMeasure):
    """Errors of networks at the tests along their training, as ``Curve`` of the setting asks for.

    ``curve_time``, the time along the flow, and ``curve_single`` and ``curve_multi``, errors on the
    two kinds of samples, all means over the networks, a number a test; ``within``, the fraction of
    the training's time, as gradient descent at one learning rate takes its steps, in which the
    error on single-view samples is at most ``limit``, the mean over the networks. It rises with the
    number of steps, of which the last ones change least. Methods that were not tested have none.

    Attributes:
        limit: Of the error on single-view samples.

    Raises:
        ValueError: If ``limit`` is negative or not finite.
    """

    limit: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "limit", checks.not_negative("limit", self.limit))

    def check(self, setting: Setting) -> None:
        """Refuse a setting that does not test networks along their training.

        Raises:
            ValueError: If the setting tests none, or is not one of synthetic patches.
        """
        super().check(setting)
        assert isinstance(setting, PatchSetting)
        if setting.curve is None:
            raise ValueError(
                "Curves measures what networks err along their training, and the setting has "
                "curve=None: give it curve=Curve(...)."
            )

    def of(self, bench: Bench, trained: Mapping[str, Classifier]) -> dict[str, dict[str, Any]]:
        """What the tests found of each method."""
        row: dict[str, dict[str, Any]] = {}
        for name, each in trained.items():
            if each.curve:
                time, single = each.curve["time"], each.curve["single"]
                row[name] = {
                    "curve_time": time.mean(1),
                    "curve_single": single.mean(1),
                    "curve_multi": each.curve["multi"].mean(1),
                    "within": float(within(time, single, self.limit).mean()),
                }
        return row


def within(
    time: Float[Tensor, "tests networks"], error: Float[Tensor, "tests networks"], limit: float
) -> Float[Tensor, " networks"]:
    """The fraction of each network's time in which its error is at most ``limit``.

    Between two tests the error counts as the larger of both; a training that took no time has 1
    where it ended within the limit.
    """
    spans = time.diff(dim=0)
    right = (torch.maximum(error[:-1], error[1:]) <= limit) * spans
    total = time[-1] - time[0]
    ended = (error[-1] <= limit).to(total)
    return torch.where(total > 0, right.sum(0) / total.clamp(min=1e-300), ended)
