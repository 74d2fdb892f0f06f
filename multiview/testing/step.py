"""check_training_step: whether a training loop distils as it should."""

import math
from collections.abc import Sequence
from typing import get_args

from multiview import checks
from multiview.testing.check import conformance, selected
from multiview.testing.finding import Conformance
from multiview.testing.step_run import Mode, Step, StepProbe, check_step
from multiview.testing.step_student import STUDENT
from multiview.testing.step_targets import TARGETS
from multiview.testing.step_teacher import TEACHER

EVERY = (*TEACHER, *TARGETS, *STUDENT)
STEP_CHECKS = tuple(check.name for check in EVERY)
MOST = 256  # samples; the networks have twice as many outputs
LARGEST = 2**18  # size of a sample


def check_training_step(
    step: Step,
    *,
    only: Sequence[str] | None = None,
    skip: Sequence[str] = (),
    teacher_mode: Mode = "train",
    num_samples: int = 12,
    input_shape: Sequence[int] = (3, 8, 8),
    seed: int = 0,
) -> Conformance:
    """Check what a training step does with teacher, student and samples.

    The step is called up to three times, with small networks and samples made for it, and trains
    the student on all samples in the way that is to be checked: in one batch or several, shuffled
    and augmented or not, for one epoch or a few. Whatever the loop sets up by itself, it sets up
    within: optimiser, loader, the teacher's mode, logits computed beforehand:

        def step(student, teacher, inputs, labels):
            data = TensorDataset(inputs, labels)
            my_train(student, teacher.eval(), DataLoader(data, batch_size=4, shuffle=True))

    The laws, each a check by itself; a failure names the bug that it usually stands for, how to
    mend it, and public reports of it, such as haitongli/knowledge-distillation-pytorch#4 (logits of
    other samples) and facebookresearch/unbiased-teacher#47 (a teacher whose BatchNorm moves):

    - ``teacher_parameters``, ``teacher_buffers``, ``teacher_gradient``: the teacher stays as it is,
      running statistics included, and holds no gradient.
    - ``teacher_mode``, ``teacher_mode_kept``: it is in eval mode whenever it is called, and left so
      where it came so.
    - ``teacher_teaches``: its logits reach every sample's gradient.
    - ``pairing``: each sample of the student is taught by the logits of that very sample.
    - ``same_views``: the student sees no input that the teacher has not seen, as augmented.
    - ``student_parameters``, ``student_mode``: all of the student moves, in train mode.
    - ``random_state``: no common random generator (torch's, numpy's, Python's) is set to a seed.
      They are as they were after the checks, whatever the step does.

    ``pairing`` reads the gradient of the student's logits: the teacher is sure of a class that
    stands for the sample, and logits that are drawn up tell which. Samples are told apart by the
    median of their values, which flips, shifts, crops and little noise leave as it is; leave mixing
    of samples, changes of brightness and normalisation out of the step, or these checks. A view
    that the teacher saw in another epoch counts as seen: one epoch tells most. A student that is
    taught by features alone, or an optimiser that leaves some layers frozen on purpose, breaks some
    laws: name these checks in ``skip``.

    Args:
        step: ``step(student, teacher, inputs, labels)``, called with these four in this order. Both
            networks take inputs (b, *input_shape) of any batch size b > 1 and give logits
            (b, 2 num_samples); labels are integers (n,). What it returns is not looked at.
        only: Names from ``STEP_CHECKS``; by default all.
        skip: Names of checks to leave out.
        teacher_mode: The teacher's mode as it is handed over. "train", as modules are made, asks
            that the step itself calls eval(); "eval" is for a step whose caller has done so.
        num_samples: n, from 4 on; several batches.
        input_shape: Of one sample, with at least 2 values.
        seed: Of networks, samples and common random generators.

    Returns:
        What every check found.

    Raises:
        ValueError: If an argument is out of range, or the step cannot be called so or raises an
            error.
    """
    checks.function("step", step)
    picked = selected(EVERY, only, skip)
    checks.choice("teacher_mode", teacher_mode, get_args(Mode))
    num_samples = checks.count("num_samples", num_samples, 4, MOST)
    shape = checks.counts("input_shape", input_shape)
    size = math.prod(shape)
    if not 2 <= size <= LARGEST:
        raise ValueError(
            f"input_shape={checks.shown(input_shape)} gives samples of size {size}: use a size of "
            f"2 to {LARGEST}."
        )
    seed = checks.count("seed", seed, 0, meaning="is a seed")
    probe = StepProbe(step, num_samples, shape, teacher_mode, seed)
    check_step(probe)
    return conformance(step, picked, probe)
