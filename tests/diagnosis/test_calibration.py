"""Calibration: against a loop over bins, of honest probabilities, and of too certain ones."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional
from unchecked import unchecked

from multiview.diagnosis import calibration


@given(st.integers(0, 10_000), st.integers(1, 20), st.integers(2, 5))
def test_it_is_what_a_loop_over_bins_gives(seed, bins, k):
    drawn = torch.Generator().manual_seed(seed)
    probabilities = torch.randn(40, k, generator=drawn, dtype=torch.float64).softmax(1)
    labels = torch.randint(k, (40,), generator=drawn)
    confidence, chosen = probabilities.max(1)
    expected = 0.0
    for i in range(bins):
        here = (confidence * bins).long().clamp(max=bins - 1) == i
        if here.any():
            right = (chosen == labels)[here].double().mean()
            expected += float(here.double().mean() * (right - confidence[here].mean()).abs())
    found = calibration(probabilities, labels, bins)
    assert found.ece == pytest.approx(expected, abs=1e-12)
    assert found.nll == pytest.approx(float(functional.nll_loss(probabilities.log(), labels)))


def test_labels_that_are_drawn_from_the_probabilities_are_calibrated():
    drawn = torch.Generator().manual_seed(0)
    probabilities = (2 * torch.randn(100_000, 4, generator=drawn)).softmax(1)
    labels = torch.multinomial(probabilities, 1, generator=drawn)[:, 0]
    assert calibration(probabilities, labels).ece < 0.01


def test_certainty_that_is_right_in_seven_of_ten_cases_is_off_by_three_tenths():
    probabilities = functional.one_hot(torch.zeros(10, dtype=torch.int64), 2).double()
    labels = torch.tensor([0] * 7 + [1] * 3)
    assert calibration(probabilities, labels).ece == pytest.approx(0.3)
    assert calibration(probabilities, labels).nll > 100  # and finite: a label of probability 0
    assert calibration(probabilities, labels).nll < torch.inf


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        (torch.randn(3, 2), torch.zeros(3, dtype=torch.int64), "use softmax"),
        (torch.full((3, 2), 0.4), torch.zeros(3, dtype=torch.int64), "use softmax"),
        (torch.full((3, 2), 0.5), torch.tensor([0, 1, 2]), "labels"),
        (torch.full((3, 2), 0.5), torch.zeros(2, dtype=torch.int64), "labels"),
        (torch.zeros(0, 2), torch.zeros(0, dtype=torch.int64), "empty"),
    ],
)
def test_what_is_no_probability_of_a_class_is_refused(probabilities, labels, words):
    with unchecked(), pytest.raises(ValueError, match=words):
        calibration(probabilities, labels)
