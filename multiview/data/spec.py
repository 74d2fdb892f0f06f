"""MultiViewSpec: the settings of the paper's patch distributions."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import gammaln, softmax, xlog1py, xlogy

from multiview.checks import count, number, shown

Strength = float | tuple[float, float]  # a constant, or the (low, high) of a uniform law

SMALLEST = {
    "num_classes": 2,
    "num_views": 2,
    "patch_dim": 1,
    "num_patches": 1,
    "patches_per_feature": 1,
}
STRENGTHS = ("rho", "gamma_other", "label_strength", "other_strength")
LARGEST = 1e30  # keeps every float32 patch finite


@dataclass(frozen=True, kw_only=True)
class MultiViewSpec:
    """The distributions D_m (multi-view), D_s (single-view) and D of arXiv 2012.09816, Section 2.

    A strength is the sum Z of a feature's coefficients over its ``patches_per_feature`` patches;
    it is a constant, or uniform on a ``(low, high)`` pair. Numbers of numpy become Python's.

    Raises:
        ValueError: At construction, if the distribution cannot be drawn; the message names the
            field, its value, the rule and a remedy.
    """

    num_classes: int = 10  # k
    num_views: int = 2  # L, 2 in the paper
    patch_dim: int = 300  # d
    num_patches: int = 20  # P
    patches_per_feature: int = 1  # C_p
    sparsity: float = 3.0  # s; another class's feature occurs with probability s / k
    mu: float = 0.01  # fraction of single-view samples in D
    rho: Strength = 0.1  # Z of the label's weak views in D_s
    gamma_other: Strength = 0.3  # Gamma: Z of other classes' features in D_s
    gamma_noise: float = 0.0  # gamma: feature noise is uniform on [0, gamma], per feature and patch
    sigma_p: float = 0.1  # std of the Gaussian noise, per coordinate
    sigma_background: float | None = None  # the same on patches without a feature; None: sigma_p
    label_strength: Strength = (1.0, 1.2)  # Z of the label's (strong) views
    other_strength: Strength = (0.1, 0.3)  # Z of other classes' features in D_m

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                object.__setattr__(self, field.name, _checked(field.name, value))
        self._check_arguments()
        if self.interval("rho")[1] > 1:
            raise ValueError(
                f"rho={self.rho} makes a weak view stronger than the smallest strong one: "
                "use rho <= 1."
            )
        if self.interval("label_strength")[0] < 1:
            raise ValueError(
                f"label_strength={self.label_strength} starts below 1, the paper's unit of "
                "strength: rescale the other strengths and sigma_p instead."
            )

    def _check_arguments(self) -> None:
        num_features = self.num_classes * self.num_views
        if self.patch_dim < num_features:
            raise ValueError(
                f"patch_dim={self.patch_dim} cannot hold {num_features} orthonormal features "
                f"(num_classes={self.num_classes} x num_views={self.num_views}): "
                f"use at least {num_features}."
            )
        needed = self.patches_per_feature * self.num_views
        if self.num_patches < needed:
            raise ValueError(
                f"num_patches={self.num_patches} cannot hold the label's {self.num_views} views on "
                f"patches_per_feature={self.patches_per_feature} patches each: "
                f"use at least {needed}."
            )
        if self.sparsity > self.num_classes:
            raise ValueError(
                f"sparsity={self.sparsity} over num_classes={self.num_classes} must be a "
                "probability: use 0 <= sparsity <= num_classes."
            )
        always = self.sparsity / self.num_classes == 1
        if always and self.max_other_features < self.num_other_features:
            raise ValueError(
                f"sparsity={self.sparsity} puts every feature in every sample, but "
                f"num_patches={self.num_patches} cannot hold them all: lower sparsity or use "
                f"num_patches >= {self.patches_per_feature * num_features}."
            )

    def interval(self, name: str) -> tuple[float, float]:
        """The (low, high) of a strength field; a constant is (constant, constant)."""
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (value, value)

    @property
    def num_other_features(self) -> int:
        """L (k - 1), the features of the classes that are not the label."""
        return self.num_views * (self.num_classes - 1)

    @property
    def max_other_features(self) -> int:
        """How many other-class features fit beside the label's views."""
        room = self.num_patches // self.patches_per_feature - self.num_views
        return min(room, self.num_other_features)

    def other_count_probabilities(self) -> list[float]:
        """P(number of other-class features = 0, 1, ...), given that they fit in the patches."""
        trials, p = self.num_other_features, self.sparsity / self.num_classes
        m = np.arange(self.max_other_features + 1)
        # Binomial weights; in logarithms, since a hard truncation leaves only tiny ones.
        log_choose = gammaln(trials + 1) - gammaln(m + 1) - gammaln(trials - m + 1)
        return softmax(log_choose + xlogy(m, p) + xlog1py(trials - m, -p)).tolist()

    @property
    def inclusion_probability(self) -> float:
        """Probability that a given other-class feature occurs: s/k where all features fit."""
        counts = self.other_count_probabilities()
        return sum(m * p for m, p in enumerate(counts)) / self.num_other_features


def _checked(name: str, value: Any) -> int | Strength:
    """The field's value as Python numbers, refused if it is of the wrong kind or size."""
    if name in SMALLEST:
        return count(name, value, SMALLEST[name], meaning="must be a count")
    # Of a long value only a part is shown by itself.
    whole = "" if shown(value) == repr(value) else f"in {name}={value!r} "
    if name == "mu":
        return float(number(name, value, "[0, 1]", meaning=f"{whole}must be a fraction"))
    is_pair = name in STRENGTHS and isinstance(value, tuple | list) and len(value) == 2
    kind = "a number or a (low, high) pair" if name in STRENGTHS else "a number"
    if not is_pair:
        return _amount(name, value, f"{whole}must be {kind}")
    low, high = (_amount(name, part, f"in {name}={value!r} must be {kind}") for part in value)
    if low > high:
        raise ValueError(f"{name}=({low}, {high}) is reversed: use ({high}, {low}).")
    return low, high


def _amount(name: str, value: Any, meaning: str) -> float:
    return float(number(name, value, f"[0, {LARGEST}]", meaning=meaning))
