"""knowledge_distillation and born_again: students of any module, by any loss."""

from collections.abc import Callable, Iterable
from typing import Any, Unpack

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.distill.distillation_loss import distillation_loss
from multiview.distill.kd import Hinton, KDLoss
from multiview.distill.teachers import share_weights
from multiview.train import FitResult, OptimSpec, fit
from multiview.train.loop import FitSettings
from multiview.train.source import Loader, check_source


def knowledge_distillation(
    student: nn.Module,
    teacher: nn.Module | Callable[[Tensor], Tensor],
    inputs: Shaped[Tensor, "n ..."] | Loader,
    labels: Int[Tensor, " n"] | Float[Tensor, "n k"] | None = None,
    *,
    spec: OptimSpec,
    generator: torch.Generator | int,
    kd_loss: KDLoss = Hinton(),
    weight: float = 0.9,
    label_weight: float = 0.1,
    **settings: Unpack[FitSettings],
) -> FitResult:
    """Train ``student``, any module, in place on the logits of ``teacher``, any module.

    Both see the same inputs, augmented alike. A teacher that is a module stays in eval mode and
    without gradients, whatever mode it was handed over in; nothing of it changes, running
    statistics included, and its mode is restored.

    >>> from multiview import stream
    >>> x, y = torch.randn(64, 8, generator=stream(0)), torch.arange(64) % 3
    >>> data = torch.utils.data.TensorDataset(x, y)

    From here on a student of one's own takes five lines:

    >>> loader = torch.utils.data.DataLoader(data, batch_size=16, shuffle=True)
    >>> teacher, student = nn.Linear(8, 3), nn.Linear(8, 3)
    >>> spec = OptimSpec(epochs=2, learning_rate=0.1)
    >>> result = knowledge_distillation(student, teacher, loader, spec=spec, generator=stream(1))
    >>> result.steps
    8

    Args:
        teacher: A module; or a function from inputs to logits, such as ``ensemble_teacher``.
        inputs: All training samples, or a loader of batches (inputs, labels).
        labels: Of the samples, where they are given as a tensor.
        kd_loss: By default T^2 KL at T = 4; anything that ``distillation_loss`` takes.
        weight: Of ``kd_loss``; 0.9 beside 0.1 of the labels is the literature's usual mixture.
        label_weight: Of cross-entropy with the labels; 0 for samples without labels.
        settings: Of ``fit``.

    Raises:
        Diverged, ValueError: As ``fit``; or if labels are asked for and there are none.
    """
    checks.module("student", student)
    checks.not_negative("label_weight", label_weight)
    if labels is None and label_weight and isinstance(inputs, Tensor):
        raise ValueError(
            f"label_weight={label_weight} asks for labels and there are none: give labels, or "
            "label_weight=0 to learn from the teacher alone."
        )
    check_labels(inputs, labels)
    if isinstance(teacher, Tensor):
        raise ValueError(
            "teacher is a tensor of logits: use distillation_loss and fit, which take one where "
            "nothing is augmented."
        )
    if isinstance(teacher, nn.Module) and share_weights(student, teacher):
        raise ValueError("student and teacher share weights: use a copy, copy.deepcopy(...).")
    loss = distillation_loss(labels, teacher, kd_loss, weight=weight, label_weight=label_weight)
    return fit(student, inputs, loss, spec, generator, **settings)


def born_again(
    first: nn.Module,
    students: Iterable[nn.Module],
    distil: Callable[[nn.Module, nn.Module], Any],
) -> list[nn.Module]:
    """Distil each student from the one before, the first from ``first``.

    Born-again networks (Furlanello et al., arXiv 1805.04770) where all are of one shape; one such
    student is self-distillation.

    Args:
        students: Untrained networks, one a round.
        distil: ``distil(student, teacher)`` trains the student in place.

    Returns:
        ``first`` and the students, in order of age.

    Raises:
        ValueError: If ``first`` is no module, ``distil`` no function, ``students`` no sequence or,
            when its turn comes, a student no module.
    """
    generations = [checks.module("first", first)]
    checks.function("distil", distil)
    for i, student in enumerate(checks.items("students", students)):
        checks.module(f"students[{i}]", student)
        distil(student, generations[-1])
        generations.append(student)
    return generations


def check_labels(inputs: Any, labels: Any) -> None:
    """Refuse all but None, labels (n,) and probabilities (n, k) of as many samples as inputs."""
    if labels is None:
        return
    shapes.targets("labels", labels)
    check_source(inputs)
    if len(labels) != len(inputs):
        raise ValueError(
            f"there are {len(labels)} labels for {len(inputs)} inputs: give one each; of a loader, "
            "none."
        )
