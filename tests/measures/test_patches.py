"""Views and errors on synthetic patches, of classifiers whose answers are known."""

from dataclasses import replace

import pytest
import torch

from multiview.bench import Classifier
from multiview.bench.images import ImageSetting
from multiview.measures import PatchErrors, TestErrors, Views
from multiview.measures.patches import views_per_class
from multiview.runs.experiment import Context
from multiview.theory import lost_error
from theory_experiments.settings import SMOKE_BY_SGD

K, L = SMOKE_BY_SGD.spec.num_classes, SMOKE_BY_SGD.spec.num_views


@pytest.fixture
def bench():
    return SMOKE_BY_SGD.bench(3, Context())


def knows(bench, views: torch.Tensor) -> Classifier:
    """A classifier whose logits are the strongest projection on the views it knows, (k, L)."""
    features = bench.features * views.unsqueeze(-1)

    def logits(patches):
        return torch.einsum("npd,kvd->nkpv", patches, features).amax((-2, -1))

    return Classifier(logits=logits)


def test_views_are_those_that_a_classifier_knows(bench):
    every, first = torch.ones(K, L), torch.tensor([[1.0, 0.0]]).expand(K, L)
    one = first.clone()
    one[0] = 1
    found = Views(probes_per_view=30).of(
        bench,
        {"every": knows(bench, every), "first": knows(bench, first), "one": knows(bench, one)},
    )
    assert found["every"]["coverage"] == found["every"]["both"] == 1
    assert found["first"]["coverage"] == 0.5
    assert found["first"]["covered"].tolist() == first.bool().tolist()
    assert found["first"]["views"] == [0, 1, 0]
    assert found["one"]["both"] == 1 / K
    assert found["every"]["law"] == 0
    assert found["first"]["law"] == pytest.approx(0.5 * lost_error(SMOKE_BY_SGD.spec, L * 0.5))


def test_errors_are_on_lost_views_and_of_several_networks_the_mean(bench):
    both = [knows(bench, torch.ones(K, L)), knows(bench, torch.tensor([[1.0, 0.0]]).expand(K, L))]
    group = Classifier(logits=lambda x: torch.stack([each.logits(x) for each in both], 1))
    named = {"all": both[0], "first": both[1], "group": group}
    found = PatchErrors(num_test=300).of(bench, named)
    assert found["all"]["single"] < 0.05 < 0.2 < found["first"]["single"]
    assert found["first"]["multi"] < found["first"]["single"]
    each = [found["all"]["single"], found["first"]["single"]]
    assert found["group"]["single_each"] == each
    assert found["group"]["single"] == pytest.approx(sum(each) / 2)
    again = PatchErrors(num_test=300).of(SMOKE_BY_SGD.bench(3, Context()), named)
    assert again == found


def test_classes_are_counted_by_their_views():
    one = torch.tensor([[1, 1], [0, 1], [0, 0], [1, 0]], dtype=torch.bool)
    assert views_per_class(one) == [0.25, 0.5, 0.25]
    assert views_per_class(torch.stack([one, one & False])) == [0.625, 0.25, 0.125]


def test_a_measure_refuses_the_setting_it_cannot_measure():

    with pytest.raises(ValueError, match="Views measures views"):
        Views(probes_per_view=1).check(ImageSetting(data="multi_view"))
    with pytest.raises(ValueError, match="synthetic patches have two"):
        TestErrors().check(replace(SMOKE_BY_SGD))
