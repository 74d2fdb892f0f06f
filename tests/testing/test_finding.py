"""Finding and Conformance: what is printed, and what fails."""

import doctest
import math
import re
import subprocess
import sys

import pytest
from faulty_losses import HONEST, over_classes_too

import multiview.testing
from multiview.testing import (
    LOSS_CHECKS,
    STEP_CHECKS,
    Conformance,
    Finding,
    check_distillation_loss,
)
from multiview.testing import loss as losses
from multiview.testing import step as steps

REPORT = re.compile(r"[\w.-]+/[\w.-]+#\d+")


def finding(**changes):
    given = {"check": "batch_mean", "quantity": "a ratio", "measured": 1.0, "expected": 1.0}
    return Finding(**{**given, "tolerance": 0.1, "bug": "a bug.", "remedy": "mend it.", **changes})


@pytest.mark.parametrize(
    ("measured", "passed"),
    [(1.0, True), (1.1 - 1e-9, True), (0.8, False), (math.nan, False), (math.inf, False)],
)
def test_a_finding_passes_within_its_tolerance_and_never_without_a_number(measured, passed):
    assert finding(measured=measured).passed is passed
    found = Conformance(subject="loss", findings=(finding(measured=measured),))
    assert found.passed is passed
    assert len(found.failures) == (not passed)


def test_failures_are_raised_as_one_assertion_with_all_that_is_to_be_said():
    check_distillation_loss(HONEST["ours"]).raise_for_failures()
    found = check_distillation_loss(over_classes_too)
    with pytest.raises(AssertionError) as error:
        found.raise_for_failures()
    text = str(error.value)
    assert text == str(found)
    lines = text.splitlines()
    assert lines[0] == "over_classes_too: 2 of 13 checks failed."
    assert lines[2].split() == ["check", "verdict", "measured", "expected"]
    table = [line.split() for line in lines[3:16]]
    assert [row[0] for row in table] == [*LOSS_CHECKS]
    assert table[1] == ["class_sum", "FAILED", "0.5", "1"]
    assert table[0][1] == "passed"
    for each in found.failures:
        flat = " ".join(text.split())
        for said in (each.quantity, each.bug, each.remedy, *each.reports):
            assert said in flat
    assert max(map(len, lines)) <= 100


def test_a_finding_is_found_by_its_name():
    found = check_distillation_loss(HONEST["ours"], only=["hot_limit", "batch_mean"])
    assert [each.check for each in found.findings] == ["batch_mean", "hot_limit"]
    assert found["hot_limit"] is found.findings[1]
    with pytest.raises(KeyError, match="class_sum"):
        found["class_sum"]


def test_every_check_says_what_it_stands_for():
    for each in (*losses.EVERY, *steps.EVERY):
        assert each.measure.__doc__
        assert each.bug.endswith(".")
        assert each.remedy.endswith(".")
        assert each.reports
        assert all(REPORT.fullmatch(report) for report in each.reports)
    assert len({*LOSS_CHECKS, *STEP_CHECKS}) == len(LOSS_CHECKS) + len(STEP_CHECKS) - 1
    assert {*LOSS_CHECKS} & {*STEP_CHECKS} == {"teacher_gradient"}


def test_the_how_to_runs():
    result = doctest.testmod(multiview.testing)
    assert result.attempted >= 8
    assert result.failed == 0


def test_the_kit_does_without_pytest():
    code = "import sys, multiview.testing; print('pytest' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
