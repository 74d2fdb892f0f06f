"""Laws of a distillation step's student and of the random numbers: it learns, they go on."""

from multiview.testing.check import Check
from multiview.testing.random_state import alike
from multiview.testing.step_run import NEVER_TAUGHT, StepProbe, values_of


def student_parameters(probe: StepProbe) -> float:
    """Share of the student's parameters, tensor by tensor, that moved."""
    student, before = probe.first.student, probe.first.student_before
    after = values_of(student)
    moved = [not after[name].equal(before[name]) for name, _ in student.named_parameters()]
    return sum(moved) / len(moved)


def student_mode(probe: StepProbe) -> float | tuple[float, str]:
    """Share of the student's calls with a gradient in which a part of it was in eval mode."""
    wrong = [not all(each.training) for each in probe.first.student_passes]
    return sum(wrong) / len(wrong) if wrong else NEVER_TAUGHT


def random_state(probe: StepProbe) -> tuple[float, str]:
    """Number of common random generators that end alike after starts that differed."""
    names = alike(probe.first.states, probe.again.states)
    return len(names), f"of torch, numpy and random: {', '.join(names) or 'none'}"


STUDENT = (
    Check(
        name="student_parameters",
        quantity="share of the student's parameters that moved",
        measure=student_parameters,
        expected=1.0,
        tolerance=0.0,
        bug="the optimiser was made of another network's parameters, or of some only, or "
        "no step is taken.",
        remedy="make the optimiser of student.parameters(), after the student is built and moved.",
        reports=("keras-team/keras-io#257",),
    ),
    Check(
        name="student_mode",
        quantity="share of the student's calls in training with a part of it in eval mode",
        measure=student_mode,
        expected=0.0,
        tolerance=0.0,
        bug="the student is left in eval mode, by an evaluation or by an eval() that was meant for "
        "the teacher: it trains without dropout and its running statistics stand still.",
        remedy="student.train() at the beginning of every epoch.",
        reports=("wkentaro/pytorch-fcn#56",),
    ),
    Check(
        name="random_state",
        quantity="common random generators that the step sets to a state of its own",
        measure=random_state,
        expected=0.0,
        tolerance=0.0,
        bug="a seed is set within the step: dropout, augmentation and shuffling repeat in every "
        "step or epoch, and other code's randomness with them.",
        remedy="set seeds once, before the training; or draw from a generator of the step's own.",
        reports=("huggingface/diffusers#175",),
    ),
)
