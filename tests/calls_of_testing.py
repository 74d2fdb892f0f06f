"""Calls of multiview.testing."""

from typing import Any

from faulty_losses import kd
from faulty_steps import plain
from one_call import Call, holds

from multiview import testing

LOSS_SETTINGS: dict[str, Any] = {
    "only": ("class_sum", "batch_mean", "hot_limit"),
    "skip": ("hot_limit",),
    "num_samples": 4,
    "num_classes": 5,
    "seed": 1,
}
STEP_SETTINGS: dict[str, Any] = {
    "only": ("pairing", "student_parameters", "teacher_mode"),
    "skip": ("pairing",),
    "teacher_mode": "train",
    "num_samples": 4,
    "input_shape": (2, 3, 2),
    "seed": 1,
}


def _names(found: testing.Conformance, every: Any, a: dict[str, Any]) -> bool:
    """One finding for each check that was asked for, in order, and all pass."""
    only = every if a.get("only") is None else a["only"]
    names = [each for each in every if each in only and each not in a.get("skip", ())]
    return [each.check for each in found.findings] == names and found.passed


FINDING: dict[str, Any] = {
    "check": "pairing", "quantity": "a share", "measured": 1.0, "expected": 1.0, "tolerance": 0.0,
    "note": "a note", "bug": "a bug.", "remedy": "mend it.", "reports": ("a/b#1",),
}  # fmt: skip
CALLS = {
    "check_distillation_loss": Call(
        function=testing.check_distillation_loss,
        arguments=lambda: {"loss": kd, **LOSS_SETTINGS},
        right=lambda found, a: _names(found, testing.LOSS_CHECKS, a),
    ),
    "check_training_step": Call(
        function=testing.check_training_step,
        arguments=lambda: {"step": plain, **STEP_SETTINGS},
        right=lambda found, a: _names(found, testing.STEP_CHECKS, a),
    ),
    # Lists of names, which are what the checks above take.
    "LOSS_CHECKS": Call(
        function=lambda only: testing.check_distillation_loss(kd, only=only),
        arguments=lambda: {"only": testing.LOSS_CHECKS},
        right=lambda found, a: _names(found, testing.LOSS_CHECKS, a),
    ),
    "STEP_CHECKS": Call(
        function=lambda only: testing.check_training_step(plain, only=only),
        arguments=lambda: {"only": testing.STEP_CHECKS},
        right=lambda found, a: _names(found, testing.STEP_CHECKS, a),
    ),
    "Finding": Call(
        function=testing.Finding, arguments=lambda: dict(FINDING), right=holds
    ),
    "Conformance": Call(
        function=testing.Conformance,
        arguments=lambda: {"subject": "loss", "findings": (testing.Finding(**FINDING),)},
        right=holds,
    ),
}  # fmt: skip
