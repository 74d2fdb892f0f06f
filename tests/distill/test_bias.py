"""best_shift: an exhaustive search agrees, and no shift beats it."""

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given

from multiview import stream
from multiview.distill import best_shift, shifted
from multiview.train.metrics import wrong


def draw(seed: int, n: int = 40, k: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = stream(seed, "logits")
    labels = torch.randint(k, (n,), generator=generator)
    logits = torch.randn(n, k, generator=generator)
    logits[torch.arange(n), labels] += 1.5
    return logits, labels


def errors(logits, labels, classes, shift) -> int:
    return int(wrong(shifted(logits, classes, shift), labels).sum())


@given(st.integers(0, 200), st.sampled_from([(2,), (0, 3), (0, 1, 2)]), st.floats(-5, 5))
def test_no_shift_leaves_fewer_wrong(seed, classes, hidden):
    logits, labels = draw(seed)
    logits = shifted(logits, classes, hidden)
    best = best_shift(logits, labels, classes)
    least = min(errors(logits, labels, classes, s) for s in torch.linspace(-12, 12, 481).tolist())
    assert errors(logits, labels, classes, best) <= least


def test_a_bias_that_was_taken_away_is_found_again():
    logits, labels = draw(0, n=4000)
    lowered = shifted(logits, (2,), -3.5)
    assert best_shift(logits, labels, (2,)) == pytest.approx(0, abs=0.4)
    assert best_shift(lowered, labels, (2,)) == pytest.approx(3.5, abs=0.4)
    gained = errors(lowered, labels, (2,), 0) - errors(lowered, labels, (2,), 3.5)
    assert gained > 400


def test_where_nothing_is_to_gain_nothing_is_shifted():
    logits, labels = 10 * torch.eye(4), torch.arange(4)
    assert best_shift(logits, labels, (1,)) == 0


def test_only_the_named_classes_are_shifted():
    logits = torch.zeros(2, 4)
    assert shifted(logits, (1, 3), 2.0).tolist() == [[0, 2, 0, 2]] * 2
    assert logits.sum() == 0


@pytest.mark.parametrize("classes", [(), (4,), (-1,), (0, 1, 2, 3)])
def test_bad_classes_are_refused(classes):
    with pytest.raises(ValueError, match="classes"):
        best_shift(*draw(0), classes)
