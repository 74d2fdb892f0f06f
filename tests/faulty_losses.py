"""Distillation losses: honest ones, and ones with bugs that were reported."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from multiview.distill import Squares, hinton_kd, l2_logits

Loss = Callable[[Tensor, Tensor, float], Tensor]


def kd(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """Hinton's loss as it is usually written."""
    p, log_q = functional.softmax(teacher.detach() / T, -1), functional.log_softmax(student / T, -1)
    return T**2 * functional.kl_div(log_q, p, reduction="batchmean")


def upcast(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """As is usual under autocast."""
    return kd(student.float(), teacher.float(), T)


def of_log_probabilities(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """log_softmax taken twice changes nothing."""
    return kd(student.log_softmax(-1), teacher.log_softmax(-1), T)


def squares(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The limit for hot T, at every T."""
    return Squares()(student, teacher).mean()


def matched(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """Matching of logits, which knows no temperature."""
    return l2_logits(student, teacher)


def matched_centred(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The same with centred logits."""
    return l2_logits(student, teacher, center=True)


HONEST: dict[str, Loss] = {
    "ours": hinton_kd,
    "usual": kd,
    "upcast": upcast,
    "of log-probabilities": of_log_probabilities,
}


def cross_entropy(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """With soft labels: KL and the teacher's entropy (jongwooko/distillm#7)."""
    return T**2 * functional.cross_entropy(student / T, (teacher.detach() / T).softmax(-1))


def summed(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """Over samples too."""
    return kd(student, teacher, T) * len(student)


def over_samples(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """Softmax over the batch, dim=0 (Lackel/DPN#1)."""
    return kd(student.T, teacher.T, T) * student.shape[1] / len(student)


def over_classes_too(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The default reduction of KLDivLoss (HikariTJU/LD#74)."""
    p, log_q = functional.softmax(teacher.detach() / T, -1), functional.log_softmax(student / T, -1)
    return T**2 * functional.kl_div(log_q, p, reduction="none").mean()


def without_square(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """No T^2 (IntelLabs/distiller#122)."""
    return kd(student, teacher, T) / T**2


def fourth_power(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """T^2 in the loss, and again outside."""
    return kd(student, teacher, T) * T**2


def without_temperature(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """T is taken and not used (huggingface/trl#6526)."""
    return kd(student, teacher, 1.0)


def weighted(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The weight of a mixture is left inside."""
    return 0.9 * kd(student, teacher, T)


def without_logarithm(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """softmax for log_softmax (microsoft/ProDA#20)."""
    p, q = functional.softmax(teacher.detach() / T, -1), functional.softmax(student / T, -1)
    return T**2 * functional.kl_div(q, p, reduction="batchmean")


def students_temperature(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """T divides one side only."""
    return kd(student, teacher.detach() * T, T)


def reverse(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The arguments are swapped, without a loss of precision (paiml/aprender#2153)."""
    log_p = functional.log_softmax(teacher.detach().float() / T, -1)
    log_q = functional.log_softmax(student.float() / T, -1)
    return T**2 * functional.kl_div(log_p, log_q, reduction="batchmean", log_target=True)


def of_probabilities(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """Softmax of softmax, on both sides (tflearn/tflearn#562)."""
    return kd(student.softmax(-1), teacher.softmax(-1), T)


def taught_probabilities(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """Softmax of softmax, of the teacher."""
    return kd(student, teacher.softmax(-1), T)


def uncentred(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The penalty of a mean that softmax does not see, beside Hinton's loss."""
    return kd(student, teacher, T) + (student - teacher.detach()).mean(-1).square().mean()


def undetached(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The teacher learns too (pytorch/translate#391)."""
    p, log_q = functional.softmax(teacher / T, -1), functional.log_softmax(student / T, -1)
    return T**2 * functional.kl_div(log_q, p, reduction="batchmean")


def misplaced(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The logits are moved against each other (DeepOpt-com/WrinkleFree-Monorepo#13)."""
    return kd(student, teacher.roll(1, 0), T)


def by_place(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The weight of a sample depends on its place, with the weights' mean 1."""
    each = [kd(s, t, T) for s, t in zip(student.split(1), teacher.split(1), strict=True)]
    weights = 1 + torch.linspace(-1, 1, len(each)) if len(each) > 1 else torch.ones(1)
    return (torch.stack(each) * weights.to(student)).mean()


def masked(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """No float16 is as low as the value of what is masked."""
    none = torch.zeros_like(student, dtype=torch.bool)
    return kd(student.masked_fill(none, -1e9), teacher, T)


def guarded(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """A guard that is 0 in float16, and that silences the gradient (lightonai/pylate#239)."""
    p, q = (teacher.detach() / T).softmax(-1), (student / T).softmax(-1)
    return T**2 * (p * ((p + 1e-8).log() - (q + 1e-8).log())).sum(-1).mean()


def guarded_in_float32(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """The same, with 16-bit logits widened."""
    return guarded(student.double(), teacher.double(), T)


def apart(student: Tensor, teacher: Tensor, T: float) -> Tensor:
    """log and softmax apart (yzd-v/cls_KD#13)."""
    p, q = (teacher.detach() / T).softmax(-1), (student / T).softmax(-1)
    return T**2 * (p * (p.log() - q.log())).sum(-1).mean()


# By name: the loss, the check that names its bug, and the others that fail with it.
FAULTY: dict[str, tuple[Loss, str, set[str]]] = {
    "cross-entropy": (cross_entropy, "zero_at_equal_logits", set()),
    "summed": (summed, "batch_mean", {"hot_limit"}),
    "over samples": (over_samples, "batch_mean", {"hot_limit", "shift_invariance"}),
    "over classes too": (over_classes_too, "class_sum", {"hot_limit"}),
    "without square": (without_square, "temperature_squared", {"hot_limit"}),
    "fourth power": (fourth_power, "temperature_squared", {"hot_limit"}),
    "without temperature": (without_temperature, "hot_limit", set()),
    "weighted": (weighted, "hot_limit", set()),
    "without logarithm": (
        without_logarithm,
        "least_at_equal_logits",
        {"zero_at_equal_logits", "hot_limit", "direction", "softmax_once", "large_logits"},
    ),
    "student's temperature": (
        students_temperature,
        "least_at_equal_logits",
        {"zero_at_equal_logits", "hot_limit", "temperature_squared"},
    ),
    "reverse": (reverse, "direction", {"large_logits"}),
    "of probabilities": (
        of_probabilities,
        "softmax_once",
        {"class_sum", "direction", "hot_limit", "large_logits"},
    ),
    "taught probabilities": (
        taught_probabilities,
        "softmax_once",
        {"class_sum", "direction", "hot_limit", "least_at_equal_logits", "zero_at_equal_logits"},
    ),
    "uncentred": (uncentred, "shift_invariance", {"class_sum", "direction", "hot_limit"}),
    "undetached": (undetached, "teacher_gradient", set()),
    "misplaced": (
        misplaced,
        "sample_order",
        {"batch_mean", "direction", "hot_limit", "least_at_equal_logits", "zero_at_equal_logits"},
    ),
    "by place": (by_place, "sample_order", {"batch_mean", "hot_limit"}),
    "masked": (masked, "half_precision", set()),
    "guarded": (guarded, "large_logits", {"half_precision"}),
    "guarded in float32": (guarded_in_float32, "large_logits", set()),
    "apart": (apart, "large_logits", {"half_precision"}),
}
