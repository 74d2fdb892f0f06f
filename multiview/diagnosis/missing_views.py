"""Why a student lacks views: whose views it knows, and what keeps it from the others."""

from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from multiview import checks, shapes

LEAST_SHOWN = 0.05  # below, soft labels hardly tell samples of a class apart
FEW = 0.05  # of all views: a student that lacks no more knows what there is to know
CAUSES = MappingProxyType(
    {
        "overruled": "its teacher does not know them, and it gave up what it would have learned "
        "from labels: let labels weigh more, or teach it by a teacher that knows more",
        "unknown": "neither its teacher nor it would have known them: only other teachers do",
        "no_room": "a network of its kind cannot hold them: a larger one may",
        "not_shown": "its teacher knows them, and its soft labels do not tell: a higher "
        "temperature may, or a teacher less certain of the training samples",
        "not_taken": "its teacher shows them, and it has room: let the teacher weigh more, or "
        "train it for longer",
    }
)


@dataclass(frozen=True, kw_only=True)
class MissingViews:
    """Fractions of all views of all classes, which add up to 1; of several students their means.

    Attributes:
        own: The student knows, and so does a network on labels alone from the same start.
        taken: The student knows, and that network does not; nearly always by its teacher.
        overruled: That network knows, and neither the student nor its teacher does.
        unknown: None of the three knows.
        no_room: The teacher knows and the student does not, beyond the number of views of the
            class that a network of the student's kind knows where each stands alone.
        not_shown: The teacher knows, the student has room, and soft labels do not tell.
        not_taken: The teacher knows and shows, the student has room, and does not know.
    """

    own: float
    taken: float
    overruled: float
    unknown: float
    no_room: float
    not_shown: float
    not_taken: float

    @property
    def known(self) -> float:
        """c, the fraction of views that the student knows."""
        return self.own + self.taken

    @property
    def missing(self) -> dict[str, float]:
        """The fraction that each cause keeps from the student, the largest first."""
        by_cause = {cause: getattr(self, cause) for cause in CAUSES}
        return dict(sorted(by_cause.items(), key=lambda each: -each[1]))

    @property
    def cause(self) -> str | None:
        """The cause of most missing views; None where one in twenty views is missing, or fewer."""
        lacks = round(sum(self.missing.values()), 9)  # 1 - 0.95 is more than 0.05
        return next(iter(self.missing)) if lacks > FEW else None

    def __str__(self) -> str:
        """In words: what it knows, what it lacks, and the remedy of the first cause."""
        known = (
            f"The student knows {self.known:.0%} of all views: {self.own:.0%} as it would have "
            f"from labels alone, {self.taken:.0%} that labels would not have shown it."
        )
        lacks = [
            f"{share:.0%} are missing because {CAUSES[cause]}."
            for cause, share in self.missing.items()
            if share > 0
        ]
        return "\n".join([known, *lacks])


def missing_views(
    student: Bool[Tensor, "*students k L"],
    teacher: Bool[Tensor, "*students k L"],
    alone: Bool[Tensor, "*students k L"],
    able: Bool[Tensor, "*students k L"] | None = None,
    shown: float | None = None,
) -> MissingViews:
    """Split the views that a student knows and lacks, by what others know.

    In the theory a student knows what its teacher knows beside what its own start would have
    learned (Theorems 3 and 4 of arXiv 2012.09816). Where it does not, one of these is at fault: the
    teacher, its soft labels, the student's size, or its training.

    >>> import torch
    >>> teacher = torch.tensor([[True, True], [True, True]])
    >>> alone = torch.tensor([[True, False], [True, False]])
    >>> found = missing_views(student=alone, teacher=teacher, alone=alone, able=teacher, shown=0.0)
    >>> found.cause, found.not_shown
    ('not_shown', 0.5)

    Args:
        student: The views of each class that it has learned, as ``coverage_of(...).covered``.
        teacher: Those that its teacher has.
        alone: Those of a network with the student's start, trained for as long on labels alone.
        able: Those of a network of the student's kind that is trained on samples that show one view
            each, which have to be learned; None: there is room for all.
        shown: Of ``shown_by`` the teacher's logits on the student's training samples; None: enough.

    Raises:
        ValueError: If shapes differ, there is no student, or ``shown`` is no number from 0 on.
    """
    able = torch.ones_like(alone) if able is None else able
    shapes.fit(
        student=(student, "bool *students k L"),
        teacher=(teacher, "bool *students k L"),
        alone=(alone, "bool *students k L"),
        able=(able, "bool *students k L"),
    )
    shows = shown is None or checks.not_negative("shown", shown) >= LEAST_SHOWN
    if not student.numel():
        raise ValueError(f"student has shape {tuple(student.shape)}, no student: give one or more.")
    lacked, kept = ~student & ~teacher, (~student & teacher).sum(-1)
    room = (able.sum(-1) - student.sum(-1)).clamp(min=0)  # of each class, for further views
    no_room = (kept - room).clamp(min=0)
    rest = float((kept - no_room).sum()) / student.numel()
    return MissingViews(
        own=_share(student & alone),
        taken=_share(student & ~alone),
        overruled=_share(lacked & alone),
        unknown=_share(lacked & ~alone),
        no_room=float(no_room.sum()) / student.numel(),
        not_shown=0.0 if shows else rest,
        not_taken=rest if shows else 0.0,
    )


def _share(chosen: Tensor) -> float:
    return float(chosen.double().mean())


def shown_by(
    logits: Float[Tensor, "n k"], labels: Int[Tensor, " n"], temperature: float = 1.0
) -> float:
    """How far a teacher's soft labels differ among samples of one class: T times their distance.

    The distance of a sample's soft label from the mean one of its class, half the sum of absolute
    differences (total variation), averaged over samples. What all samples of a class share, as
    smoothed labels do, says nothing of the views that a sample shows. With the usual factor T^2 the
    gradient of Hinton's loss by the student's logits is T times the difference of probabilities
    (arXiv 1503.02531, equation 2), so that the figure is how far single samples move a student.

    Args:
        logits: The teacher's, on the student's training samples.
        temperature: T of the soft labels.

    Raises:
        ValueError: If shapes differ, a logit is not finite, labels are not classes, or T is not
            above 0.
    """
    k = shapes.fit(logits=(logits, "float n k"), labels=(labels, "int n"))["k"]
    shapes.finite(logits=logits)
    temperature = checks.temperature("temperature", temperature)
    if bool((labels < 0).any() or (labels >= k).any()):
        raise ValueError(f"labels are not all in 0 to {k - 1}, the classes of logits: mend them.")
    soft = torch.softmax(logits.double() / temperature, -1)
    total = torch.zeros(k, k, dtype=soft.dtype).index_add_(0, labels, soft)
    means = total / labels.bincount(minlength=k).clamp(min=1)[:, None]
    return float(temperature * (soft - means[labels]).abs().sum(-1).mean() / 2)
