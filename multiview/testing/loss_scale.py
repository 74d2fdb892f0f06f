"""Laws of a distillation loss's size: over samples, over classes, and with the temperature."""

import math

import torch

from multiview.testing.check import Check
from multiview.testing.loss_probe import LossProbe, ratio

TEMPERATURE = 2.0  # where a law holds at any
WARM, HOT = 50.0, 500.0  # between which the gradient's size is compared
IMPOSSIBLE = 40.0  # in units of the temperature, how far below all others a class is impossible


def batch_mean(probe: LossProbe) -> float:
    """The value for all samples, over the mean of the values for each sample by itself."""
    student, teacher = probe.pair()
    pairs = zip(student.split(1), teacher.split(1), strict=True)
    each = [probe.value(s, t, TEMPERATURE) for s, t in pairs]
    return ratio(probe.value(student, teacher, TEMPERATURE), math.fsum(each) / len(each))


def class_sum(probe: LossProbe) -> float:
    """The value with as many impossible classes added, over the value without them.

    A class whose probability is 0 for both networks adds 0 ln 0 = 0 to a divergence, which a mean
    over the classes halves here.
    """
    student, teacher = probe.pair()
    low = min(student.min(), teacher.min()) - IMPOSSIBLE * TEMPERATURE
    more = torch.full_like(student, float(low))
    wider = torch.cat([student, more], 1), torch.cat([teacher, more], 1)
    with_them, without = (probe.value(*pair, TEMPERATURE) for pair in (wider, (student, teacher)))
    return ratio(with_them, without)


def temperature_squared(probe: LossProbe) -> float:
    """The power of T by which the gradient's size grows, between T = 50 and T = 500.

    The derivative of KL with respect to the student's logits is (q - p) / T, and q - p itself falls
    as 1 / T (arXiv 1503.02531, Section 2.1); the factor T^2 makes up for both.
    """
    student, teacher = probe.pair()
    sizes = [probe.gradient(student, teacher, T).norm() for T in (WARM, HOT)]
    return float((sizes[1] / sizes[0]).log10() / math.log10(HOT / WARM))


def hot_limit(probe: LossProbe) -> tuple[float, str]:
    """How far the gradient for hot T is from that of half the mean square of centred logits.

    With d the difference of student's and teacher's logits, q_i = (1 + (z_i - mean z) / T) / k up
    to terms of 1 / T^2, so that T (q - p) -> (d - mean d) / k, which is the gradient of
    sum_i (d_i - mean d)^2 / 2k. The terms of 1 / T cancel in 2 g(2T) - g(T), whose error is of the
    order 1 / T^2.

    Returns:
        The distance over the limit's own length; and how long the gradient is along the limit.
    """
    student, teacher = probe.pair()
    d = student - teacher
    limit = (d - d.mean(1, keepdim=True)) / (probe.num_classes * probe.num_samples)
    once, twice = (probe.gradient(student, teacher, T) for T in (2 * WARM, 4 * WARM))
    found = 2 * twice - once
    along = float((twice * limit).sum() / limit.square().sum())
    note = f"at T = {4 * WARM:g} the gradient is {along:.3g} times as long along the limit"
    return float((found - limit).norm() / limit.norm()), note


SCALE = (
    Check(
        name="batch_mean",
        quantity="the value for the batch, over the mean of the values for its samples",
        measure=batch_mean,
        expected=1.0,
        tolerance=1e-3,
        bug="the samples' values are summed rather than averaged, so that the step grows with the "
        "batch; or softmax is taken over the samples (dim=0).",
        remedy="average over the samples: F.kl_div(..., reduction='batchmean') for logits (n, k), "
        "and dim=-1 for softmax and log_softmax.",
        reports=("huggingface/transformers#1181",),
    ),
    Check(
        name="class_sum",
        quantity="the value with as many impossible classes added, over the value without them",
        measure=class_sum,
        expected=1.0,
        tolerance=1e-3,
        bug="the mean is taken over samples and classes, which is the default of KLDivLoss and "
        "F.kl_div: the loss is smaller by the number of classes and the teacher hardly counts.",
        remedy="sum over the classes and average over the samples: reduction='batchmean'.",
        reports=(
            "HikariTJU/LD#74",
            "facebookresearch/deit#61",
            "yuanli2333/Teacher-free-Knowledge-Distillation#5",
            "haitongli/knowledge-distillation-pytorch#2",
            "GMvandeVen/continual-learning#5",
        ),
    ),
    Check(
        name="temperature_squared",
        quantity="the power of T by which the gradient grows from T = 50 to 500",
        measure=temperature_squared,
        expected=0.0,
        tolerance=0.1,
        bug="the factor T^2 is left out (power -2), taken once (-1) or twice (+2): the weight of "
        "the teacher beside the labels changes with the temperature.",
        remedy="multiply the divergence of logits / T by temperature ** 2, once.",
        reports=("IntelLabs/distiller#122", "keras-team/keras-io#869"),
    ),
    Check(
        name="hot_limit",
        quantity="distance of the gradient for hot T from (d - mean d) / k, relative to it",
        measure=hot_limit,
        expected=0.0,
        tolerance=0.02,
        bug="for hot T the loss is not half the mean squared difference of centred logits: a "
        "factor is wrong, the temperature is not used, or the divergence is another one.",
        remedy="compare with T^2 times KL(softmax(teacher / T) || softmax(student / T)), both "
        "divided by the same T.",
        reports=("huggingface/trl#6526",),
    ),
)
