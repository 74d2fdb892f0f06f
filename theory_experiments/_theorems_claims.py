"""Theorems 1-4 and their corrected closed forms as claims, and how rows answer."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from theory_experiments._estimates import (
    Estimate,
    beyond_the_law,
    column,
    difference,
    largest,
    where,
)


def at_base(setting: str, estimate: Estimate) -> Estimate:
    """Estimate: ``estimate`` of the base cells of a setting, one a repetition."""
    return lambda table: estimate(where(table, setting=setting, axis="base"))


def change_with_mu(setting: str, name: str) -> Estimate:
    """Estimate: a column at half of the base's mu minus that at twice of it, one a repetition."""

    def estimate(table: pd.DataFrame) -> Any:
        own = where(table, setting=setting, axis="mu")
        wide = own.pivot_table(index="seed", columns="spec.mu", values=name)
        return wide.iloc[:, 0] - wide.iloc[:, -1]

    return estimate


def theorem_claims(settings: Iterable[str]) -> list[tuple]:
    """The four theorems at the base cell of each setting, and the corrected closed forms."""
    lines: list[tuple] = []
    for setting in settings:
        lines += [
            (
                f"{who}, {setting}",
                source,
                says,
                predicted,
                at_base(setting, column(f"{who}_per_mu")),
            )
            for source, who, says, predicted in (
                ("Theorem 1", "one", "one network's error is 0.49 mu to 0.51 mu", (0.49, 0.51)),
                ("Theorem 2", "ensemble", "the ensemble errs at most 0.001 mu", (-np.inf, 0.001)),
                ("Theorem 3", "distilled", "its student errs at most 0.001 mu", (-np.inf, 0.001)),
                ("Theorem 4", "self", "self-distilled it errs at most 0.26 mu", (-np.inf, 0.26)),
            )
        ]
        lines += [
            (
                f"training error, {setting}",
                "Theorems 1-4",
                "members and students are right on every training sample",
                (0.0, 0.0),
                at_base(setting, largest("one_train", "distilled_train", "self_train")),
            ),
            (
                f"closed form, {setting}",
                "Theorem 1, corrected",
                "one network's single-view error is (1 - coverage) x lost_error to 0.02",
                (-0.02, 0.02),
                at_base(setting, difference("one_single", "predicted_one")),
            ),
            (
                f"law of two, {setting}",
                "Theorem 2, K = 2",
                "two averaged networks err by (1 - coverage)^2 x lost_error to 0.03",
                (-0.03, 0.03),
                at_base(setting, beyond_the_law(2)),
            ),
            (
                f"any mu, {setting}",
                "Theorem 1",
                "error / mu is the same to 0.05 at a quarter of mu and four times N",
                (-0.05, 0.05),
                change_with_mu(setting, "one_per_mu"),
            ),
        ]
    return lines
