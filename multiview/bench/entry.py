"""Entry: what an experiment calls a method, and what the theory says of its coverage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce

from multiview import checks
from multiview.bench.method import Method
from multiview.theory import ensemble_error, student_coverage

# What the theory says of a method's coverage, of the measured coverage of others and K.
Prediction = Callable[[Mapping[str, float], int], float]


@dataclass(frozen=True)
class Entry:
    """A method under the name that tables, figures and claims show.

    Attributes:
        label: What it is, in a few words.
        group: Of which methods it is one.
        theory: None where the theory says nothing.

    Raises:
        ValueError: If ``method`` is no ``Method`` or ``label`` no text.
    """

    method: Method
    label: str
    group: str = ""
    theory: Prediction | None = None

    def __post_init__(self) -> None:
        checks.instance("method", self.method, Method, "give one such as Student()")
        checks.instance("label", self.label, str)


def constant(value: float) -> Prediction:
    """Predicts this coverage, whatever others cover."""
    return lambda c, members: value


def like(name: str) -> Prediction:
    """Predicts as many views as another method covers."""
    return lambda c, members: c[name]


def adds(*teachers: str, own: str = "labels") -> Prediction:
    """Predicts the teachers' views together with those that labels alone would show the student.

    Args:
        own: Name of the method that is the student without its teachers.
    """
    return lambda c, members: reduce(
        lambda known, name: student_coverage(c[name], known), teachers, c[own]
    )


def averaged(name: str) -> Prediction:
    """Predicts what as many independent networks as members cover together, each like this one."""
    return lambda c, members: 1 - ensemble_error(members, c[name])
