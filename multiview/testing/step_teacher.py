"""Laws of a distillation step's teacher: it stays as it is and teaches as it was evaluated."""

import torch

from multiview.testing.check import Check
from multiview.testing.step_run import NEVER_ASKED, StepProbe, Trace, values_of


def teacher_parameters(probe: StepProbe) -> float | tuple[float, str]:
    """The largest change of a parameter of the teacher."""
    names = [name for name, _ in probe.first.teacher.named_parameters()]
    return _teacher_change(probe.first, names)


def teacher_buffers(probe: StepProbe) -> float | tuple[float, str]:
    """The largest change of a buffer of the teacher, such as a running statistic."""
    names = [name for name, _ in probe.first.teacher.named_buffers()]
    return _teacher_change(probe.first, names)


def teacher_mode(probe: StepProbe) -> float | tuple[float, str]:
    """Share of the teacher's calls in which a part of it was in train mode."""
    passes = probe.first.teacher_passes
    wrong = [any(each.training) for each in passes]
    return sum(wrong) / len(wrong) if wrong else NEVER_ASKED


def teacher_mode_kept(probe: StepProbe) -> float:
    """Number of parts of a teacher, handed over in eval mode, that are left in train mode."""
    return probe.evaluated.left_training


def teacher_gradient(probe: StepProbe) -> float | tuple[float, str]:
    """Number of the teacher's parameters that hold a gradient other than 0."""
    if not probe.first.teacher_passes:
        return NEVER_ASKED
    gradients = [each.grad for each in probe.first.teacher.parameters()]
    return sum(bool(each.any()) for each in gradients if each is not None)


def _teacher_change(trace: Trace, names: list[str]) -> float | tuple[float, str]:
    if not trace.teacher_passes:
        return NEVER_ASKED
    after = values_of(trace.teacher)
    before = trace.teacher_before
    changes = [(after[name].double() - before[name].double()).abs().max() for name in names]
    change, place = torch.stack(changes).max(0)  # NaN counts as the largest
    return float(change), f"of {names[int(place)]}" if change else ""


TEACHER = (
    Check(
        name="teacher_parameters",
        quantity="largest change of a parameter of the teacher",
        measure=teacher_parameters,
        expected=0.0,
        tolerance=0.0,
        bug="the optimiser holds the teacher's parameters too, or student and teacher are swapped: "
        "the teacher learns.",
        remedy="give the optimiser student.parameters() alone, and call the teacher within "
        "torch.no_grad().",
        reports=("huangzongmou/yolov8_Distillation#16", "keras-team/keras-io#257"),
    ),
    Check(
        name="teacher_buffers",
        quantity="largest change of a buffer of the teacher",
        measure=teacher_buffers,
        expected=0.0,
        tolerance=0.0,
        bug="the teacher's BatchNorm layers are in train mode: their running statistics move at "
        "every call, under torch.no_grad() as well.",
        remedy="teacher.eval() before it is called, and after every train() of what holds it.",
        reports=("facebookresearch/unbiased-teacher#47",),
    ),
    Check(
        name="teacher_mode",
        quantity="share of the teacher's calls with a part of it in train mode",
        measure=teacher_mode,
        expected=0.0,
        tolerance=0.0,
        bug="the teacher teaches with dropout on and with the batch's own statistics: another "
        "teacher for every batch, and not the one that was evaluated.",
        remedy="teacher.eval() in the step; or, where it is called before, say "
        "teacher_mode='eval' here. A module that holds both must not pass train() on to the "
        "teacher.",
        reports=("neuralmagic/sparseml#2191", "vrvlive/knowlege-distillation#2"),
    ),
    Check(
        name="teacher_mode_kept",
        quantity="parts of a teacher, handed over in eval mode, that are left in train mode",
        measure=teacher_mode_kept,
        expected=0.0,
        tolerance=0.0,
        bug="train() of the student reaches the teacher, or the mode is not given back: whatever "
        "uses the teacher next uses dropout.",
        remedy="restore the mode that the teacher came in, or leave it in eval mode.",
        reports=("neuralmagic/sparseml#2191",),
    ),
    Check(
        name="teacher_gradient",
        quantity="parameters of the teacher with a gradient other than 0",
        measure=teacher_gradient,
        expected=0.0,
        tolerance=0.0,
        bug="the loss is differentiated with respect to the teacher: time and memory are lost, and "
        "an optimiser or a clipped norm that includes the teacher will use it.",
        remedy="call the teacher within torch.no_grad(); eval() does not stop gradients.",
        reports=("lightly-ai/lightly-train#434", "pytorch/translate#391"),
    ),
)
