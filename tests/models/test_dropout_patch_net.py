"""DropoutPatchNet: the plain net in eval mode and on average, and what a mask silences."""

import pytest
import torch
from hypothesis import given
from net_strategies import patch_nets_with_data

from multiview import stream
from multiview.models import DropoutPatchNet, PatchNet, smoothed_relu
from multiview.train.training import forked_rng


def make(members: int = 2, **dropout: float) -> DropoutPatchNet:
    net = PatchNet(
        members=members,
        num_classes=3,
        width=4,
        patch_dim=6,
        relu_knee=1.0,
        sigma_init=0.7,
        generator=stream(0, "init"),
    )
    return DropoutPatchNet(net, **dropout)


def some_patches(n: int = 5) -> torch.Tensor:
    return torch.randn(n, 3, 6, generator=stream(0, "patches"))


@given(patch_nets_with_data())
def test_in_eval_mode_it_is_the_plain_net(case):
    net, patches, _ = case
    dropped = DropoutPatchNet(net, neuron=0.5, patch=0.3).eval()
    torch.testing.assert_close(dropped(patches), net(patches), rtol=1e-12, atol=1e-12)
    assert torch.equal(dropped.plain()(patches), net(patches))


def test_a_member_is_itself_alone_and_shares_no_weight():
    net = make(members=3, neuron=0.5, patch=0.2).eval()
    one = net.member(1).eval()
    torch.testing.assert_close(one(some_patches()), net(some_patches())[:, 1:2])
    assert (one.neuron.p, one.patch.p) == (0.5, 0.2)
    with torch.no_grad():
        one.nets.weight.zero_()
        net.plain().weight.zero_()
    assert net.nets.weight.all()


@pytest.mark.parametrize(
    "dropout", [{"neuron": 0.4}, {"patch": 0.4}, {"neuron": 0.3, "patch": 0.2}]
)
def test_the_mean_over_masks_is_the_plain_net(dropout):
    net, patches, masks = make(**dropout), some_patches(2), 20_000
    with forked_rng(stream(0, "masks"), patches.device), torch.no_grad():
        outputs = net(patches.repeat_interleave(masks, 0)).unflatten(0, (2, masks))
    error = outputs.std(1) / masks**0.5
    gap = (outputs.mean(1) - net.eval()(patches)).abs()
    assert (outputs.std(1) > 0.01).any()
    assert (gap <= 5 * error + 1e-6).all()


def test_masks_silence_whole_neurons_and_whole_patches():
    patches = some_patches(1)
    for dropout in ({"neuron": 0.5}, {"patch": 0.5}):
        net = make(members=1, **dropout)
        weight = net.plain().weight[0]
        answers = smoothed_relu(torch.einsum("pd,kmd->kmp", patches[0], weight), 4, 1.0)
        parts = answers.sum(2) if "neuron" in dropout else answers.sum(1)
        possible = [
            2 * sum(row[i] for i in range(len(row)) if chosen >> i & 1)
            for row in parts.detach()
            for chosen in range(2 ** len(row))
        ]
        with forked_rng(stream(1, "masks"), patches.device), torch.no_grad():
            outputs = net(patches.expand(50, -1, -1)).flatten()
        nearest = (outputs.unsqueeze(1) - torch.tensor(possible)).abs().amin(1)
        assert nearest.max() < 1e-5
        assert len(outputs.unique()) > 10


def test_members_and_samples_have_masks_of_their_own():
    net = make(members=1, neuron=0.5, patch=0.5)
    both = DropoutPatchNet(
        net.plain().with_weight(net.nets.weight.expand(2, -1, -1, -1)), patch=0.5
    )
    with forked_rng(stream(2, "masks"), torch.device("cpu")), torch.no_grad():
        outputs = both(some_patches(1).expand(20, -1, -1))
    assert not torch.equal(outputs[:, 0], outputs[:, 1])
    assert len(outputs[:, 0].unique(dim=0)) > 3


@pytest.mark.parametrize("name", ["neuron", "patch"])
@pytest.mark.parametrize("value", [-0.1, 1.0, float("nan")])
def test_bad_probabilities_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        make(**{name: value})
