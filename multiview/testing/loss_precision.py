"""Laws of a distillation loss's arithmetic: 16-bit logits, and large ones."""

import torch

from multiview.testing.check import Check
from multiview.testing.loss_probe import LossProbe, ratio

LOW = (torch.bfloat16, torch.float16)
WIDER = 3  # than other laws' logits, which in half precision tells more
MODERATE, LARGE = 20.0, 1e4  # margins of logits


def half_precision(probe: LossProbe) -> tuple[float, str]:
    """The largest relative error of value and gradient with logits of 16 bits.

    Against the loss of the same, rounded logits in float32: what is lost by rounding the logits is
    not the loss's.
    """
    errors, worst = [], ""
    for dtype in LOW:
        student, teacher = (WIDER * each.to(dtype) for each in probe.pair())
        low, full = (student, teacher), (student.float(), teacher.float())
        value, exact = (probe.value(*pair, 1.0) for pair in (low, full))
        gradient, expected = (probe.gradient(*pair, 1.0) for pair in (low, full))
        of_gradient = float((gradient - expected).norm() / expected.norm())
        errors += [abs(ratio(value, exact) - 1), of_gradient]
        worst += f", {value:.3g} in {dtype} for {exact:.3g}"
    return float(torch.tensor(errors).max()), f"values {worst[2:]}"


def large_logits(probe: LossProbe) -> tuple[float, str]:
    """What is left of the gradient where a student is very sure of a wrong class, in float32.

    Its size does not depend on how large the margin is; at most 1 counts, as other losses grow.
    """
    sizes = []
    for margin in (MODERATE, LARGE):
        student, teacher = (probe.sure(margin, i).float() for i in (0, 1))
        value = probe.value(student, teacher, 1.0)
        sizes.append(probe.gradient(student, teacher, 1.0).norm())
    share = (sizes[1] / sizes[0]).clamp(max=1) if abs(value) < torch.inf else torch.nan
    return float(share), f"the value is {value:.3g} at margins of {LARGE:g}"


PRECISION = (
    Check(
        name="half_precision",
        quantity="relative error of value and gradient with bfloat16 and float16 logits",
        measure=half_precision,
        expected=0.0,
        tolerance=0.1,
        bug="a small constant that guards a logarithm or a division is 0 in float16, or the "
        "divergence, a small rest of large terms, is computed in 16 bits.",
        remedy="turn the logits to float32 before softmax, logits.float(), and use log_softmax "
        "rather than log(softmax + constant).",
        reports=("lightonai/pylate#239", "MakazhanAlpamys/Soup#719"),
    ),
    Check(
        name="large_logits",
        quantity="share of the gradient that is left at margins of 10,000, NaN unless finite",
        measure=large_logits,
        expected=1.0,
        tolerance=0.1,
        bug="exp of the logits overflows, the logarithm of a probability that is rounded to 0 is "
        "infinite, or a guard such as log(p + 1e-8) silences the gradient just where the student "
        "is most wrong.",
        remedy="use log_softmax, which subtracts the largest logit first; in a sum of p ln p take "
        "0 ln 0 = 0, as torch.special.xlogy and F.kl_div do.",
        reports=("yzd-v/cls_KD#13", "MakazhanAlpamys/Soup#719"),
    ),
)
