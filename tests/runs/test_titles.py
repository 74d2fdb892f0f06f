"""Titles and presets: what is read from a source is what the script says."""

import ast

import pytest

from multiview.runs import find
from multiview.runs.titles import listed, presets_in


@pytest.mark.parametrize(
    "presets",
    [
        '{"a": 1, "b": 2}',
        "GIVEN",
        "{name: f(n) for name, n in GIVEN.items()}",
        "{name: f(name) for name in GIVEN}",
    ],
)
def test_presets_are_read_from_the_source(presets):
    source = f'GIVEN: dict = {{"a": 1, "b": 2}}\nEXPERIMENT = Experiment(presets={presets})'
    assert presets_in(ast.parse(source)) == ("a", "b")


@pytest.mark.parametrize(
    "presets",
    [
        "PRESETS",
        "f()",
        "{name: 1 for name, n in GIVEN.items() if n}",
        "{n: 1 for k, n in GIVEN}",
        '{**GIVEN, "c": 1}',
        "{f(name): 1 for name in GIVEN}",
        "{1: 2}",
    ],
)
def test_presets_that_a_source_does_not_state_are_not_guessed(presets):
    given = 'GIVEN = {"a": 1, "b": 2}\nPRESETS = PRESETS'
    source = f"{given}\nEXPERIMENT = Experiment(presets={presets})"
    assert presets_in(ast.parse(source)) is None


@pytest.mark.parametrize("name", find.names())
def test_the_list_says_what_the_experiments_say(name):
    experiment = find.find(name)
    assert listed(name) == (experiment.title, tuple(experiment.presets))
