"""Averages of 1, 2, ... all networks, and measures of networks at half of their steps."""

from dataclasses import replace

import pytest
import torch
from unchecked import unchecked

from multiview.bench import Classifier
from multiview.measures import Averages, Midway, PatchErrors, Views
from multiview.measures.averages import ring_means
from multiview.methods import Ensemble, Members
from multiview.probes import missed_views
from multiview.runs.experiment import Context
from theory_experiments.settings import SMOKE_BY_SGD

CHOICES = ("ring", "all")


def test_ring_means_average_each_network_and_those_that_follow():
    logits = torch.randn(3, 4, 2, dtype=torch.float64)
    means = ring_means(logits)  # (n, first network, size, k)
    assert means.shape == (3, 4, 4, 2)
    torch.testing.assert_close(means[:, :, 0], logits)
    torch.testing.assert_close(means[:, 3, 2], logits[:, [3, 0, 1]].mean(1))
    for first in range(4):
        torch.testing.assert_close(means[:, first, 3], logits.mean(1))


@pytest.mark.parametrize(("choices", "numbers"), [("ring", [3, 3, 3]), ("all", [3, 3, 1])])
def test_each_size_has_its_choices(choices, numbers):
    logits = torch.randn(5, 3, 2)
    found = dict(Averages(choices=choices).outputs({"member": logits}))
    assert list(found) == ["ensemble_1", "ensemble_2", "ensemble_3"]
    assert [each.shape[1] for each in found.values()] == numbers
    torch.testing.assert_close(found["ensemble_1"], logits)
    pairs = torch.stack([logits[:, [i, (i + 1) % 3]].mean(1) for i in range(3)], 1)
    torch.testing.assert_close(found["ensemble_2"].sum(1), pairs.sum(1))


def test_errors_by_size_are_means_over_all_choices():
    right, bad = [3.0, 0.0], [0.0, 1.0]
    logits = torch.tensor([[right, bad, bad], [bad, bad, bad]])  # both of class 0
    wrong = {
        name: float((each.argmax(-1) != 0).double().mean())
        for name, each in Averages(choices="all").outputs({"member": logits})
    }
    # Sample 0 is right wherever network 0 is averaged in: 1, 2 and 1 of the 3, 3 and 1 subsets.
    assert wrong == pytest.approx({"ensemble_1": 5 / 6, "ensemble_2": 2 / 3, "ensemble_3": 1 / 2})


@pytest.mark.parametrize(
    ("averages", "networks", "words"),
    [
        (Averages(choices="all"), 13, "use choices='ring'"),
        (Averages(of="student"), 0, "'student' is one network"),
    ],
)
def test_what_cannot_be_averaged_is_refused(averages, networks, words):
    logits = torch.zeros(2, networks, 3) if networks else torch.zeros(2, 3)
    with pytest.raises(ValueError, match=words):
        list(averages.outputs({averages.of: logits}))


def test_choices_are_checked():
    with unchecked(), pytest.raises(ValueError, match="choices"):
        Averages(choices="some")  # type: ignore[arg-type]


@pytest.mark.parametrize("choices", CHOICES)
def test_measures_are_of_averages_too(choices):
    bench = replace(SMOKE_BY_SGD, members=3).bench(2, Context())
    trained = {"member": bench.trained(Members()), "all": bench.trained(Ensemble())}
    averages = (Averages(choices=choices),)
    errors = PatchErrors(num_test=150, averages=averages).of(bench, trained)
    views = Views(probes_per_view=20, averages=averages).of(bench, trained)
    assert errors["ensemble_3"]["single"] == pytest.approx(errors["all"]["single"])
    assert errors["ensemble_1"]["multi"] == pytest.approx(errors["member"]["multi"])
    for size in (1, 2, 3):
        name = f"ensemble_{size}"
        assert set(errors[name]) == {"single", "multi", "size"}
        missed = missed_views(views["member"]["covered"], size)
        assert views[name] == {"size": size, "missed": missed}


def test_midway_is_the_measure_of_earlier_networks():
    bench = SMOKE_BY_SGD.bench(2, Context())
    untrained, trained = bench.one("members").eval(), bench.trained(Members()).logits
    both = Classifier(logits=trained, midway=untrained)
    measure = PatchErrors(num_test=100, kinds=("single",))
    found = Midway(measure=measure, names=("single",)).of(
        bench, {"student": both, "other": Classifier(logits=trained)}
    )
    expected = measure.of(bench, {"it": Classifier(logits=untrained)})["it"]["single"]
    assert found == {"student": {"single_half": expected}}
