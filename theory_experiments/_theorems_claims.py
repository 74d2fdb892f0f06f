"""Theorems 1-4 and their corrected closed forms as claims, and how rows answer."""

from collections.abc import Iterator, Sequence
from functools import partial

from multiview.runs.claims import Claim, at_most, within
from multiview.runs.estimates import Estimate, largest, measured
from theory_experiments._theorems import TheoremCell

PRIMARY = {"one, quiet", "distilled, audible"}


def theorem_claims(cells: Sequence[TheoremCell]) -> Iterator[Claim]:
    """The four theorems at the base cell of each setting, and the corrected closed forms."""
    for base in cells:
        if base.axis == "base":
            yield from theorems_at(base)
            yield from closed_forms_at(base)
            mus = [each.spec.mu for each in cells if same_setting(base, each) and each.axis == "mu"]
            yield any_mu(base.setting, min(mus), max(mus))


def same_setting(one: TheoremCell, other: TheoremCell) -> bool:
    """Whether two cells differ along an axis alone."""
    return one.setting == other.setting


def theorems_at(base: TheoremCell) -> Iterator[Claim]:
    """What the theorems say of the base cell of a setting."""
    setting = base.setting
    at_base = partial(measured, setting=setting, axis="base")
    for source, who, method, says, predicted in (
        ("Theorem 1", "one", "member", "one network's error is 0.49 mu to 0.51 mu", (0.49, 0.51)),
        ("Theorem 2", "ensemble", "ensemble", "the ensemble errs at most 0.001 mu", at_most(0.001)),
        (
            "Theorem 3",
            "distilled",
            "distilled",
            "its student errs at most 0.001 mu",
            at_most(0.001),
        ),
        ("Theorem 4", "self", "self", "self-distilled it errs at most 0.26 mu", at_most(0.26)),
    ):
        name = f"{who}, {setting}"
        yield Claim(
            name=name,
            source=source,
            statement=says,
            predicted=predicted,
            estimate=at_base("per_mu", method),
            primary=name in PRIMARY,
        )
    yield Claim(
        name=f"training error, {setting}",
        source="Theorems 1-4",
        statement="members and students are right on every training sample",
        predicted=(0.0, 0.0),
        estimate=largest(at_base("train", who) for who in ("member", "distilled", "self")),
        kind="check",
    )


def closed_forms_at(base: TheoremCell) -> Iterator[Claim]:
    """What follows from the members' coverage at the base cell of a setting."""

    def excess(method: str) -> Estimate:
        at_base = partial(measured, method=method, setting=base.setting, axis="base")
        return at_base("single") - at_base("predicted")

    yield Claim(
        name=f"closed form, {base.setting}",
        source="Theorem 1, corrected",
        statement="one network's single-view error is (1 - coverage) x lost_error to 0.02",
        predicted=within(0.02),
        estimate=excess("member"),
    )
    yield Claim(
        name=f"law of two, {base.setting}",
        source="Theorem 2, K = 2",
        statement="two averaged networks err by (1 - coverage)^2 x lost_error to 0.03",
        predicted=within(0.03),
        estimate=excess("ensemble_2"),
    )


def any_mu(setting: str, low: float, high: float) -> Claim:
    """That error / mu does not depend on mu."""

    def at(mu: float) -> Estimate:
        return measured("per_mu", "member", setting=setting, axis="mu", **{"spec.mu": mu})

    return Claim(
        name=f"any mu, {setting}",
        source="Theorem 1",
        statement="error / mu is the same to 0.05 at a quarter of mu and four times N",
        predicted=within(0.05),
        estimate=at(low) - at(high),
    )
