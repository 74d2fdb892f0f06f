"""What is claimed of specialists: the paper's signs, controls, and what the theory says."""

import math
from collections.abc import Iterator
from functools import partial

from multiview.runs.claims import Claim
from multiview.runs.estimates import measured
from theory_experiments._parts import SYNTHETIC
from theory_experiments._patch_specialists import PatchSpecialistCell
from theory_experiments._specialist_sets import ImageSpecialistCell, kmeans_on
from theory_experiments._specialist_tables import PART, relative_gain
from theory_experiments.views.units import MARGIN, MORE, SAME

GAIN = (1e-4, 1.0)

on_images = partial(measured, part=PART)
error = partial(on_images, "error")
coverage = partial(measured, "coverage", part=SYNTHETIC)


def image_claims(cell: ImageSpecialistCell) -> Iterator[Claim]:
    """Hinton et al., Section 5; and controls."""
    for name, source, says, worse, better in (
        (
            "specialists",
            "arXiv 1503.02531, Table 3",
            "specialists that start from the generalist gain over it alone",
            "generalist",
            "tuned",
        ),
        (
            "specialists against training on",
            "control",
            "they err less than the generalist trained on for about as many images",
            "continued",
            "tuned",
        ),
        (
            "confusable against random sets",
            "control",
            "specialists of confusable sets err less than those of random sets of these sizes",
            "random",
            "tuned",
        ),
        (
            "fresh start",
            "multi-view theory",
            "fresh specialists err less than those that start from the generalist",
            "tuned",
            "fresh",
        ),
    ):
        yield Claim(
            name=name,
            source=source,
            statement=says,
            predicted=GAIN,
            estimate=error(worse) - error(better),
        )
    yield Claim(
        name="gain by covering",
        source="arXiv 1503.02531, Table 4",
        statement="they gain more where one of them covers the right class than where none does",
        predicted=(0.0, math.inf),
        estimate=relative_gain("error_inside") - relative_gain("error_outside"),
    )
    yield Claim(
        name="superclasses",
        source="control",
        statement="confusable sets agree with superclasses beyond 97.5% of random places",
        predicted=(0.0, 1.0),
        estimate=on_images("agreement", kmeans_on(cell.columns)) - on_images("null_high", "data"),
    )


def patch_claims(cell: PatchSpecialistCell) -> Iterator[Claim]:
    """Views follow from the start: a specialist of the generalist's has none to add."""
    for asked, who in (("top", "the specialist of its best class"), ("all", "all specialists")):
        for start, origin, says, predicted in (
            ("tuned", "started from the generalist", "change the views covered by less than", SAME),
            ("fresh", "of fresh start", "cover more views, by at least", MORE),
        ):
            yield Claim(
                name=f"views, {start}, {asked}",
                source="multi-view theory",
                statement=f"{who}, {origin}: consulted, they {says} {MARGIN}",
                predicted=predicted,
                estimate=coverage(f"{start}_{asked}") - coverage("generalist"),
            )
