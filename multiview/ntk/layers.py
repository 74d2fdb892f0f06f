"""Layers whose parameter gradients are known products of their inputs and output gradients."""

import math
from typing import TypeGuard

from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

MATRICES = (nn.Linear, nn.Conv2d)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
AFFINE = (*BATCH_NORMS, nn.GroupNorm, nn.LayerNorm)


def is_known(layer: nn.Module) -> bool:
    """Whether this file has the gradients of the layer's own ``weight`` and ``bias``.

    Subclasses, and layers with a forward of their own, may compute something else.
    """
    if "forward" in vars(layer):
        return False
    if type(layer) is nn.Conv2d:
        return layer.padding_mode == "zeros"
    return type(layer) in (*MATRICES, *AFFINE)


def is_matrix(layer: nn.Module) -> TypeGuard[nn.Linear | nn.Conv2d]:
    """Whether the weight's gradient is a sum of outer products over positions."""
    return type(layer) in MATRICES


def kept_inputs(layer: nn.Module, x: Shaped[Tensor, "n ..."]) -> Shaped[Tensor, "n ..."]:
    """What of a layer's input its gradients need: all, or, of a norm, the normalised input.

    To be called where the layer is: its buffers may be stand-ins for the time of the call.
    """
    x = x.detach()
    if isinstance(layer, BATCH_NORMS):
        mean, variance = layer.running_mean, layer.running_var
        return functional.batch_norm(x, mean, variance, None, None, False, 0.0, layer.eps)
    if isinstance(layer, nn.GroupNorm):
        return functional.group_norm(x, layer.num_groups, None, None, layer.eps)
    if isinstance(layer, nn.LayerNorm):
        return functional.layer_norm(x, layer.normalized_shape, None, None, layer.eps)
    return x


def positions(
    layer: nn.Linear | nn.Conv2d, kept: Shaped[Tensor, "n ..."]
) -> Float[Tensor, "n groups I D"]:
    """The inputs that the weight matrix meets at each of the D positions, for each group."""
    if isinstance(layer, nn.Linear):
        return kept.reshape(len(kept), 1, -1, layer.in_features).mT
    (top, left), (bottom, right) = _padding(layer)
    windows = functional.pad(kept, (left, right, top, bottom))
    for axis, size, step, dilation in zip(
        (2, 3), layer.kernel_size, layer.stride, layer.dilation, strict=True
    ):
        windows = windows.unfold(axis, dilation * (size - 1) + 1, step)[..., ::dilation]
    # A view, (n, C, places, kernel), copied once: several times faster than functional.unfold.
    patches = windows.permute(0, 1, 4, 5, 2, 3)
    return patches.reshape(len(kept), layer.groups, -1, math.prod(patches.shape[4:]))


def gradient_at_positions(
    layer: nn.Linear | nn.Conv2d, gradient: Shaped[Tensor, "n ..."]
) -> Float[Tensor, "n groups U D"]:
    """The gradient with respect to a layer's output, laid out as its ``positions``."""
    if isinstance(layer, nn.Linear):
        return gradient.reshape(len(gradient), 1, -1, layer.out_features).mT
    return gradient.reshape(len(gradient), layer.groups, -1, math.prod(gradient.shape[2:]))


def affine_gradients(
    layer: nn.Module, kept: Shaped[Tensor, "n ..."], gradient: Shaped[Tensor, "n ..."]
) -> tuple[Float[Tensor, "n C"], Float[Tensor, "n C"]]:
    """Gradients of each sample in a norm's weight and bias."""
    return tuple(  # type: ignore[return-value]
        _over_positions(layer, product) for product in (gradient * kept, gradient)
    )


def _over_positions(layer: nn.Module, x: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n C"]:
    if isinstance(layer, nn.LayerNorm):  # its weight spans the last axes
        return x.reshape(len(x), -1, math.prod(layer.normalized_shape)).sum(1)
    return x.flatten(2).sum(2) if x.dim() > 2 else x


def _padding(layer: nn.Conv2d) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros before and after, for height and width."""
    if layer.padding == "same":  # the odd one goes after
        totals = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        before = tuple(total // 2 for total in totals)
        return before, tuple(total - b for total, b in zip(totals, before, strict=True))
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    assert isinstance(layer.padding, tuple)
    return layer.padding, layer.padding
