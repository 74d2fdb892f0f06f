"""An integer where a generator is asked for: the seed of a stream of the function's own."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from multiview import checks, stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.data.augment import cutout, flip_and_crop, hide
from multiview.data.images import standardise
from multiview.data.stand_ins import gaussian_images
from multiview.distill import knowledge_distillation, sequential_rocket_launching
from multiview.models import MLP, PatchNet, WideResNet
from multiview.models.rocket_wide_resnet import rocket_wide_resnets
from multiview.probes import view_coverage
from multiview.sparsity import gate_layers
from multiview.sparsity.baselines import reinitialised
from multiview.train import OptimSpec

SPEC = MultiViewSpec(num_classes=4, num_patches=12, patch_dim=24)


@pytest.mark.parametrize("seed", [3, np.int64(3)])
def test_a_seed_is_that_of_the_stream_for_the_purpose(seed):
    found = checks.generator("generator", seed, "samples")
    assert found.get_state().equal(stream(3, "samples").get_state())


@pytest.mark.parametrize("value", [True, 1.0, None, "seed"])
def test_what_is_no_seed_is_refused(value):
    with pytest.raises(ValueError, match="is no Generator: use an integer"):
        checks.generator("generator", value, "samples")


def test_features_and_samples_of_one_seed_are_their_own_streams():
    features = make_features(SPEC, 0)
    assert features.equal(make_features(SPEC, stream(0, "features")))
    batch = sample_patches(SPEC, features, 5, 0)
    assert batch.patches.equal(sample_patches(SPEC, features, 5, stream(0, "samples")).patches)


def test_a_data_set_draws_two_splits_that_differ():
    data = gaussian_images(20, 20, 0)
    assert data.train_images.equal(gaussian_images(20, 20, 0).train_images)
    assert not data.train_images.equal(data.test_images)
    part = data.subset(10, 10, 1)
    assert part.train_images.equal(data.subset(10, 10, 1).train_images)
    kept = data.hold_out(10, 2)
    assert kept.test_images.equal(data.hold_out(10, stream(2, "hold out")).test_images)
    assert not kept.test_images.equal(data.hold_out(10, 3).test_images)


@pytest.mark.parametrize(
    "build",
    [
        lambda g: PatchNet(members=2, num_classes=4, width=3, patch_dim=24, generator=g),
        lambda g: MLP(num_classes=3, input_shape=(1, 4, 4), widths=(5,), generator=g),
        lambda g: WideResNet(depth=10, widen=1, generator=g),
        lambda g: rocket_wide_resnets(booster_depth=16, light_depth=10, generator=g)[0],
    ],
)
def test_networks_of_one_seed_are_one(build):
    one, same, other = (build(seed).state_dict() for seed in (0, 0, 1))
    assert all(one[name].equal(same[name]) for name in one)
    assert any(not one[name].equal(other[name]) for name in one)


def test_a_light_net_and_its_booster_draw_one_after_the_other():
    light, booster = rocket_wide_resnets(booster_depth=16, light_depth=10, shared=0, generator=0)
    first, second = (next(net.parameters()) for net in (light, booster))
    assert not first.equal(second)


def test_each_layer_has_gates_of_its_own():
    layers = [nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)]
    net = gate_layers(nn.Sequential(*layers), generator=0)
    starts = [value for name, value in net.named_parameters() if name.endswith("log_alpha")]
    assert len(starts) >= 2
    assert not starts[0].equal(starts[1])


def test_a_training_of_one_seed_repeats():
    x, y = torch.randn(40, 8, generator=stream(0, "x")), torch.arange(40) % 3
    teacher = nn.Linear(8, 3)
    found = []
    for _ in range(2):
        student = nn.Linear(8, 3)
        nn.init.zeros_(student.weight)
        nn.init.zeros_(student.bias)
        spec = OptimSpec(epochs=2, batch_size=8)
        knowledge_distillation(student, teacher, x, y, spec=spec, generator=5)
        found.append(student.weight)
    assert found[0].equal(found[1])


def test_probes_may_be_drawn_by_a_seed():
    features = make_features(SPEC, 0)
    net = PatchNet(members=1, num_classes=4, width=3, patch_dim=24, generator=0)
    found = [view_coverage(net, SPEC, features, g, 20) for g in (7, stream(7, "probes"), 8)]
    assert found[0].margin.equal(found[1].margin)
    assert not found[0].margin.equal(found[2].margin)


@pytest.mark.parametrize(
    ("change", "purpose"),
    [(flip_and_crop, "flip and crop"), (cutout, "cutout"), (partial(hide, fraction=0.5), "hide")],
)
def test_images_are_changed_by_a_stream_for_each_kind_of_change(change, purpose):
    images = torch.rand(30, 3, 24, 24, generator=stream(0, "x")) + 1
    assert change(images, 4).equal(change(images, stream(4, purpose)))
    assert not change(images, 4).equal(change(images, 5))


def test_a_new_start_is_not_the_start_of_the_same_seed():
    net = MLP(num_classes=3, input_shape=(1, 4, 4), widths=(5,), generator=0)
    first, new = (next(each.parameters()) for each in (net, reinitialised(net, 0)))
    assert not first.equal(new)
    assert new.equal(next(reinitialised(net, stream(0, "new initial weights")).parameters()))


def test_boosters_and_light_net_are_ordered_one_after_the_other():
    x, y = torch.randn(40, 8, generator=stream(0, "x")), torch.arange(40) % 3
    found = []
    for seed in (5, stream(5, "order")):
        light, booster = nn.Linear(8, 3), nn.Linear(8, 3)
        for parameter in (*light.parameters(), *booster.parameters()):
            nn.init.zeros_(parameter)
        spec = OptimSpec(epochs=2, batch_size=8)
        done = sequential_rocket_launching(light, booster, x, y, spec=spec, generator=seed)
        found.append([*done.light.parameters(), *booster.parameters()])
    assert all(one.equal(other) for one, other in zip(*found, strict=True))


def test_standardised_channels_have_mean_0_and_deviation_1():
    images = torch.randint(256, (2500, 2, 3, 3), generator=stream(0, "x"), dtype=torch.uint8)
    images[:, 1] //= 4
    (found,) = standardise(images)
    assert found.double().mean((0, 2, 3)).abs().max() < 1e-6
    torch.testing.assert_close(found.double().std((0, 2, 3), correction=0), torch.ones(2).double())
    expected = (
        images.double() - images.double().mean((0, 2, 3), keepdim=True)
    ) / images.double().std((0, 2, 3), correction=0, keepdim=True)
    torch.testing.assert_close(found, expected.float(), rtol=1e-6, atol=1e-6)
