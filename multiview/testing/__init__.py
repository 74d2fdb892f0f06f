"""Is my distillation implemented right? Checks of a loss and of a training step.

``check_distillation_loss`` takes any loss of student's logits, teacher's logits and temperature:

>>> import torch
>>> from torch.nn import functional as F
>>> from multiview.testing import check_distillation_loss, check_training_step
>>> def kd(student, teacher, T):
...     p, q = F.softmax(teacher.detach() / T, -1), F.log_softmax(student / T, -1)
...     return T**2 * F.kl_div(q, p, reduction="none").mean()  # over samples and classes
>>> found = check_distillation_loss(kd)  # print(found): a table, causes and remedies
>>> [finding.check for finding in found.failures]
['class_sum', 'hot_limit']

``check_training_step`` takes a loop as a function of both networks and all samples:

>>> def step(student, teacher, inputs, labels):
...     optimizer = torch.optim.SGD(student.parameters(), lr=0.1)
...     for x in inputs.split(4):
...         with torch.no_grad():
...             taught = teacher(x)  # and no teacher.eval() before
...         optimizer.zero_grad()
...         kd(student(x), taught, 4.0).backward()
...         optimizer.step()
>>> [finding.check for finding in check_training_step(step).failures]
['teacher_buffers', 'teacher_mode']

In tests, ``check_distillation_loss(my_loss).raise_for_failures()`` fails with all that is wrong;
for one test a check, ``@pytest.mark.parametrize("check", LOSS_CHECKS)`` and ``only=[check]``.
"""

from multiview.testing.finding import Conformance, Finding
from multiview.testing.loss import LOSS_CHECKS, check_distillation_loss
from multiview.testing.step import STEP_CHECKS, check_training_step

__all__ = [
    "LOSS_CHECKS",
    "STEP_CHECKS",
    "Conformance",
    "Finding",
    "check_distillation_loss",
    "check_training_step",
]
