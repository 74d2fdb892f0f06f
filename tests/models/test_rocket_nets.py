"""Light and booster nets that share weights: which they share, and that they compute the same."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from unchecked import unchecked

from multiview import stream
from multiview.models import (
    PatchNet,
    RocketNets,
    WideResNet,
    light_convolutions,
    rocket_wide_resnets,
    shared_patch_nets,
)

IMAGE = (3, 8, 8)


def nets(**changes: Any) -> tuple[Any, Any]:
    settings = {"booster_depth": 22, "light_depth": 16, "image_shape": IMAGE} | changes
    return rocket_wide_resnets(**settings, generator=stream(0, "nets"))


def shared(light: Any, booster: Any) -> list[Any]:
    """The light net's layers whose weight is the booster's."""
    theirs = {id(p) for p in booster.parameters()}
    return [
        layer
        for layer in light.modules()
        if isinstance(getattr(layer, "weight", None), Tensor) and id(layer.weight) in theirs
    ]


def convolutions(net: Any) -> list[nn.Conv2d]:
    return [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]


@pytest.mark.parametrize("variant", ["interval", "bottom"])
def test_convolutions_are_shared_and_nothing_else(variant):
    light, booster = nets(variant=variant)
    found = shared(light, booster)
    assert found == convolutions(light)
    kernels = [layer.kernel_size for layer in found]
    assert kernels.count((3, 3)) == light_convolutions(22, 16, variant)
    assert kernels.count((1, 1)) == (2 if variant == "interval" else 1)
    other = {id(b) for b in booster.buffers()}
    assert not any(id(b) in other for b in light.buffers())
    own = {id(p) for p in light.parameters()} - {id(layer.weight) for layer in found}
    assert len(own) == len(list(light.parameters())) - len(found)
    assert not own & {id(p) for p in booster.parameters()}


def test_the_published_light_net_has_two_of_six_blocks_in_each_group():
    light, booster = nets(booster_depth=40)
    for group in range(3):
        for block in range(6):
            theirs: Any = booster.layers[1 + 6 * group + block]
            mine: Any = light.layers[1 + 2 * group + block] if block < 2 else None
            if mine is not None:
                assert mine.branch[0].weight is theirs.branch[0].weight
                assert mine.branch[-1].weight is theirs.branch[-1].weight
                assert (mine.shortcut is None) == (theirs.shortcut is None)
    both = sum(p.numel() for p in RocketNets(light, booster).parameters())
    norms = sum(p.numel() for p in light.parameters() if p.dim() == 1)  # and the last bias
    assert both == sum(p.numel() for p in booster.parameters()) + norms + 640


def test_the_bottom_net_is_two_groups_of_the_booster():
    settings = {"booster_depth": 40, "variant": "bottom", "widen": 2, "image_shape": (3, 32, 32)}
    light, booster = nets(**settings)
    assert light_convolutions(40, 16, "bottom") == 25
    x = torch.randn(2, 3, 32, 32, generator=stream(0, "x"))
    light.eval()
    booster.eval()
    with torch.no_grad():
        theirs = nn.Sequential(*list(booster.layers)[:13])(x)
        mine = nn.Sequential(*list(light)[:13])(x)
        assert theirs.shape == (2, 64, 16, 16)
        torch.testing.assert_close(mine, theirs)  # before training all norms are alike
        pooled = torch.relu(light[13](mine)).mean((2, 3))
        torch.testing.assert_close(light(x), pooled @ light[-1].weight.T + light[-1].bias)


def test_shared_weights_are_those_of_the_booster_and_all_others_do_not_move():
    alone: Any = WideResNet(depth=22, widen=1, image_shape=IMAGE, generator=stream(0, "nets"))
    found = {n: nets(shared=n) for n in (0, 5, "all")}
    for light, booster in found.values():
        for a, b in zip(booster.parameters(), alone.parameters(), strict=True):
            assert a.equal(b)
        assert light.layers[-1].weight.equal(found[0][0].layers[-1].weight)
    assert shared(*found[0]) == []
    own, some = (convolutions(found[n][0]) for n in (0, 5))
    assert [a.weight.equal(b.weight) for a, b in zip(own, some, strict=True)][5:] == [True] * 10


def test_depth_of_sharing_counts_from_the_input():
    for number in range(14):
        light, booster = nets(shared=number)
        found = shared(light, booster)
        three = [layer for layer in convolutions(light) if layer.kernel_size == (3, 3)]
        assert [layer for layer in found if layer.kernel_size == (3, 3)] == three[:number]
        # Shortcuts: with the 6th and the 10th, first of their blocks.
        assert len(found) - number == (number >= 6) + (number >= 10)


def test_a_light_net_costs_the_same_whatever_it_shares():
    x = torch.randn(2, *IMAGE)
    costs = []
    for number in (0, "all"):
        with FlopCounterMode(display=False) as counter:
            nets(shared=number)[0](x)
        costs.append(counter.get_total_flops())
    assert costs[0] == costs[1] > 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"variant": "top"}, "variant='top'"),
        ({"light_depth": 28}, "light_depth=28"),
        ({"light_depth": 15}, "depth=15"),
        ({"shared": 14}, "shared=14 of 13"),
        ({"shared": -1}, "shared=-1"),
    ],
)
def test_bad_pairs_are_refused(change, says):
    with unchecked(), pytest.raises(ValueError, match=says):
        nets(**change)


def patch_net(name: str, **changes: Any) -> PatchNet:
    settings: dict[str, Any] = {
        "num_classes": 3,
        "width": 4,
        "patch_dim": 7,
        "q": 3,
        "relu_knee": 1.0,
    }
    settings |= {"sigma_init": 0.5} | changes
    return PatchNet(**settings, generator=stream(0, name))


PATCHES = torch.randn(5, 6, 7, generator=stream(0, "patches"))


@pytest.mark.parametrize("number", range(5))
def test_patch_nets_are_those_of_their_neurons(number):
    light, booster = patch_net("light"), patch_net("booster", width=6)
    mine, theirs = shared_patch_nets(light, booster, number)
    weight = light.weight.detach().clone()
    weight[0, :, :number] = booster.weight.detach()[0, :, :number]
    torch.testing.assert_close(mine(PATCHES), light.with_weight(weight)(PATCHES)[:, 0])
    torch.testing.assert_close(theirs(PATCHES), booster(PATCHES)[:, 0])
    both = RocketNets(mine, theirs)
    assert both(PATCHES).shape == (5, 2, 3)
    assert sum(p.numel() for p in both.parameters()) == 3 * (4 + 6 - number) * 7
    common = {id(p) for p in mine.parameters()} & {id(p) for p in theirs.parameters()}
    assert len(common) == (number > 0)


def test_a_shared_neuron_gets_the_gradients_of_both():
    mine, theirs = shared_patch_nets(patch_net("light"), patch_net("booster"), 2)
    both = RocketNets(mine, theirs)(PATCHES)
    (total,) = torch.autograd.grad(both.sum(), mine.blocks[0], retain_graph=True)
    each = [
        torch.autograd.grad(both[:, i].sum(), mine.blocks[0], retain_graph=True)[0] for i in (0, 1)
    ]
    torch.testing.assert_close(total, each[0] + each[1])
    assert min(g.abs().max() for g in each) > 0


def test_nets_given_are_left_as_they_are():
    light, booster = patch_net("light"), patch_net("booster")
    mine, theirs = shared_patch_nets(light, booster, 2)
    kept = booster.weight.detach().clone()
    with torch.no_grad():
        for parameter in (*mine.parameters(), *theirs.parameters()):
            parameter.add_(1)
    assert booster.weight.equal(kept)


@pytest.mark.parametrize(
    ("light", "number", "says"),
    [
        ({}, 5, "shared=5"),
        ({}, -1, "shared=-1"),
        ({"members": 2}, 1, "one network each"),
        ({"q": 4}, 1, "differ"),
        ({"num_classes": 2}, 1, "differ"),
    ],
)
def test_bad_patch_nets_are_refused(light, number, says):
    with pytest.raises(ValueError, match=says):
        shared_patch_nets(patch_net("light", **light), patch_net("booster"), number)
