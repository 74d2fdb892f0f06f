"""Agreement of errors against loops over pairs and samples; ties; what is undefined."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import generators

from multiview import stream
from multiview.probes import Agreement, agreement

NUMBERS = (
    "disagreement",
    "both_wrong",
    "both_wrong_if_independent",
    "error_correlation",
    "same_wrong_label",
)


@st.composite
def outputs(draw):
    """Logits of a few members; whole numbers, so that many tie."""
    n, members, k = draw(st.integers(1, 12)), draw(st.integers(2, 4)), draw(st.integers(2, 4))
    generator = draw(generators())
    logits = torch.randint(-1, 2, (n, members, k), generator=generator).float()
    return logits, torch.randint(k, (n,), generator=generator)


def prediction(logits, label):
    """The label if it is strictly the largest, else the largest of the others."""
    others = [i for i in range(len(logits)) if i != label]
    best = max(others, key=lambda i: logits[i])
    return label if logits[label] > logits[best] else best


def by_loops(logits, labels):
    """Every number from its definition."""
    found = {name: [] for name in NUMBERS}
    for a, b in itertools.combinations(range(logits.shape[1]), 2):
        pairs = [
            (prediction(row[a], label), prediction(row[b], label), label)
            for row, label in zip(logits.tolist(), labels.tolist(), strict=True)
        ]
        first, second = (np.array([p[i] != p[2] for p in pairs], float) for i in (0, 1))
        both = [(p, q) for p, q, label in pairs if p != label and q != label]
        found["disagreement"].append(np.mean([p != q for p, q, _ in pairs]))
        found["both_wrong"].append(len(both) / len(pairs))
        found["both_wrong_if_independent"].append(first.mean() * second.mean())
        if first.std() > 0 and second.std() > 0:
            found["error_correlation"].append(np.corrcoef(first, second)[0, 1])
        if both:
            found["same_wrong_label"].append(np.mean([p == q for p, q in both]))
    return {name: np.mean(values) if values else math.nan for name, values in found.items()}


@given(outputs())
def test_agreement_by_loops(drawn):
    logits, labels = drawn
    measured = agreement(logits, labels)
    for name, expected in by_loops(logits, labels).items():
        assert getattr(measured, name) == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(outputs(), st.randoms())
def test_the_order_of_members_and_samples_is_irrelevant(drawn, random):
    logits, labels = drawn
    members, rows = ([*range(size)] for size in (logits.shape[1], len(labels)))
    random.shuffle(members)
    random.shuffle(rows)
    shuffled = agreement(logits[rows][:, members], labels[rows])
    for name, value in vars(agreement(logits, labels)).items():
        assert getattr(shuffled, name) == pytest.approx(value, abs=1e-12, nan_ok=True)


def one_hot(*predictions, k=4):
    """Logits (n, members, k) of members with these predictions."""
    return torch.nn.functional.one_hot(torch.tensor(predictions).T, k).float()


def test_a_member_agrees_with_itself():
    labels = torch.tensor([0, 1, 2, 3])
    found = agreement(one_hot([0, 1, 3, 0], [0, 1, 3, 0]), labels)
    assert found.disagreement == 0.0
    assert found.both_wrong == 0.5
    assert found.both_wrong_if_independent == 0.25
    assert found.error_correlation == pytest.approx(1.0)
    assert found.same_wrong_label == 1.0


def test_members_that_never_err_together():
    labels = torch.tensor([0, 1, 2, 3])
    found = agreement(one_hot([0, 1, 3, 0], [1, 0, 2, 3]), labels)
    assert found.disagreement == 1.0
    assert found.both_wrong == 0.0
    assert found.error_correlation == pytest.approx(-1.0)
    assert math.isnan(found.same_wrong_label)


def test_common_mistakes_may_differ_in_the_class():
    labels = torch.tensor([0, 0, 0, 0])
    found = agreement(one_hot([1, 1, 2, 0], [1, 2, 3, 0]), labels)
    assert found.same_wrong_label == pytest.approx(1 / 3)
    assert found.disagreement == 0.5


def test_pairs_without_a_number_are_left_out():
    labels = torch.tensor([0, 0, 0, 0])
    perfect, worse = [0, 0, 0, 0], [0, 0, 1, 1]
    found = agreement(one_hot(perfect, worse, worse), labels)
    assert found.error_correlation == pytest.approx(1.0)  # of the one pair that errs
    assert found.same_wrong_label == 1.0
    assert found.both_wrong == pytest.approx(0.5 / 3)  # defined for all three
    hopeless = agreement(one_hot([1, 1, 1, 1], worse), labels)
    assert math.isnan(hopeless.error_correlation)
    assert math.isnan(agreement(one_hot(perfect, perfect), labels).error_correlation)


def test_independent_errors_are_as_independent_ones_would_be():
    generator = stream(0, "agreement")
    logits = torch.randn(40_000, 3, 3, generator=generator)
    found = agreement(logits, torch.zeros(40_000, dtype=torch.long))
    assert found.both_wrong_if_independent == pytest.approx(4 / 9, abs=0.01)
    assert found.both_wrong == pytest.approx(found.both_wrong_if_independent, abs=0.01)
    assert abs(found.error_correlation) < 0.02
    assert found.same_wrong_label == pytest.approx(0.5, abs=0.01)


def test_ties_and_nan_are_wrong():
    labels = torch.tensor([0, 0])
    tied = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    nan = torch.full((2, 3), math.nan)
    found = agreement(torch.stack([tied, tied], 1), labels)
    assert (found.both_wrong, found.same_wrong_label, found.disagreement) == (1.0, 1.0, 0.0)
    assert agreement(torch.stack([tied, nan], 1), labels).both_wrong == 1.0


@pytest.mark.parametrize("shape", [(0, 2, 3), (4, 1, 3)])
def test_there_must_be_pairs_and_samples(shape):
    with pytest.raises(ValueError, match="members >= 2"):
        agreement(torch.zeros(shape), torch.zeros(shape[0], dtype=torch.long))


def test_a_result_is_frozen():
    with pytest.raises(AttributeError):
        Agreement(**dict.fromkeys(NUMBERS, 0.0)).both_wrong = 1.0  # pyright: ignore
