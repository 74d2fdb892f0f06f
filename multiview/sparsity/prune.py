"""pruned: the same function as a smaller network without gates."""

import copy
from typing import Any

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.models import PatchNet
from multiview.sparsity.hard_concrete import eval_gates
from multiview.sparsity.layers import Gated, GatedConv2d, GatedLinear, GatedPatchNet, gated_layers
from multiview.sparsity.survival import flat, is_open, survivals, weighted


class Select(nn.Module):
    """The columns at ``index`` of flat inputs: what is left of them when the rest is not read."""

    index: Tensor

    def __init__(self, index: Int[Tensor, " kept"]) -> None:
        super().__init__()
        self.register_buffer("index", index)

    def forward(self, x: Shaped[Tensor, "n in"]) -> Shaped[Tensor, "n kept"]:
        shapes.fit(x=(x, "any n? in"))
        return x.index_select(1, self.index)


def pruned(module: nn.Module) -> nn.Module:
    """A copy of ``module`` in eval mode without gates, from which everything closed is removed.

    Its outputs are those of ``module`` in eval mode up to rounding. Removed are filters and units
    whose gate is 0 at test time, and those that no open gate listens to; gates between 0 and 1
    become part of the weights. A layer keeps one unit, of weight 0, where all gates are closed.
    ``nn.Sequential``s come out flat; what a layer of another kind reads or writes stays whole.

    A GatedPatchNet becomes a PatchNet as wide as its widest class; others are filled with neurons
    of weight 0, which say nothing.

    Raises:
        ValueError: If ``module`` has no gates, or gates of an unknown kind of layer.
    """
    if not gated_layers(checks.module("module", module)):
        raise ValueError("module has no gates, so there is nothing to prune it by.")
    return _without_gates(copy.deepcopy(module).eval(), {})


def _without_gates(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    """``module``, changed in place, or what stands for it; ``done`` holds those met before."""
    if module not in done:
        done[module] = _made_small(module, done)
    return done[module]


def _made_small(module: nn.Module, done: dict[nn.Module, nn.Module]) -> nn.Module:
    if not gated_layers(module):
        return module
    if isinstance(module, GatedPatchNet):
        return _smaller_patch_net(module)
    if type(module) is nn.Sequential:
        return nn.Sequential(*_without_closed(flat(module), done))
    if isinstance(module, GatedLinear | GatedConv2d):
        short = _without_closed([module], done)
        return short[0] if len(short) == 1 else nn.Sequential(*short)
    if isinstance(module, Gated):
        raise ValueError(f"{type(module).__name__} is a gated layer that cannot be pruned yet.")
    for name, child in list(module._modules.items()):  # two names of one child are both met
        if child is not None:
            setattr(module, name, _without_gates(child, done))
    return module


def _without_closed(layers: list[nn.Module], done: dict[nn.Module, nn.Module]) -> list[nn.Module]:
    """The chain without what is closed."""
    found = survivals(layers, is_open)
    short: list[nn.Module] = []
    given: Tensor | None = None  # which outputs of the layer before are left; None: all
    for index, layer in enumerate(layers):
        if index not in found:
            if not isinstance(layer, nn.Identity):
                short.append(_without_gates(layer, done))
            continue
        survival = found[index]
        kept = _at_least_one(survival.inputs)
        if given is not None:
            given = given.repeat_interleave(len(kept) // len(given))
        there = torch.ones_like(kept) if given is None else given
        if not kept.equal(there):  # of inputs alone: a convolution reads all there is
            short.append(Select(kept[there].nonzero().flatten()))
        outputs = _at_least_one(survival.outputs)
        short += _smaller(layer, kept, outputs)
        given = outputs if not outputs.all() else None
    return short


def _at_least_one(alive: Float[Tensor, " units"]) -> Bool[Tensor, " units"]:
    """Which units are kept: those alive, or the first, which then has weight 0."""
    kept = alive > 0
    if not kept.any():
        kept[0] = True
    return kept


def _smaller(
    layer: nn.Module, inputs: Bool[Tensor, " in"], outputs: Bool[Tensor, " out"]
) -> list[nn.Module]:
    """The layer with these inputs and outputs, its gates in its weights."""
    inner = weighted(layer)
    assert inner is not None
    weight, bias = inner.weight.detach(), inner.bias
    if isinstance(layer, GatedLinear):
        weight = weight * eval_gates(layer.gates.log_alpha.detach())
    norm = layer.norm if isinstance(layer, GatedConv2d) else None
    if isinstance(layer, GatedConv2d):
        gates = eval_gates(layer.gates.log_alpha.detach())
        if norm is None:
            weight = weight * gates.view(-1, 1, 1, 1)
            bias = None if bias is None else bias.detach() * gates
        else:
            norm = _smaller_norm(norm, gates, outputs)
    weight = weight[outputs][:, inputs]
    small = _same_kind(inner, weight)
    small.weight = nn.Parameter(weight.clone(), inner.weight.requires_grad)
    if bias is not None and inner.bias is not None:
        small.bias = nn.Parameter(bias.detach()[outputs].clone(), inner.bias.requires_grad)
    return [small] if norm is None else [small, norm]


def _same_kind(inner: nn.Linear | nn.Conv2d, weight: Tensor) -> nn.Linear | nn.Conv2d:
    """An empty layer of these sizes and else the same settings."""
    out, into = weight.shape[:2]
    common: dict[str, Any] = {"bias": inner.bias is not None, "dtype": weight.dtype}
    if isinstance(inner, nn.Linear):
        return nn.Linear(into, out, device="meta", **common).to_empty(device=weight.device)
    names = ("kernel_size", "stride", "padding", "dilation", "padding_mode")
    common |= {name: getattr(inner, name) for name in names}
    return nn.Conv2d(into, out, device="meta", **common).to_empty(device=weight.device)


def _smaller_norm(
    norm: nn.Module, gates: Float[Tensor, " filters"], kept: Bool[Tensor, " filters"]
) -> nn.BatchNorm2d:
    assert isinstance(norm, nn.BatchNorm2d)
    small = copy.deepcopy(norm)
    small.num_features = int(kept.sum())
    for name, scale in (("weight", gates), ("bias", gates)):
        value = getattr(norm, name).detach() * scale
        setattr(small, name, nn.Parameter(value[kept].clone()))
    if norm.running_mean is not None and norm.running_var is not None:
        small.running_mean, small.running_var = norm.running_mean[kept], norm.running_var[kept]
    return small.eval()


def _smaller_patch_net(layer: GatedPatchNet) -> PatchNet:
    weight = layer.effective_weight().detach()
    closed = layer.gates()[0] == 0  # (members, k, m)
    width = max(1, int((~closed).sum(-1).max()))
    first = closed.to(torch.uint8).argsort(dim=-1, stable=True)[..., :width]  # open ones
    return layer.net.with_weight(weight.take_along_dim(first.unsqueeze(-1), 2))
