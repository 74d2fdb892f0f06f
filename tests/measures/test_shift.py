"""BiasShift: chosen on validation samples, measured on test samples."""

import torch
from tiny_benches import tiny_bench

from multiview.bench import Classifier
from multiview.measures import BiasShift
from multiview.measures.errors import errors

BENCH = tiny_bench()
SAMPLES = BENCH.samples


def logits(inputs: torch.Tensor) -> torch.Tensor:
    """Right but for the class 1, whose logit is too low by 2."""
    parts = {len(SAMPLES.test): SAMPLES.test_labels, len(SAMPLES.validation): None}
    labels = parts[len(inputs)]
    labels = SAMPLES.validation_labels if labels is None else labels
    return torch.nn.functional.one_hot(labels, 3) - torch.tensor([0.0, 2.0, 0.0])


def test_a_class_that_was_lacked_is_known_after_one_shift():
    row = BiasShift(of_method="student", classes=(1,)).of(
        BENCH, {"student": Classifier(logits=logits)}
    )
    assert row["student"] == {"error": 20 / 60, "class_error": 1.0}
    assert 1 < row["student_shifted"]["shift"] < 3
    assert row["student_shifted"]["error"] == row["student_shifted"]["class_error"] == 0


def test_the_shift_is_not_chosen_on_test_samples():
    def other_on_test(inputs: torch.Tensor) -> torch.Tensor:
        return logits(inputs) + (len(inputs) == 60) * torch.tensor([0.0, -5.0, 0.0])

    row = BiasShift(of_method="student", classes=(1,)).of(
        BENCH, {"student": Classifier(logits=other_on_test)}
    )
    assert row["student_shifted"]["class_error"] == 1
    found = errors(other_on_test(SAMPLES.test), SAMPLES.test_labels)
    assert row["student"]["error"] == float(found)
