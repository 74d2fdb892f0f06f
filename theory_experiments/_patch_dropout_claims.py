"""What is claimed of dropout on synthetic patches.

Predicted of c before any run; the margin was set, as for every experiment, before any run on the
seeds from 10 on, with results of the seeds 0 to 9 known. "fresh" and "hidden, all known" are tests
of the temperature too: the KL divergence at 1 from a teacher that is nearly certain shows little of
its other views, so a refuted one need not mean that students of fresh starts add no views of their
own, or that hidden patches do not help.
"""

from collections.abc import Iterator
from functools import partial

from multiview.runs.claims import Claim, within
from multiview.runs.estimates import Estimate, measured
from theory_experiments._patch_dropout_nets import PatchDropoutCell
from theory_experiments.views.units import LESS, MARGIN, MORE, NO_MORE, SAME

SATURATED = "if its teacher, nearly certain at temperature 1, shows them"
IDENTITY = "in logits an identity here, as masks stand outside the activation"
ALMOST_ALL = (1 - MARGIN, 1.0)
ONE_VIEW = within(MARGIN + 1e-9)  # coverage moves in steps of one view, such as 0.05


def patch_dropout_claims(cell: PatchDropoutCell) -> Iterator[Claim]:
    """What was predicted of c, and the checks that masks change nothing."""
    c = partial(measured, "coverage", part="synthetic")
    predicted = partial(measured, "predicted", part="synthetic")

    def trained(dropped: str, p: float, width: int = cell.width) -> Estimate:
        return c(dropped=dropped, probability=p, num_neurons=width)

    def widened(dropped: str, p: float) -> Estimate:
        return trained(dropped, p, cell.widths[-1]) - trained(dropped, p, cell.widths[0])

    K, last = cell.members, cell.patches[-1]
    masks = f"the mean probabilities over {cell.num_masks} masks of"
    ensemble = f"ensemble_{K}"
    for prediction, what, statement, expected, estimate in (
        (
            "P1",
            "masks",
            f"{masks} neurons cover what the standard prediction does, to {MARGIN} ({IDENTITY})",
            ONE_VIEW,
            c("masks") - c("standard"),
        ),
        (
            "P1",
            "masks of patches",
            f"{masks} patches, as coarse as a view, of a net with dropout {cell.patches[0]:g} of "
            f"them cover what its standard prediction does, to {MARGIN} ({IDENTITY})",
            ONE_VIEW,
            c("coarse_masks") - c("coarse"),
        ),
        (
            "P1",
            f"{K} networks",
            f"{K} networks averaged cover 1 - (1 - c)^{K}, to {MARGIN}",
            SAME,
            c(ensemble) - predicted(ensemble),
        ),
        (
            "P2",
            "neurons",
            f"dropout {cell.neurons[-1]:g} of neurons in training covers {MARGIN} more than none",
            MORE,
            trained("neuron", cell.neurons[-1]) - trained("nothing", 0.0),
        ),
        (
            "P2",
            "width",
            f"the gain at dropout {cell.neuron:g} falls by {MARGIN} from width {cell.widths[0]} to "
            "the largest",
            LESS,
            widened("neuron", cell.neuron) - widened("nothing", 0.0),
        ),
        (
            "P2",
            "patches",
            f"dropout {last:g} of patches in training covers at least {1 - MARGIN}",
            ALMOST_ALL,
            trained("patch", last),
        ),
        (
            "P3",
            "copied",
            f"a student that starts as its teacher covers what it does, to {MARGIN}",
            SAME,
            c("copied") - c("standard"),
        ),
        (
            "P3",
            "fresh",
            f"one of a fresh start covers 1 - (1 - c_T)(1 - c_0), to {MARGIN} ({SATURATED})",
            SAME,
            c("fresh") - predicted("fresh"),
        ),
        (
            "P4",
            "hidden, all known",
            f"inputs with hidden patches teach {MARGIN} more views of a teacher that knows all "
            f"({SATURATED})",
            MORE,
            c("all_hidden") - c("all_clean"),
        ),
        (
            "P4",
            "hidden, one known",
            "inputs with hidden patches teach no more views of a teacher that knows one of two, to "
            f"{MARGIN}",
            NO_MORE,
            c("one_hidden") - c("one_clean"),
        ),
    ):
        yield Claim(
            name=f"synthetic: {what}",
            source=f"{prediction} (derived; arXiv 2012.09816, Section 4)",
            statement=statement,
            predicted=expected,
            estimate=estimate,
            kind="check" if expected == ONE_VIEW else "claim",
        )
