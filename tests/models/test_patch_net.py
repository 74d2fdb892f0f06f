"""PatchNet against a loop over members, classes, neurons and patches."""

from typing import Any

import pytest
import torch
from hypothesis import given
from net_strategies import patch_nets_with_data

from multiview import stream
from multiview.models import PatchNet, patch_net, smoothed_relu


@given(patch_nets_with_data())
def test_forward_equals_the_loops(case):
    net, patches, _ = case
    expected = torch.zeros(len(patches), *net.weight.shape[:2], dtype=torch.float64)
    for n, sample in enumerate(patches):
        for e, member in enumerate(net.weight.detach()):
            for i, neurons in enumerate(member):
                for w in neurons:
                    for x in sample:
                        expected[n, e, i] += smoothed_relu(w @ x, net.q, net.relu_knee)
    torch.testing.assert_close(net(patches).detach(), expected, rtol=1e-12, atol=1e-12)


@given(patch_nets_with_data())
def test_permuting_patches_changes_no_output(case):
    net, patches, _ = case
    order = torch.randperm(patches.shape[1], generator=stream(patches.shape[1], "order"))
    torch.testing.assert_close(net(patches[:, order]), net(patches), rtol=1e-12, atol=1e-12)


@given(patch_nets_with_data())
def test_each_member_equals_itself_alone(case):
    net, patches, _ = case
    alone = torch.cat([net.member(e)(patches) for e in range(len(net.weight))], dim=1)
    torch.testing.assert_close(net(patches), alone, rtol=1e-12, atol=1e-12)


def test_the_size_of_a_chunk_changes_no_output(monkeypatch):
    net = make(members=2)
    patches = torch.randn(50, 3, 8, generator=stream(0, "patches"))
    whole = net(patches)
    monkeypatch.setattr(patch_net, "CHUNK_ELEMENTS", 200)
    assert patch_net.chunk_size(3, 2 * 4 * 5) == 1
    torch.testing.assert_close(net(patches), whole)


def some_patches() -> torch.Tensor:
    return torch.randn(6, 3, 8, generator=stream(0, "patches"))


def make(**settings) -> PatchNet:
    default = {"num_classes": 4, "width": 5, "patch_dim": 8, "generator": stream(0, "init")}
    return PatchNet(**(default | settings))


def test_weights_start_gaussian_and_a_larger_ensemble_begins_with_the_same_nets():
    large = make(members=40, width=50, sigma_init=0.2).weight.detach()
    assert large.shape == (40, 4, 50, 8)
    # 64,000 draws: mean and standard deviation within 5 standard errors.
    assert abs(large.mean()) < 5 * 0.2 / 64_000**0.5
    assert abs(large.std() / 0.2 - 1) < 5 / (2 * 64_000) ** 0.5
    small = make(members=3, width=50, sigma_init=0.2).weight.detach()
    assert torch.equal(large[:3], small)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("members", 0),
        ("num_classes", 0),
        ("width", -1),
        ("patch_dim", 0),
        ("q", 1.0),
        ("relu_knee", 0.0),
        ("relu_knee", float("nan")),
        ("sigma_init", -0.1),
    ],
)
def test_bad_settings_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        make(**{field: value})


def test_with_weight_copies():
    net = make(members=2)
    other = net.with_weight(net.weight)
    other.weight.data.zero_()
    assert net.weight.abs().sum() > 0
    assert (other.q, other.relu_knee, other.sigma_init) == (net.q, net.relu_knee, net.sigma_init)


class Scaled(PatchNet):
    """A subclass with a setting of its own."""

    def __init__(self, *, scale: float = 1.0, **settings: Any) -> None:
        super().__init__(**settings)
        self.scale = scale

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        return self.scale * super().forward(patches)


def test_a_subclass_keeps_its_kind_and_its_settings():
    net = Scaled(members=3, scale=2.0, generator=stream(0), num_classes=4, width=5, patch_dim=8)
    for other in (net.with_weight(net.weight[:1]), net.member(0), net.single(0).net):
        assert isinstance(other, Scaled)
        assert other.scale == 2.0
        torch.testing.assert_close(other(some_patches()), net(some_patches())[:, :1])


def test_a_net_of_weights_is_that_net():
    net = make(members=2, q=3, relu_knee=1.5, sigma_init=0.4)
    other = PatchNet.of(net.weight, q=3, relu_knee=1.5, sigma_init=0.4)
    assert torch.equal(net(some_patches()), other(some_patches()))
    assert other.weight is not net.weight
    assert other.sigma_init == 0.4
    scaled = Scaled.of(net.weight)
    assert isinstance(scaled, Scaled)
    assert scaled.scale == 1.0


def test_with_weight_takes_no_gradient_and_no_frozen_state():
    net = make(members=2)
    net(some_patches()).sum().backward()
    other = net.requires_grad_(False).with_weight(net.weight)
    assert other.weight.requires_grad
    assert other.weight.grad is None
