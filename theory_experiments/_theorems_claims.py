"""Theorems 1-4 and their corrected closed forms as claims, and how rows answer."""

from collections.abc import Iterator, Sequence
from functools import partial

from multiview.runs.claims import Claim, at_most, within
from multiview.runs.estimates import Estimate, largest, measured
from theory_experiments._theorems import TheoremCell
from theory_experiments.views.units import SAME, WORDS

PRIMARY = {"one, weak", "self, strong"}
SMALL = at_most(0.001)


def theorem_claims(cells: Sequence[TheoremCell]) -> Iterator[Claim]:
    """The four theorems at the base cell of each setting, and the corrected closed forms."""
    for base in cells:
        if base.axis == "base":
            yield from theorems_at(base)
            yield from closed_forms_at(base)
            mus = [
                each.spec.mu for each in cells if each.axis == "mu" and each.setting == base.setting
            ]
            yield any_mu(base.setting, min(mus), max(mus))


def theorems_at(base: TheoremCell) -> Iterator[Claim]:
    """What the theorems say of the base cell of a setting.

    Theorems 2 and 3 are judged by counting, as the paper says them of each ensemble and of each
    student with high probability: a lost view is 1/20 of the single-view samples, so no mean over a
    few repetitions can be known to 0.001, and errors that are all zero show no spread. Of 16
    independent networks with c = 1/2 some view is lost by one ensemble in 3,000.
    """
    setting, M = base.setting, base.members
    at_base = partial(measured, setting=setting, axis="base")
    for source, who, method, says, predicted in (
        ("1", "one", "member", "one network's error is 0.49 mu to 0.51 mu", (0.49, 0.51)),
        ("2", "ensemble", "ensemble", f"each ensemble of {M} errs at most 0.001 mu", SMALL),
        ("3", "distilled", "distilled", "each student of it errs at most 0.001 mu", SMALL),
        ("4", "self", "self", "self-distilled it errs at most 0.26 mu", at_most(0.26)),
    ):
        name = f"{who}, {setting}"
        yield Claim(
            name=name,
            source=f"Theorem {source}",
            statement=says,
            predicted=predicted,
            estimate=at_base("per_mu", method),
            kind="check" if who in ("ensemble", "distilled") else "claim",
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
    """What follows from the members' coverage c at the base cell of a setting."""
    setting = base.setting

    def excess(what: str, over: str, method: str) -> Estimate:
        at_base = partial(measured, method=method, setting=setting, axis="base")
        return at_base(what) - at_base(over)

    yield Claim(
        name=f"closed form, {setting}",
        source="Theorem 1, corrected",
        statement="one network's single-view error is (1 - c) x lost_error to 0.02",
        predicted=within(0.02),
        estimate=excess("single", "predicted", "member"),
    )
    yield Claim(
        name=f"law of two, {setting}",
        source="Theorem 2, K = 2",
        statement=f"two averaged networks err by (1 - c)^2 x lost_error {WORDS[SAME]}",
        predicted=SAME,
        estimate=excess("single", "predicted", "ensemble_2"),
    )
    for size in (2, 4, 8):
        yield Claim(
            name=f"views missed by {size}, {setting}",
            source=f"Theorem 2, K = {size}",
            statement=f"averaged over all choices of {size} networks, (1 - c)^{size} of the views "
            f"are covered by none of them, {WORDS[SAME]}",
            predicted=SAME,
            estimate=excess("missed", "missed_predicted", f"ensemble_{size}"),
        )


def any_mu(setting: str, low: float, high: float) -> Claim:
    """The claim that error / mu does not depend on mu, between these two values of it."""

    def at(mu: float) -> Estimate:
        return measured("per_mu", "member", setting=setting, axis="mu", **{"spec.mu": mu})

    return Claim(
        name=f"any mu, {setting}",
        source="Theorem 1",
        statement="error / mu is the same to 0.05 at a quarter of mu and four times N",
        predicted=within(0.05),
        estimate=at(low) - at(high),
    )
