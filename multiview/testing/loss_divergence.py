"""Laws of which divergence a distillation loss is."""

import math

from multiview.testing.check import Check
from multiview.testing.loss_probe import LossProbe, ratio

TEMPERATURE = 3.0  # not 1, where a temperature that one side lacks does not show
SURE = 4.0  # beyond ln k, the smaller margin of the logits of a network that is sure of a class


def zero_at_equal_logits(probe: LossProbe) -> float:
    """The value where student and teacher agree, over that where they do not."""
    student, teacher = probe.pair()
    different = probe.value(student, teacher, TEMPERATURE)
    return abs(ratio(probe.value(teacher, teacher, TEMPERATURE), different))


def least_at_equal_logits(probe: LossProbe) -> float:
    """Size of the gradient where student and teacher agree, over that where they do not."""
    student, teacher = probe.pair()
    different = probe.gradient(student, teacher, TEMPERATURE).norm()
    return float(probe.gradient(teacher, teacher, TEMPERATURE).norm() / different)


def direction(probe: LossProbe) -> float:
    """By how much an added class is punished more, as a share, when the networks grow surer.

    One network is sure of a class, the other is torn between it and a second one. A student that
    lacks the second class where the teacher has it costs KL(teacher || student) about half the
    margin of the logits; one that adds it costs log 2, however large the margin is. In
    KL(student || teacher) it is the other way round.
    """

    sure = [probe.sure(margin, 0) for margin in _margins(probe)]
    torn = [one + probe.sure(s, 1) for one, s in zip(sure, _margins(probe), strict=True)]
    added = [probe.value(t, s, 1.0) for t, s in zip(torn, sure, strict=True)]
    lacking = [probe.value(s, t, 1.0) for t, s in zip(torn, sure, strict=True)]
    of_added, of_lacking = added[1] - added[0], lacking[1] - lacking[0]
    return ratio(of_added, abs(of_added) + abs(of_lacking))


def softmax_once(probe: LossProbe) -> float:
    """By which factor the value grows as margins double, the student being sure of a wrong class.

    KL of two sure networks that disagree is the margin s of the logits times p_1 - p_2, the
    difference of the probabilities of two classes, which is nearly 1. Logits that went through
    softmax before have no margins beyond 1, so that their divergence stays as it is. (log_softmax
    may be taken twice: it changes by a constant what is logarithms of probabilities already.)

    Returns:
        The factor over that of KL.
    """
    margins = _margins(probe)
    mild, firm = (probe.value(probe.sure(s, 0), probe.sure(s, 1), 1.0) for s in margins)
    exact = [_of_two_sure(probe.num_classes, s) for s in margins]
    return ratio(firm, mild) / ratio(exact[1], exact[0])


def _margins(probe: LossProbe) -> tuple[float, float]:
    """Two margins of logits, one twice the other, at which softmax is sure of a class."""
    mild = SURE + math.log(probe.num_classes)
    return mild, 2 * mild


def _of_two_sure(num_classes: int, margin: float) -> float:
    """KL of softmax of two vectors of logits, each ``margin`` for a class of its own and else 0."""
    return margin * (math.exp(margin) - 1) / (math.exp(margin) + num_classes - 1)


DIVERGENCE = (
    Check(
        name="zero_at_equal_logits",
        quantity="the value where the networks agree, over that where they do not",
        measure=zero_at_equal_logits,
        expected=0.0,
        tolerance=1e-4,
        bug="the value holds the teacher's entropy, as cross-entropy with soft labels does: same "
        "gradient as KL, but a loss that cannot reach 0 and tells nothing by its size; or as "
        "least_at_equal_logits.",
        remedy="add the teacher's sum p ln p, as F.kl_div does; or leave this check out where "
        "cross-entropy is meant.",
        reports=("jongwooko/distillm#7",),
    ),
    Check(
        name="least_at_equal_logits",
        quantity="the gradient where the networks agree, over that where they do not",
        measure=least_at_equal_logits,
        expected=0.0,
        tolerance=1e-4,
        bug="the student's logarithm is missing (F.kl_div given softmax rather than log_softmax, "
        "which shows as a negative loss), one side lacks the temperature, or one side's softmax "
        "is taken twice: the student is driven to something other than the teacher.",
        remedy="F.kl_div(F.log_softmax(student / T, -1), F.softmax(teacher / T, -1), ...), the "
        "same T on both sides.",
        reports=(
            "microsoft/ProDA#20",
            "microsoft/ProDA#43",
            "AberHu/Knowledge-Distillation-Zoo#12",
        ),
    ),
    Check(
        name="direction",
        quantity="share of an added class, beside a lacking one, in the growth of the value",
        measure=direction,
        expected=0.0,
        tolerance=0.25,
        bug="the arguments are swapped, KL(student || teacher): the student is free to drop "
        "classes that the teacher thinks possible, which are what distillation is about.",
        remedy="F.kl_div takes the student's log-probabilities first and the teacher's "
        "probabilities second, and is KL(second || first).",
        reports=("paiml/aprender#2153", "sinahmr/DIaM#9"),
    ),
    Check(
        name="softmax_once",
        quantity="growth of the value as margins of sure networks double, over that of KL",
        measure=softmax_once,
        expected=1.0,
        tolerance=0.1,
        bug="the logits are probabilities already when they come to softmax, so that no two of "
        "them differ by more than 1; or probabilities are clamped far above 0.",
        remedy="hand over logits as the networks give them, without a last softmax layer.",
        reports=("tflearn/tflearn#562",),
    ),
)
