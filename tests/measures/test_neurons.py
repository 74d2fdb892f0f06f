"""Strongest neurons, companions, sizes, and settings as columns."""

from dataclasses import replace

import pytest
import torch

from multiview.bench import Cell, Classifier, Sgd, check, run
from multiview.bench.images import ImageSetting
from multiview.measures import (
    Companions,
    Parameters,
    PatchErrors,
    SampleSizes,
    StrongestNeurons,
    Varied,
    Views,
)
from multiview.measures.neurons import all_neurons
from multiview.methods import Booster, Labels, Rocket
from multiview.models import PatchNet
from multiview.models.shared_patch_nets import shared_patch_nets
from multiview.probes import view_norms
from multiview.runs.experiment import Context
from multiview.train import OptimSpec
from theory_experiments.settings import SMOKE_BY_SGD

OPTIM = OptimSpec(epochs=2, batch_size=30, learning_rate=1.0, weight_decay=0.0)
PATCHES = replace(SMOKE_BY_SGD, num_train=60, training=Sgd(labels=OPTIM, students=OPTIM))


def test_strongest_views_are_those_of_neurons_in_whatever_block():
    bench = PATCHES.bench(0, Context())
    features = bench.features
    k, views, d = features.shape
    weight = torch.zeros(1, k, 4, d)
    weight[0, 0, -1] = features[0, 1]
    weight[0, 1, 0] = 2 * features[1, 0]
    weight[0, 1, -1] = features[1, 1]
    weight[0, 2, 1] = -3 * features[2, 0]  # no neuron that answers to it
    weight[0, 2, 2] = features[2, 1]
    made = PatchNet.of(weight)
    blocks, other = shared_patch_nets(PatchNet.of(torch.zeros_like(weight)), made, 2)
    for net in (made.single(), other):
        found = view_norms(all_neurons(net), features)[0].argmax(-1)
        assert found[:3].tolist() == [1, 0, 1]
    assert view_norms(all_neurons(blocks), features)[0, 1].argmax() == 0  # a shared neuron
    assert views == 2
    with pytest.raises(ValueError, match="PatchNet is no single network"):
        all_neurons(PatchNet.of(torch.zeros(2, 3, 4, 5)))


def test_companions_are_measured_as_methods_are():
    measures = (Views(probes_per_view=20), PatchErrors(num_test=20), StrongestNeurons())
    methods = {"rocket": Rocket(), "booster": Booster(of=Rocket()), "labels": Labels()}
    cell = Cell(
        setting=PATCHES, methods=methods, measures=(*measures, Companions(measures=measures))
    )
    row = run(cell, Context())
    for name, value in row["booster"].items():
        beside = row["rocket"][f"booster_{name}"]
        assert torch.equal(torch.as_tensor(beside), torch.as_tensor(value)), name
    assert not any(name.startswith("booster_") for name in row["labels"])
    margins = row["labels"]["dominant_view"]
    assert margins.shape == (4,)
    image = ImageSetting(data="multi_view")
    with pytest.raises(ValueError, match="measures views"):
        check([replace(cell, setting=image, methods={"labels": Labels()})], Context())


def test_settings_stand_beside_what_is_measured_of_methods_that_were_trained():
    values = {"labels": {"rate": 0.1}, "other": {"rate": 0.2}}
    cell = Cell(setting=PATCHES, methods={"labels": Labels()}, measures=(Varied(values=values),))
    assert run(cell, Context()) == {"labels": {"rate": 0.1}}


def test_sizes_of_images_and_networks():
    setting = ImageSetting(data="multi_view", num_train=20, num_validation=10, num_test=20)
    bench = setting.bench(0, Context())
    one, two = bench.one("members"), bench.group("members", 2)
    classifiers = {
        "one": Classifier(logits=bench.frozen(one), net=one),
        "two": Classifier(logits=bench.frozen(two), net=two),
        "mean": Classifier(logits=bench.frozen(one)),
    }
    number = sum(weight.numel() for weight in one.parameters())
    found = Parameters().of(bench, classifiers)
    assert found == {"one": {"parameters": number}, "two": {"parameters": 2 * number}}
    assert SampleSizes().of(bench, {}) == {"data": {"train_images": 20, "pixels": 32}}
