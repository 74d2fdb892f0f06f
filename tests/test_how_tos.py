"""What packages say of how they are used runs as it stands there, and is short."""

import doctest
import importlib

import pytest
import torch

HOW_TOS = {
    "multiview.data": "Use samples of your own",
    "multiview.diagnosis": "Diagnose my networks",
    "multiview.distill": "Distil my model",
    "multiview.methods": "Add a method",
    "multiview.ntk": "Kernels of my module",
    "multiview.runs": "Add an experiment",
    "multiview.testing": "",
}
MOST = 30  # lines of code


@pytest.mark.parametrize("name", HOW_TOS)
def test_what_a_package_shows_runs(name: str) -> None:
    module = importlib.import_module(name)
    text = module.__doc__ or ""
    assert not HOW_TOS[name] or f"**{HOW_TOS[name]}.**" in text
    shown = doctest.DocTestParser().get_doctest(text, dict(vars(module)), name, None, 0)
    assert 0 < sum(each.source.count("\n") for each in shown.examples) <= MOST
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = doctest.DocTestRunner().run(shown)
    assert found.failed == 0


def test_the_experiment_that_is_shown_is_one() -> None:
    """Its rows are computed and its claim is judged, as the text says."""
    module = importlib.import_module("multiview.runs")
    shown = doctest.DocTestParser().get_doctest(module.__doc__ or "", {}, "runs", None, 0)
    doctest.DocTestRunner().run(shown, clear_globs=False)
    experiment = shown.globs["EXPERIMENT"]
    (cell,) = experiment.cells("laptop", experiment.options(), seeds=1)
    row = experiment.run(cell, None)
    assert 0.4 < row["coin"]["heads"] < 0.6
    (claim,) = experiment.claims_about("laptop", experiment.options())
    assert claim.name == "fair"
