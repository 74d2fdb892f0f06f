"""Facts about methods and measures that a wrong index or divisor would break."""

from typing import Any

import pandas as pd
import pytest
import torch
from tiny_benches import tiny_bench

from multiview.bench import Classifier, Entry, averaged
from multiview.comparison.entries import with_predictions
from multiview.measures import PatchErrors, TestErrors
from multiview.methods import Members, Neighbours
from multiview.runs.experiment import Context
from multiview.train.metrics import wrong
from theory_experiments.settings import SMOKE_BY_SGD


def test_the_neighbour_of_a_network_is_the_next_one():
    bench = tiny_bench(members=3)
    members = bench.trained(Members()).logits(bench.inputs)
    following = bench.trained(Neighbours()).logits(bench.inputs)
    assert following.equal(members[:, [1, 2, 0]])
    assert not members[:, 0].equal(members[:, 2])


def test_errors_on_patches_are_counts_over_all_test_samples():
    bench = SMOKE_BY_SGD.bench(0, Context())
    never = Classifier(logits=lambda patches: torch.zeros(len(patches), bench.num_classes))
    found = PatchErrors(num_test=50).of(bench, {"never": never})
    assert found["never"] == {"single": 1.0, "multi": 1.0}  # ties are errors


def test_validation_errors_are_those_on_validation_samples():
    bench = tiny_bench()
    trained = bench.trained(Members())
    found = TestErrors(validation=True).of(bench, {"member": trained})["member"]
    parts = {
        "validation": (bench.samples.validation, bench.samples.validation_labels),
        "train": (bench.samples.train, bench.samples.train_labels),
        "error": (bench.samples.test, bench.samples.test_labels),
    }
    for name, (inputs, labels) in parts.items():
        expected = wrong(trained.logits(inputs), labels).double().mean()
        assert found[name] == pytest.approx(float(expected))


def test_predictions_are_of_as_many_networks_as_there_are_members():
    lines = [{"seed": 0, "members": 3, "method": name, "coverage": 0.5} for name in ("one", "all")]
    entries = {"all": Entry(Members(), "all", theory=averaged("one"))}
    found: Any = with_predictions(pd.DataFrame(lines), entries).set_index("method")["predicted"]
    assert found["all"] == pytest.approx(1 - 0.5**3)
