"""What the limit says of each axis of ``finite_size``."""

from collections.abc import Iterator, Sequence

from multiview.runs.claims import Claim, at_least, at_most
from multiview.runs.estimates import measured
from theory_experiments._finite_size import FiniteCell
from theory_experiments._trends import at_zero, per_doubling
from theory_experiments.views.units import MARGIN, SAME

HALF = (0.49, 0.51)


def axis_claims(cells: Sequence[FiniteCell]) -> Iterator[Claim]:
    """Claims about each axis, and about more than two views a class."""
    yield from vanishing_claims([cell for cell in cells if cell.axis == "extrapolation"])
    most = max(cell.spec.num_classes for cell in cells)
    many, none = (
        measured("single", "member", axis="single_samples", **{"spec.mu": mu}) for mu in (0.1, 0.0)
    )
    for name, source, statement, predicted, estimate in (
        (
            "more classes",
            "Theorem 1",
            "one network's error does not fall as classes double",
            at_least(0.0),
            per_doubling("single", "spec.num_classes", axis="classes", method="member"),
        ),
        (
            f"{most} classes",
            "Theorem 1",
            f"with {most} classes one network errs on 0.49 to 0.51",
            HALF,
            measured("single", "member", axis="classes", **{"spec.num_classes": most}),
        ),
        (
            "no lottery at q = 2",
            "Section 4",
            f"with q = 2 both views are learned: an error of at most {MARGIN}",
            at_most(MARGIN),
            measured("single", "member", axis="q", q=2.0),
        ),
        (
            "many single-view samples",
            "Section 2: N_s small",
            "with a tenth of the samples single-view the error is at most half of that with none",
            at_most(0.5),
            many / none,
        ),
        (
            "any width",
            "Theorem 1: any m",
            f"doubling the width moves the error by at most {MARGIN}",
            SAME,
            per_doubling("single", "width", axis="width", method="member"),
        ),
    ):
        yield Claim(
            name=name, source=source, statement=statement, predicted=predicted, estimate=estimate
        )
    for views in (3, 4):
        yield from claims_of_views(views)


def vanishing_claims(cells: Sequence[FiniteCell]) -> Iterator[Claim]:
    """The error and the cost as the start vanishes; the error bends least at the smaller starts."""
    yield Claim(
        name="vanishing start",
        source="Theorem 1",
        statement="extrapolated to a start of 0, one network errs on 0.49 to 0.51",
        predicted=HALF,
        estimate=at_zero("single", "relative_start", 0.021, axis="extrapolation", method="member"),
        primary=True,
    )
    starts = sorted(cell.sigma_init for cell in cells)
    least, largest = (
        measured("gradients", "member", axis="extrapolation", sigma_init=start)
        for start in (starts[0], starts[-1])
    )
    yield Claim(
        name="cost of a small start",
        source="trainer",
        statement="the smallest start costs at most 1.5 times the gradients of the largest",
        predicted=at_most(1.5),
        estimate=least / largest,
        kind="check",
    )


def claims_of_views(views: int) -> Iterator[Claim]:
    """Theorems 1 and 2 where a class has this many views."""
    here = {"axis": "views", "spec.num_views": views}
    one = measured("single", "member", **here)
    four, law = (measured(name, "ensemble_4", **here) for name in ("single", "predicted"))
    for what, source, statement, predicted, estimate in (
        (
            "one network",
            "Theorem 1, L views",
            f"one network errs on 1 - 1/{views} of the samples with a distractor",
            SAME,
            one - measured("theory", "member", **here),
        ),
        (
            "corrected",
            "Theorem 1, L views",
            "one network's error is (1 - coverage) x lost_error",
            SAME,
            one - measured("predicted", "member", **here),
        ),
        (
            "ensemble of 4",
            "Theorem 2, L views",
            "four averaged networks err by (1 - coverage)^4 x lost_error",
            SAME,
            four - law,
        ),
    ):
        yield Claim(
            name=f"{views} views, {what}",
            source=source,
            statement=f"{statement}, to {MARGIN}",
            predicted=predicted,
            estimate=estimate,
        )
