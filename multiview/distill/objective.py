"""distillation_objective: labels and a teacher's logits; for ``train_patch_net``."""

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from multiview import checks, shapes
from multiview.distill.kd import KDLoss
from multiview.train import differentiated
from multiview.train.patch_gradient import Objective


def distillation_objective(
    labels: Int[Tensor, " N"],
    teacher_logits: Float[Tensor, "N k"],
    kd_loss: KDLoss,
    weight: float = 1.0,
) -> Objective:
    """Cross-entropy with the labels plus ``weight`` times a distillation loss, sample by sample.

    Args:
        labels: Of the training samples.
        teacher_logits: The teacher's on the same samples, e.g. ``mean_logits`` of an ensemble.
        kd_loss: ``Hinton``, ``Squares``, ``PaperUpdate`` or any function of student and teacher
            logits, (n, nets, k) both, that gives one value per sample and net; a mean is refused.
        weight: Of the distillation loss; the paper's eta' / eta.

    Raises:
        ValueError: If labels and logits are not of the same samples and classes, or hold NaN; when
            called, if the student has other classes or ``kd_loss`` gives another shape.
    """
    shapes.fit(teacher_logits=(teacher_logits, "float n k"), labels=(labels, "int n"))
    shapes.labels("labels", labels, teacher_logits.shape[1], "teacher_logits")
    shapes.logits(teacher_logits=teacher_logits)
    checks.function("kd_loss", kd_loss)
    weight = checks.not_negative("weight", weight)
    teacher = teacher_logits.detach().unsqueeze(1)  # the same for every student

    def total(logits: Tensor, rows: Tensor) -> Tensor:
        n, nets, k = logits.shape
        if k != teacher.shape[-1]:
            raise ValueError(
                f"teacher_logits are of {teacher.shape[-1]} classes and the student's logits of "
                f"{k}: use a teacher of the same classes."
            )
        label = shapes.at("labels", labels, rows).unsqueeze(1).expand(n, nets)
        hard = functional.cross_entropy(logits.flatten(0, 1), label.flatten(), reduction="none")
        soft = kd_loss(logits, teacher[rows].expand(n, nets, k))
        if not isinstance(soft, Tensor) or soft.shape != (n, nets):
            raise ValueError(
                f"kd_loss gives {checks.shown(soft)} for logits of shape {(n, nets, k)}: give one "
                f"value per sample and net, {(n, nets)}, and no mean."
            )
        return hard.view(n, nets) + weight * soft

    objective = differentiated(total)
    objective.samples = len(labels)  # type: ignore[attr-defined]
    return objective
