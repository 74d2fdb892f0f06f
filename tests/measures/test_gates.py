"""Neurons and arithmetic of pruned networks."""

import pytest
import torch

from multiview.bench import Cell, check
from multiview.bench.images import ImageSetting
from multiview.measures import Flops, Neurons
from multiview.measures.gates import neurons
from multiview.methods import Dropout, Ensemble, Member, Members
from multiview.runs.experiment import Context
from theory_experiments.settings import SMOKE_BY_SGD


def test_neurons_and_views_are_counted_by_their_weights():
    features = torch.eye(4).view(2, 2, 4)
    weight = torch.zeros(2, 3, 4)
    weight[0, 0, 0], weight[0, 1, 1], weight[0, 2, 1] = 2.0, 0.4, 0.4  # one view, two weakly
    weight[1, 0, 2] = weight[1, 0, 3] = 1.5  # one neuron for both views
    weight[1, 1, 0] = 9.0  # a view of the other class
    found = neurons(weight, features, least=0.5)
    assert found == {"neurons": 2.5, "min_neurons": 2, "views_encoded": 1.5}
    assert neurons(weight, features, least=0.3)["views_encoded"] == 2
    assert set(neurons(0 * weight, features, 0.5).values()) == {0}


def test_measured_are_networks_that_are_there():
    bench = SMOKE_BY_SGD.bench(0, Context())
    methods = {"one": Member(), "all": Members(), "mean": Ensemble(), "drop": Dropout()}
    trained = {name: bench.trained(method) for name, method in methods.items()}
    assert list(Neurons().of(bench, trained)) == ["one"]  # one network, without dropout
    assert Neurons().of(bench, trained)["one"]["neurons"] == SMOKE_BY_SGD.width
    sizes = Flops().of(bench, trained)
    assert set(sizes) == {"one", "all", "drop"}
    assert sizes["all"]["flops"] == SMOKE_BY_SGD.members * sizes["one"]["flops"]
    with pytest.raises(ValueError, match="Neurons measures views"):
        check([Cell(setting=ImageSetting(data="multi_view"), measures=(Neurons(),))], Context())
