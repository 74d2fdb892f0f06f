"""Trace: what a training step did with the two networks that it was given."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn

from multiview.testing.random_state import common_random_state, common_states
from multiview.testing.signature import misfit
from multiview.testing.watched import Pass, WatchedStudent, WatchedTeacher, samples

# step(student, teacher, inputs (n, ...), labels (n,)): trains the student in place.
Step = Callable[[nn.Module, nn.Module, Tensor, Tensor], Any]
Mode = Literal["train", "eval"]

ARGUMENTS = "step(student, teacher, inputs, labels)"
# What is measured where there was nothing to measure, and why.
NEVER_TAUGHT = (torch.nan, "the student never got a gradient through its logits")
NEVER_ASKED = (torch.nan, "the teacher that was handed over was never called")


@dataclass(frozen=True, eq=False, kw_only=True)
class Trace:
    """What one call of a step left.

    Attributes:
        teacher_before: Its parameters and buffers, by name.
        teacher_passes: The teacher's calls, in order.
        student_passes: The student's calls whose logits got a gradient, in order.
        left_training: Parts of the teacher that are in train mode afterwards.
        states: Of the random generators that all have in common, afterwards.
    """

    num_samples: int
    teacher: nn.Module
    teacher_before: dict[str, Tensor]
    student: nn.Module
    student_before: dict[str, Tensor]
    teacher_passes: list[Pass]
    student_passes: list[Pass]
    left_training: int
    states: dict[str, Any]


@dataclass(frozen=True, eq=False)
class StepProbe:
    """A step, and what it does with new networks at each call; called when first asked for."""

    step: Step
    num_samples: int
    input_shape: tuple[int, ...]
    teacher_mode: Mode
    seed: int

    @cached_property
    def first(self) -> Trace:
        """A call with the teacher in the mode that was asked for."""
        return self._traced(self.teacher_mode, "first")

    @cached_property
    def again(self) -> Trace:
        """The same with other states of the common random generators."""
        return self._traced(self.teacher_mode, "again")

    @cached_property
    def evaluated(self) -> Trace:
        """A call with the teacher in eval mode."""
        return self._traced("eval", "evaluated")

    def _traced(self, mode: Mode, name: str) -> Trace:
        inputs, labels = samples(self.num_samples, self.input_shape, self.seed)
        with common_random_state(self.seed, name), torch.enable_grad():
            student = WatchedStudent(self.num_samples, self.input_shape)
            teacher = WatchedTeacher(self.num_samples, self.input_shape).train(mode == "train")
            before = [values_of(net) for net in (teacher, student)]
            try:
                self.step(student, teacher, inputs.clone(), labels.clone())
            except Exception as error:
                raise ValueError(
                    f"step raised {type(error).__name__} when called as {ARGUMENTS} with inputs of "
                    f"shape {tuple(inputs.shape)}, labels 0 to {self.num_samples - 1} and networks "
                    f"with {2 * self.num_samples} outputs: {error}"
                ) from error
            states = common_states()
        return Trace(
            num_samples=self.num_samples,
            teacher=teacher,
            teacher_before=before[0],
            student=student,
            student_before=before[1],
            teacher_passes=teacher.log.passes,
            student_passes=[each for each in student.log.passes if each.gradient is not None],
            left_training=sum(part.training for part in teacher.modules()),
            states=states,
        )


def check_step(probe: StepProbe) -> None:
    """Refuse a step that cannot be called as one, or raises an error in its first call.

    Raises:
        ValueError: If it does.
    """
    if said := misfit(probe.step, 4):
        raise ValueError(
            f"step cannot be called as {ARGUMENTS}: {said}. Wrap your loop in a function of these "
            "four."
        )
    _ = probe.first


def values_of(net: nn.Module) -> dict[str, Tensor]:
    """Copies of a network's parameters and buffers, by name."""
    return {name: value.detach().clone().cpu() for name, value in net.state_dict().items()}
