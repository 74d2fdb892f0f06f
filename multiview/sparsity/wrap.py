"""Put gates into networks: into all layers of a plain one, into the blocks of a residual one."""

import copy
from typing import Any, NamedTuple

import torch
from torch import nn

from multiview import checks
from multiview.models.wide_resnet import Block, WideResNet
from multiview.sparsity.layers import GatedConv2d, GatedLinear, gated_layers, initial_dropout
from multiview.sparsity.survival import weighted

_NORMS = (nn.BatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LayerNorm)


def gate_layers(
    net: nn.Module,
    *,
    dropout: float | tuple[float, ...] = 0.5,
    per_sample: bool = False,
    generator: torch.Generator | int,
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
        ValueError: If there is no such layer, one is used twice, a norm cannot be taken in, there
            are gates already, or ``dropout`` does not fit.
    """
    _check_ungated(net)
    checks.flag("per_sample", per_sample)
    generator = checks.generator("generator", generator, "gated layers")
    chains = [each for each in net.modules() if isinstance(each, nn.Sequential)]
    inner = {part for each in chains for part in each if isinstance(part, nn.Sequential)}
    sites = [_sites(each) for each in chains if each not in inner]
    places = [(chain, i) for chain in sites for i, site in enumerate(chain) if weighted(site.layer)]
    if not places:
        raise ValueError(
            "net holds no linear layer or convolution in an nn.Sequential to gate: put some in one."
        )
    if len({chain[i].layer for chain, i in places}) < len(places):
        raise ValueError("net uses a layer twice, which cannot have two gates: use a copy.")
    rates = initial_dropout(dropout, len(places))
    for (chain, i), rate in zip(places, rates, strict=True):
        settings = {"dropout": rate, "per_sample": per_sample, "generator": generator}
        layer = chain[i].layer
        if isinstance(layer, nn.Linear):
            chain[i].put(GatedLinear(layer, **settings))
        else:
            _gate_conv(chain[i:], settings)
    return net


def with_gates(
    net: nn.Module, dropout: float | tuple[float, ...], generator: torch.Generator | int
) -> nn.Module:
    """A copy with the gates of the paper: of a WideResNet in its blocks, else in all layers.

    Args:
        dropout: Rates at which the gates start.
        generator: Sole source of the gates' start; advanced in place.

    Raises:
        ValueError: As ``gate_blocks`` and ``gate_layers``.
    """
    checks.module("net", net)
    gate = gate_blocks if isinstance(net, WideResNet) else gate_layers
    device = next(net.parameters()).device
    return gate(copy.deepcopy(net).cpu(), dropout=dropout, generator=generator).to(device)


def _check_ungated(net: nn.Module) -> None:
    checks.module("net", net)
    if gated_layers(net):
        raise ValueError("net has gates already: start from one without.")


class _Site(NamedTuple):
    """A layer and where it stands."""

    parent: nn.Sequential
    index: int

    @property
    def layer(self) -> nn.Module:
        return self.parent[self.index]

    def put(self, layer: nn.Module) -> None:
        self.parent[self.index] = layer


def _sites(chain: nn.Sequential) -> list[_Site]:
    """All layers of a chain and of those within it, in order."""
    found = []
    for i, layer in enumerate(chain):
        found += _sites(layer) if isinstance(layer, nn.Sequential) else [_Site(chain, i)]
    return found


def gate_blocks(
    net: nn.Module,
    *,
    dropout: float | tuple[float, ...] = 0.3,
    per_sample: bool = False,
    generator: torch.Generator | int,
) -> nn.Module:
    """Gate the filters of the first convolution of each block of a WideResNet, in place.

    The paper's choice of what to gate, with its start; but behind the BatchNorm that follows, which
    would cancel a gate before it (``GatedConv2d``). Dropout of the blocks themselves stays.

    Args, Returns, Raises: As ``gate_layers``.
    """
    _check_ungated(net)
    checks.flag("per_sample", per_sample)
    generator = checks.generator("generator", generator, "gated blocks")
    blocks = [each for each in net.modules() if isinstance(each, Block)]
    if not blocks:
        raise ValueError("net has no block of a WideResNet to gate: use gate_layers.")
    rates = initial_dropout(dropout, len(blocks))
    for block, rate in zip(blocks, rates, strict=True):
        settings = {"dropout": rate, "per_sample": per_sample, "generator": generator}
        _gate_conv(_sites(block.branch), settings)
    return net


def _gate_conv(sites: list[_Site], settings: dict[str, Any]) -> None:
    """Gate the convolution at the first site, and let it take in the norm behind it.

    Raises:
        ValueError: If a norm that would cancel the gate stands further on.
    """
    first, *others = sites
    following = [site for site in others if not isinstance(site.layer, nn.Identity)]
    norm = None
    if following and isinstance(following[0].layer, _NORMS):
        norm = following.pop(0)
    for site in following:
        if weighted(site.layer) is not None:
            break
        if isinstance(site.layer, _NORMS):
            raise ValueError(
                f"{type(site.layer).__name__} behind other layers would cancel the gates of the "
                "convolution before them: put it right behind the convolution."
            )
    conv = first.layer
    assert isinstance(conv, nn.Conv2d)
    first.put(GatedConv2d(conv, None if norm is None else norm.layer, **settings))
    if norm is not None:
        norm.put(nn.Identity())  # so that every other layer keeps its place
