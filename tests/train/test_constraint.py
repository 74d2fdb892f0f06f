"""train_patch_net's constraints: what they are given, what follows, and what is refused."""

import pytest
import torch
from unchecked import unchecked

from multiview import stream
from multiview.models import PatchNet
from multiview.train import TrainSpec, train_patch_net


def problem() -> tuple[PatchNet, torch.Tensor, torch.Tensor]:
    """Two networks, and patches without any features."""
    sizes = {"num_classes": 3, "width": 4, "patch_dim": 20, "members": 2}
    net = PatchNet(**sizes, q=3, relu_knee=1.0, sigma_init=0.05, generator=stream(0, "init"))
    return net, torch.randn(60, 6, 20, generator=stream(0, "patches")), torch.arange(60) % 3


def test_a_constraint_decides_what_is_followed_and_is_told_whose_gradients_it_gets():
    net, patches, labels = problem()
    shape, seen = net.weight.shape, []

    def frozen_second(gradients, which):
        seen.append((gradients.shape, which.tolist()))
        return gradients * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1)

    for summed, numbers in ((False, [0, 1]), (True, [0])):
        spec = TrainSpec(method="gd", learning_rate=0.5, max_steps=4, summed=summed)
        found = train_patch_net(net, patches, labels, spec, constrain=frozen_second)
        assert seen == [(shape, numbers)] * len(seen)
        assert found.net.weight[1].equal(net.weight[1])
        assert not found.net.weight[0].equal(net.weight[0])
        seen.clear()


@pytest.mark.parametrize(
    ("misfit", "words"),
    [
        (lambda gradients: gradients[:1], r"shape \(1, 3, 4, 20\)"),
        (lambda gradients: gradients.flatten(1), r"shape \(2, 240\)"),
        (lambda gradients: gradients.numpy().tolist(), r"\[\[.*"),
        (lambda gradients: None, "None"),
    ],
    ids=["fewer", "flat", "list", "nothing"],
)
def test_a_constraint_of_another_shape_is_refused(misfit, words):
    net, patches, labels = problem()
    words = rf"constrain gave {words} for gradients of shape \(2, 3, 4, 20\): give"
    for method in ("flow", "sgd"):
        spec, order = TrainSpec(method=method, max_steps=4), stream(0, "sgd")
        with unchecked(), pytest.raises(ValueError, match=words):
            train_patch_net(
                net, patches, labels, spec, generator=order, constrain=lambda g, _: misfit(g)
            )
