"""Networks with gates of all degrees of openness, for the tests of sparsity."""

import torch
from torch import nn

from multiview import stream
from multiview.models import MLP, LeNet5, PatchNet, WideResNet
from multiview.sparsity import GatedPatchNet, gate_blocks, gate_layers, gated_layers


def scatter_gates(net: nn.Module, seed: int = 0, centre: float = 0.0) -> nn.Module:
    """Draw log a around ``centre`` so that gates are closed, half open and open."""
    for name, layer in gated_layers(net).items():
        drawn = torch.randn(layer.gates.log_alpha.shape, generator=stream(seed, "gates", name))
        with torch.no_grad():
            layer.gates.log_alpha.copy_(centre + 3 * drawn)
    return net


def close(net: nn.Module, names: list[str]) -> nn.Module:
    """Close all gates of these layers."""
    for name in names:
        with torch.no_grad():
            gated_layers(net)[name].gates.log_alpha.fill_(-4.0)
    return net


def mlp() -> nn.Module:
    net = MLP(input_shape=(3, 4), num_classes=5, widths=(9, 7), generator=stream(0, "mlp"))
    return scatter_gates(gate_layers(net, generator=stream(0)))


def lenet() -> nn.Module:
    net = LeNet5(image_shape=(1, 20, 20), widths=(6, 8, 10), generator=stream(0, "lenet"))
    for name, value in net.state_dict().items():
        if name.endswith("bias"):  # as after a training
            value.copy_(torch.randn(value.shape, generator=stream(0, name)))
    return scatter_gates(gate_layers(net, generator=stream(0)), centre=-1.0)


def wide_resnet() -> nn.Module:
    net = WideResNet(
        depth=10, widen=1, num_classes=3, image_shape=(3, 8, 8), generator=stream(0, "wrn")
    )
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):  # as after a training
            generator = stream(0, "norm")
            for value in part.state_dict().values():
                if value.is_floating_point():
                    value.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return scatter_gates(gate_blocks(net, generator=stream(0)))


def patch_net() -> GatedPatchNet:
    settings = {"members": 2, "num_classes": 3, "width": 6, "patch_dim": 8, "sigma_init": 1.0}
    net = GatedPatchNet(PatchNet(**settings, generator=stream(0)), generator=stream(0))
    scatter_gates(net, centre=-3.0)
    return net


NETS = {  # a network and the shape of its samples
    "mlp": (mlp, (3, 4)),
    "lenet": (lenet, (1, 20, 20)),
    "wide_resnet": (wide_resnet, (3, 8, 8)),
    "patch_net": (patch_net, (5, 8)),
}
