"""Training steps of distillation: honest ones, and ones with bugs that were reported."""

import copy
import random
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset, TensorDataset

from multiview import stream
from multiview.distill import hinton_kd, knowledge_distillation
from multiview.testing import STEP_CHECKS
from multiview.train import OptimSpec


def mixed(student_logits: Tensor, teacher_logits: Tensor, labels: Tensor) -> Tensor:
    """The usual mixture of Hinton's loss and cross-entropy with labels."""
    hard = functional.cross_entropy(student_logits, labels)
    return 0.9 * hinton_kd(student_logits, teacher_logits, 4.0) + 0.1 * hard


def flipped(x: Tensor) -> Tensor:
    """Each image turned round or not, by chance."""
    turn = torch.rand(len(x)) < 0.5
    return torch.where(turn.view(-1, 1, 1, 1), x.flip(-1), x)


def plain(
    student: nn.Module,
    teacher: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    optimised: Any = None,
    epochs: int = 1,
    evaluated: bool = True,
    grad: bool = False,
    views: Any = lambda x: (x, x),
    loss: Any = mixed,
) -> None:
    """A loop over shuffled batches, and what may be wrong of it."""
    parameters = [*(optimised or student).parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.05, weight_decay=1e-3)
    if evaluated:
        teacher.eval()
    for _ in range(epochs):
        student.train()
        for x, y in DataLoader(TensorDataset(inputs, labels), batch_size=4, shuffle=True):
            of_student, of_teacher = views(x)
            with torch.set_grad_enabled(grad):
                taught = teacher(of_teacher)
            optimizer.zero_grad()
            loss(student(of_student), taught, y).backward()
            optimizer.step()


