"""The L0 penalty: against loops, scaled by N, warmed up; settings that cannot be are refused."""

import copy

import pytest
import torch
from gated_nets import lenet, mlp, patch_net, wide_resnet
from torch import nn

from multiview.sparsity import L0Spec, expected_share, gated_layers, l0_penalty
from multiview.sparsity.hard_concrete import open_probability

N = 250


def slow_penalty(net: nn.Module, strengths: list[float], decay: float) -> float:
    """Gate by gate and weight by weight."""
    total, gated = 0.0, set()
    for strength, layer in zip(strengths, gated_layers(net).values(), strict=True):
        rows = layer.gated_weights()
        pi = open_probability(layer.gates.log_alpha.detach()).flatten()
        for g in range(len(pi)):
            group = torch.cat([each[g].detach() for each in rows])
            total += float(pi[g] * (strength * len(group) + 0.5 * N * decay * group.square().sum()))
        gated |= {id(p) for p in layer.parameters() if p.dim() > 1}
        gated |= {id(p) for n, p in layer.named_parameters() if n == "conv.bias"}
        gated.add(id(layer.gates.log_alpha))
    for parameter in net.parameters():
        if id(parameter) not in gated:
            total += 0.5 * N * decay * float(parameter.detach().square().sum())
    return total / N


@pytest.mark.parametrize("build", [mlp, lenet, wide_resnet, patch_net])
def test_the_penalty_is_the_papers(build):
    net = build()
    layers = len(gated_layers(net))
    strengths = tuple(0.1 * (i + 1) for i in range(layers))
    spec = L0Spec(strength=strengths, weight_decay=0.02)
    with torch.no_grad():
        value = float(l0_penalty(net, spec, N))
        one = float(l0_penalty(net, L0Spec(strength=0.3), N))
    assert value == pytest.approx(slow_penalty(net, list(strengths), 0.02), rel=1e-4)
    assert one == pytest.approx(slow_penalty(net, [0.3] * layers, 0.0), rel=1e-4)


def test_the_groups_are_as_large_as_what_a_gate_closes():
    sizes = [each.weights_per_gate for each in gated_layers(lenet()).values()]
    assert sizes == [25 + 1, 6 * 25 + 1, 10, 10]  # filters with their biases; weights of inputs
    assert [each.weights_per_gate for each in gated_layers(mlp()).values()] == [9, 7, 5]
    assert patch_net().weights_per_gate == 8


def test_it_falls_as_the_samples_grow_and_rises_with_the_share():
    net, spec = mlp(), L0Spec(strength=0.1)
    with torch.no_grad():
        whole = float(l0_penalty(net, spec, N))
        assert float(l0_penalty(net, spec, 2 * N)) == pytest.approx(whole / 2)
        assert float(l0_penalty(net, spec, N, share=0.25)) == pytest.approx(whole / 4)


@pytest.mark.parametrize("build", [mlp, lenet, wide_resnet])
def test_every_gate_is_pushed_shut(build):
    net = build()
    l0_penalty(net, L0Spec(strength=0.1), N).backward()
    for layer in gated_layers(net).values():
        slope = layer.gates.log_alpha.grad
        assert slope is not None
        assert (slope > 0).all()


def test_warm_up():
    spec = L0Spec(delay=0.2, warmup=0.5)
    shares = [spec.share(step, 100) for step in (0, 19, 20, 45, 70, 99)]
    assert shares == pytest.approx([0, 0, 0, 0.5, 1, 1])
    assert L0Spec().share(0, 100) == 1
    assert L0Spec(delay=0.5).share(49, 100) == 0
    assert L0Spec(delay=0.5).share(50, 100) == 1


@pytest.mark.parametrize("signed", [False, True])
def test_the_lagrangian_pulls_towards_its_target_from_both_sides(signed):
    for target, sign in ((0.05, 1), (0.99, -1)):
        net = mlp()
        spec = L0Spec(target=target, signed=signed, stiffness=10.0)
        gap = float(expected_share(net).detach()) - target
        assert sign * gap > 0
        # A multiplier that grew with a signed gap has its sign.
        multiplier = 2.0 * (sign if signed else 1)
        value = l0_penalty(net, spec, N, multiplier=multiplier)
        wanted = multiplier * (gap if signed else abs(gap)) + 5 * gap**2
        assert float(value.detach()) == pytest.approx(wanted, rel=1e-4)
        slope = torch.autograd.grad(value, next(iter(gated_layers(net).values())).gates.log_alpha)
        assert (sign * slope[0] > 0).all()


def test_a_target_warms_up_from_all_weights():
    net = mlp()
    spec = L0Spec(target=0.0, stiffness=2.0)
    with torch.no_grad():
        none = float(l0_penalty(net, spec, N, share=0.0, multiplier=3.0))
        early = float(l0_penalty(net, spec, N, share=1e-6))
        late = float(l0_penalty(net, spec, N, share=1.0))
        share = float(expected_share(net))
    assert none == 0
    assert early == pytest.approx((share - 1) ** 2, rel=1e-4)
    assert late == pytest.approx(share**2)


def test_copies_of_a_gated_net_stay_free_of_weight_decay():
    for layer in gated_layers(copy.deepcopy(mlp())).values():
        assert type(layer.gates.log_alpha).__name__ == "NoDecay"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"strength": -0.1}, "strength"),
        ({"strength": ()}, "strength"),
        ({"strength": (0.1, float("nan"))}, "strength"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"delay": 0.7, "warmup": 0.4}, "delay=0.7 and warmup=0.4"),
        ({"target": 1.0}, "target"),
        ({"averaging": 1.0}, "averaging"),
        ({"ascent": float("inf")}, "ascent"),
    ],
)
def test_what_cannot_be_is_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        L0Spec(**settings)


def test_strengths_must_fit_the_layers():
    with pytest.raises(ValueError, match="3 gated layers"):
        l0_penalty(mlp(), L0Spec(strength=(0.1, 0.2)), N)
