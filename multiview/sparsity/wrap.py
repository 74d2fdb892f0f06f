"""Put gates into networks: into all layers of a plain one, into the blocks of a residual one."""

import torch
from torch import nn

from multiview.models.wide_resnet import Block
from multiview.sparsity.layers import GatedConv2d, GatedLinear, initial_dropout


def gate_layers(
    net: nn.Module,
    *,
    dropout: float | tuple[float, ...] = 0.5,
    per_sample: bool = False,
    generator: torch.Generator,
) -> nn.Module:
    """Gate each layer of the network's ``nn.Sequential``s, in place: inputs of linear layers and
    filters of convolutions, behind the BatchNorm that follows one.

    So MLPs and LeNet-5 have gates in the paper. A layer outside of an ``nn.Sequential`` is left.

    Args:
        dropout: Where the gates start, of all layers or of each in order; the paper's are 0.2 for
            inputs and 0.5 for hidden units of its MLP, 0.5 for LeNet-5.
        per_sample, generator: As of ``HardConcrete``.

    Returns:
        ``net``.

    Raises:
        ValueError: If there is no such layer, or ``dropout`` does not fit.
    """
    chains = [each for each in net.modules() if isinstance(each, nn.Sequential)]
    places = [
        (chain, i)
        for chain in chains
        for i, layer in enumerate(chain)
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    if not places:
        raise ValueError("net holds no linear layer or convolution in an nn.Sequential to gate.")
    rates = initial_dropout(dropout, len(places))
    for (chain, i), rate in zip(places, rates, strict=True):
        settings = {"dropout": rate, "per_sample": per_sample, "generator": generator}
        layer = chain[i]
        if isinstance(layer, nn.Linear):
            chain[i] = GatedLinear(layer, **settings)
        else:
            _gate_conv(chain, i, settings)
    return net


def gate_blocks(
    net: nn.Module,
    *,
    dropout: float | tuple[float, ...] = 0.3,
    per_sample: bool = False,
    generator: torch.Generator,
) -> nn.Module:
    """Gate the filters of the first convolution of each block of a WideResNet, in place.

    The paper's choice of what to gate, with its start; but behind the BatchNorm that follows, which
    would cancel a gate before it (``GatedConv2d``). Dropout of the blocks themselves stays.

    Args, Returns, Raises: As ``gate_layers``.
    """
    blocks = [each for each in net.modules() if isinstance(each, Block)]
    if not blocks:
        raise ValueError("net has no block of a WideResNet to gate: use gate_layers.")
    rates = initial_dropout(dropout, len(blocks))
    for block, rate in zip(blocks, rates, strict=True):
        settings = {"dropout": rate, "per_sample": per_sample, "generator": generator}
        _gate_conv(block.branch, 0, settings)
    return net


def _gate_conv(chain: nn.Sequential, i: int, settings: dict) -> None:
    """Gate the convolution at ``i``, and let it take in the norm behind it."""
    following = chain[i + 1] if i + 1 < len(chain) else None
    norm = following if isinstance(following, nn.BatchNorm2d | nn.GroupNorm) else None
    conv = chain[i]
    assert isinstance(conv, nn.Conv2d)
    chain[i] = GatedConv2d(conv, norm, **settings)
    if norm is not None:
        chain[i + 1] = nn.Identity()  # so that every other layer keeps its place