def augmented(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """Both networks see the same flipped images, for three epochs."""

    def views(x: Tensor) -> tuple[Tensor, Tensor]:
        x = flipped(x)
        return x, x

    plain(student, teacher, inputs, labels, epochs=3, views=views)


class Numbered(Dataset):
    """Samples with their numbers."""

    def __init__(self, *tensors: Tensor) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> tuple:
        return (index, *(each[index] for each in self.tensors))


def cached(
    student: nn.Module,
    teacher: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    by_sample: bool = True,
    shuffle: bool = True,
    augment: Any = lambda x: x,
) -> None:
    """Teacher's logits computed beforehand, looked up by the sample's number or by the batch's."""
    optimizer = torch.optim.Adam(student.parameters(), lr=1e-3)
    loader = DataLoader(Numbered(inputs, labels), batch_size=4, shuffle=shuffle)
    teacher.eval()
    of_sample: dict[int, Tensor] = {}
    of_batch: list[Tensor] = []
    with torch.no_grad():
        for rows, x, _ in loader:
            of_batch.append(teacher(x))
            of_sample |= dict(zip(rows.tolist(), of_batch[-1], strict=True))
    for i, (rows, x, y) in enumerate(loader):
        known = torch.stack([of_sample[row] for row in rows.tolist()])
        optimizer.zero_grad()
        mixed(student(augment(x)), known if by_sample else of_batch[i], y).backward()
        optimizer.step()


def autocast(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """In bfloat16, with the teacher's inputs rounded beforehand and its copy asked."""
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
    frozen = copy.deepcopy(teacher).eval().to(torch.bfloat16)
    for x, y in zip(inputs.split(6), labels.split(6), strict=True):
        with torch.no_grad():
            taught = frozen(x.bfloat16()).float()
        with torch.autocast("cpu", torch.bfloat16):
            logits = student(x)
        mixed(logits.float(), taught, y).backward()
        optimizer.step()


def ours(
    student: nn.Module,
    teacher: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    *,
    epochs: int = 2,
    **settings: Any,
) -> None:
    """The package's own loop."""
    spec = OptimSpec(epochs=epochs, batch_size=4, learning_rate=0.05)
    given = {"spec": spec, "generator": stream(0), **settings}
    knowledge_distillation(student, teacher, inputs, labels, **given)


def ours_with_loader(
    student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor
) -> None:
    """The package's own loop over a loader."""
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=4, shuffle=True)
    spec = OptimSpec(epochs=1, learning_rate=0.05)
    knowledge_distillation(student, teacher, loader, spec=spec, generator=stream(0))


def flipped_by(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image turned round or not, by this generator."""
    turn = torch.rand(len(x), generator=generator) < 0.5
    return torch.where(turn.view(-1, 1, 1, 1), x.flip(-1), x)


HONEST = {
    "plain": plain,
    "augmented": augmented,
    "cached by sample": cached,
    "autocast": autocast,
    "ours": ours,
    "ours, augmented": partial(ours, augment=flipped_by),
    "ours, with a loader": ours_with_loader,
    "ours, from the teacher alone": partial(ours, label_weight=0.0),
}


def both_optimised(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """The optimiser holds the teacher too (huangzongmou/yolov8_Distillation#16)."""
    both = nn.ModuleList([student, teacher])

    def loss(student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        gap = student_logits - teacher_logits  # not detached, so that both move
        return gap.square().mean()

    plain(student, teacher, inputs, labels, optimised=both, grad=True, loss=loss)


def swapped(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """The student teaches (keras-team/keras-io#257)."""
    plain(teacher, student, inputs, labels)


def moving_statistics(
    student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor
) -> None:
    """Only dropout is switched off (facebookresearch/unbiased-teacher#47)."""
    for part in teacher.modules():
        part.train(isinstance(part, nn.BatchNorm1d))
    plain(student, teacher, inputs, labels, evaluated=False)


def dropout_on(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """BatchNorm alone is in eval mode."""
    teacher.train()
    for part in teacher.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.eval()
    plain(student, teacher, inputs, labels, evaluated=False)


class Wrapper(nn.Module):
    """A student that holds its teacher (neuralmagic/sparseml#2191)."""

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.student, self.teacher = student, teacher

    def forward(self, x: Tensor) -> Tensor:
        return self.student(x)


def wrapped(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """train() of the student reaches the teacher, before it is called."""
    teacher.eval()
    Wrapper(student, teacher).train()
    plain(student, teacher, inputs, labels, evaluated=False)


def mode_not_kept(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """train() of the student reaches the teacher at the end."""
    plain(student, teacher, inputs, labels)
    Wrapper(student, teacher).train()


def with_gradients(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """eval() is taken to stop gradients (haitongli/knowledge-distillation-pytorch#25 asks)."""

    def loss(student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        return (student_logits - teacher_logits).square().mean()

    plain(student, teacher, inputs, labels, grad=True, loss=loss)


def untaught(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """The teacher is compared with itself (labmlai#66)."""

    def loss(student_logits: Tensor, teacher_logits: Tensor, y: Tensor) -> Tensor:
        soft = hinton_kd(teacher_logits, teacher_logits, 4.0)
        return soft + functional.cross_entropy(student_logits, y)

    plain(student, teacher, inputs, labels, loss=loss)


def other_views(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """Each network's images are flipped by themselves."""
    plain(student, teacher, inputs, labels, views=lambda x: (flipped(x), flipped(x)))


def head_alone(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """The optimiser holds the last layer only."""
    last = [part for part in student.modules() if isinstance(part, nn.Linear)][-1]
    plain(student, teacher, inputs, labels, optimised=last)


def in_eval_mode(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """An evaluation leaves the student in eval mode (wkentaro/pytorch-fcn#56)."""
    teacher.eval()
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05)
    for x, y in zip(inputs.split(4), labels.split(4), strict=True):
        with torch.no_grad():
            taught = teacher(x)
        optimizer.zero_grad()
        mixed(student(x), taught, y).backward()
        optimizer.step()
        student.eval()
        with torch.no_grad():
            student(inputs)


def seeded(student: nn.Module, teacher: nn.Module, inputs: Tensor, labels: Tensor) -> None:
    """A seed in the step (huggingface/diffusers#175)."""
    torch.manual_seed(0)
    random.seed(0)
    plain(student, teacher, inputs, labels)


EVERY = {*STEP_CHECKS}
# By name: the step, the check that names its bug, and the others that fail with it.
FAULTY: dict[str, tuple[Any, str, set[str]]] = {
    "both optimised": (both_optimised, "teacher_parameters", {"teacher_gradient"}),
    "swapped": (swapped, "teacher_parameters", EVERY - {"random_state", "teacher_parameters"}),
    "moving statistics": (
        moving_statistics,
        "teacher_buffers",
        {"teacher_mode", "teacher_mode_kept"},
    ),
    "dropout on": (dropout_on, "teacher_mode", {"teacher_mode_kept"}),
    "wrapped": (wrapped, "teacher_mode", {"teacher_buffers", "teacher_mode_kept"}),
    "mode not kept": (mode_not_kept, "teacher_mode_kept", set()),
    "with gradients": (with_gradients, "teacher_gradient", set()),
    "untaught": (untaught, "teacher_teaches", {"pairing"}),
    "cached by batch": (partial(cached, by_sample=False), "pairing", set()),
    "cached unaugmented": (partial(cached, augment=lambda x: x.flip(-1)), "same_views", set()),
    "other views": (other_views, "same_views", set()),
    "head alone": (head_alone, "student_parameters", set()),
    "in eval mode": (in_eval_mode, "student_mode", set()),
    "seeded": (seeded, "random_state", set()),
}
