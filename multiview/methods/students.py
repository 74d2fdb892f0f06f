"""Students of any teacher by any KD loss, from fresh starts or from where others ended."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.setting import Setting
from multiview.distill import Hinton, KDLoss
from multiview.methods.averaging import Ensemble
from multiview.methods.networks import a_method, optional_count


@dataclass(frozen=True, kw_only=True)
class Student(Method):
    """A network taught by what another method says of the training samples, beside the labels.

    Attributes:
        teacher: Leaves logits (n, k), or (n, number, k) for a teacher of its own for each student.
        kd_loss: What compares the student's logits with the teacher's.
        weight: Of ``kd_loss``.
        label_weight: Of cross-entropy with the labels.
        start: Name of the initial weights, or the method whose network goes on learning.
        number: None: one student, (n, k); else as many of the start, (n, number, k).
        strays: Whether neurons of a class may come to respond to features of other classes, as the
            loss makes them do. If not, the part of its gradient that lies along them is left out:
            a control that tells what they do. On synthetic patches, along the flow.

    Raises:
        ValueError: If ``teacher`` is no method, ``kd_loss`` no function or ``start`` neither a text
            nor a method; if another field is out of range.
    """

    teacher: Method = Ensemble()
    kd_loss: KDLoss = Hinton()
    weight: float = 1.0
    label_weight: float = 1.0
    start: str | Method = "student"
    number: int | None = None
    strays: bool = True

    def __post_init__(self) -> None:
        a_method("teacher", self.teacher)
        checks.function("kd_loss", self.kd_loss)
        checks.instance("start", self.start, (str, Method))
        checks.not_negative("weight", self.weight)
        checks.not_negative("label_weight", self.label_weight)
        object.__setattr__(self, "strays", checks.flag("strays", self.strays))
        optional_count("number", self.number, meaning="counts students")

    def networks(self, setting: Setting) -> int | None:
        """As many students as are asked for, or as the networks that go on learning."""
        if isinstance(self.start, Method):
            return self.start.networks(setting)
        return self.number or 0

    def check(self, setting: Setting) -> None:
        """Refuse more teachers than one, if they are not as many as the students.

        And a student without strays where no features are known.

        Raises:
            ValueError: If teachers are several and not as many as students, or no features are
                known where ``strays`` is False.
        """
        if not self.strays:
            setting.check_features("Student(strays=False)")
        teachers, students = self.teacher.networks(setting), self.networks(setting)
        if teachers and students is not None and teachers != students:
            raise ValueError(
                f"teacher={self.teacher} leaves {teachers} networks for {students or 1} students "
                f"(number={self.number}): use number={teachers}, or one teacher such as "
                "Ensemble(of=...)."
            )

    def train(self, bench: Bench) -> Classifier:
        """Train the student."""
        (trained,) = self.train_together(bench, [self])
        return trained

    def beside(self, other: Method) -> bool:
        """Students learn side by side if their teachers are there and labels weigh the same."""
        return isinstance(other, Student) and other.label_weight == self.label_weight

    @classmethod
    def trainings(cls, setting: Setting, methods: Sequence[Method]) -> int:
        """As many students at once as the setting says, whichever they are."""
        networks = (each.networks(setting) or 1 for each in methods)
        return setting.trainings(sum(networks), "students")

    @classmethod
    def train_together(cls, bench: Bench, methods: Sequence[Method]) -> list[Classifier]:
        """Train students side by side."""
        students = [each for each in methods if isinstance(each, Student)]
        fitted = bench.fit(
            [each._untrained(bench) for each in students],
            [
                bench.soft_targets(
                    each.teacher,
                    each.kd_loss,
                    weight=each.weight,
                    label_weight=each.label_weight,
                    strays=each.strays,
                )
                for each in students
            ],
            course="students",
        )
        return [bench.classifier(each) for each in fitted]

    def _untrained(self, bench: Bench) -> nn.Module:
        if isinstance(self.start, Method):
            net = bench.trained(self.start).net
            if net is None:
                raise ValueError(f"start={self.start} leaves no network to go on from.")
            return copy.deepcopy(net)
        if self.number is None:
            return bench.one(self.start)
        return bench.group(self.start, self.number)
