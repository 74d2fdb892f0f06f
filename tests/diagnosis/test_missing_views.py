"""missing_views: each cause by itself, that all fractions add up, and what soft labels show."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from unchecked import unchecked

from multiview.diagnosis import MissingViews, missing_views, shown_by
from multiview.diagnosis.missing_views import CAUSES, LEAST_SHOWN


def views(*known: str) -> torch.Tensor:
    """A row a class: "10" knows the first of two views."""
    return torch.tensor([[each == "1" for each in row] for row in known])


ALL, FIRST = views("11", "11"), views("10", "10")


@pytest.mark.parametrize(
    ("cause", "others"),
    [
        ("not_taken", {"teacher": ALL, "alone": FIRST}),
        ("not_shown", {"teacher": ALL, "alone": FIRST, "shown": LEAST_SHOWN / 2}),
        ("no_room", {"teacher": ALL, "alone": FIRST, "able": FIRST}),
        ("unknown", {"teacher": FIRST, "alone": FIRST}),
        ("overruled", {"teacher": FIRST, "alone": ALL}),
    ],
)
def test_a_single_cause_keeps_the_second_views(cause, others):
    found = missing_views(FIRST, **others)
    assert found.known == 0.5
    assert found.cause == cause
    assert found.missing[cause] == 0.5
    assert sum(found.missing.values()) == 0.5
    assert CAUSES[cause] in str(found)


def test_a_student_that_knows_all_lacks_nothing():
    found = missing_views(ALL, teacher=FIRST, alone=FIRST, shown=0.0)
    assert (found.own, found.taken, found.cause) == (0.5, 0.5, None)
    assert "because" not in str(found)


def test_room_counts_views_and_not_which_they_are():
    """A net with room for one view of two has it also where it took the other one."""
    found = missing_views(FIRST, teacher=ALL, alone=FIRST, able=views("01", "01"))
    assert found.no_room == 0.5
    assert missing_views(FIRST, teacher=ALL, alone=FIRST, able=ALL).no_room == 0


def test_there_is_room_for_a_view_that_a_network_of_the_kind_would_know():
    found = missing_views(views("00"), teacher=views("10"), alone=views("00"), able=views("10"))
    assert (found.no_room, found.not_taken, found.unknown) == (0, 0.5, 0.5)


def test_several_students_have_the_mean_of_each():
    students = torch.stack([FIRST, ALL])
    teachers, alone = torch.stack([ALL, ALL]), torch.stack([FIRST, FIRST])
    found = missing_views(students, teachers, alone)
    assert (found.own, found.taken, found.not_taken) == (0.5, 0.25, 0.25)


SHAPES = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 4))


@given(shape=SHAPES, seed=st.integers(0, 99), shown=st.sampled_from([None, 0.0, 1.0]))
def test_every_view_is_counted_once(shape, seed, shown):
    drawn = torch.Generator().manual_seed(seed)
    student, teacher, alone, able = torch.rand(4, *shape, generator=drawn) > 0.5
    found = missing_views(student, teacher, alone, able, shown)
    assert sum(vars(found).values()) == pytest.approx(1)
    assert min(vars(found).values()) >= 0
    assert found.known == pytest.approx(float(student.double().mean()))


def logits(certain: float, hint: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples of three classes; every second one of a class hints at the next class."""
    labels = torch.arange(12) % 3
    hints = (torch.arange(12) // 3 % 2) * hint
    z = certain * functional.one_hot(labels, 3).double()
    return z + hints[:, None] * functional.one_hot((labels + 1) % 3, 3), labels


def test_soft_labels_show_what_differs_within_a_class():
    assert shown_by(*logits(5.0, 0.0)) == pytest.approx(0, abs=1e-12)  # smoothed labels
    assert shown_by(*logits(5.0, 4.0)) > LEAST_SHOWN
    assert shown_by(*logits(30.0, 4.0)) < 1e-6  # a saturated teacher
    assert shown_by(*logits(30.0, 4.0), temperature=20.0) > LEAST_SHOWN


def test_a_hot_limit_exists():
    """T (soft - mean) tends to half the difference of centred logits over k."""
    hot = [shown_by(*logits(5.0, 4.0), temperature=T) for T in (1e3, 1e4)]
    # z differs by 4 in one of 3 classes within a class: soft by (4/T)(1 - 1/3, -1/3, -1/3) / 3 ...
    assert hot[0] == pytest.approx(hot[1], rel=1e-2)
    assert hot[1] == pytest.approx(4 / 3 * (2 / 3) / 2, rel=1e-2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"teacher": ALL[:1]}, "teacher has shape"),
        ({"alone": FIRST.float()}, "alone"),
        ({"able": views("1", "1")}, "able has shape"),
        ({"shown": -0.1}, "shown=-0.1"),
        ({"shown": float("nan")}, "shown=nan"),
        (dict.fromkeys(("student", "teacher", "alone"), torch.zeros(0, 2, 2).bool()), "no student"),
    ],
)
def test_bad_views_are_refused(given, words):
    with unchecked(), pytest.raises(ValueError, match=words):
        missing_views(**({"student": FIRST, "teacher": ALL, "alone": FIRST} | given))


def test_bad_logits_are_refused():
    z, labels = logits(5.0, 4.0)
    for found, words in (
        ((z, labels[:3]), "labels has shape"),
        ((z, labels + 1), "labels are not all in 0 to 2"),
        ((z / 0, labels), "logits"),
    ):
        with unchecked(), pytest.raises(ValueError, match=words):
            shown_by(*found)
    with unchecked(), pytest.raises(ValueError, match="temperature=0"):
        shown_by(*logits(5.0, 4.0), temperature=0)


def test_one_view_in_twenty_may_be_missing():
    fractions = dict.fromkeys(CAUSES, 0.0) | {"unknown": 0.05}
    assert MissingViews(own=0.95, taken=0.0, **fractions).cause is None
