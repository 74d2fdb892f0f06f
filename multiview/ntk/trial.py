"""Trials with a few samples: which layers can be taken by themselves, and which modules cannot."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from multiview.ntk.capture import Call, Evaluation, evaluate, uses
from multiview.ntk.jacobian import PerSample, as_type, per_sample
from multiview.ntk.layerwise import (
    Layer,
    known_layers,
    output_gradients,
    parameter_gradients,
    sizes,
)


def trial_samples(x1: Tensor, x2: Tensor | None) -> Tensor:
    """A few different samples; one, if there is only one in every batch to come."""
    columns = x1 if x2 is None else x2
    if len(x1) == len(columns) == 1:
        return x1
    x = torch.cat([x1[:1], x1[-1:], columns[-1:]])
    if not x.is_floating_point():
        return x
    # Equal samples would hide what a module does across them. Shrunk, numbers stay in the domain.
    shrink = torch.arange(x.numel(), device=x.device).sin().abs().view_as(x).to(x.dtype)
    return x * (1 - 0.1 * shrink)


def usable_layers(f: PerSample, x: Shaped[Tensor, "n ..."]) -> list[Layer]:
    """The layers that pass a trial in both orders of the samples: one may see them sorted."""
    exact = per_sample(f.module, torch.float64)  # where no rounding hides a difference
    samples = as_type(x, torch.float64)
    try:
        exact.outputs(exact.theta, samples[0])
    except RuntimeError:  # a type is written down in its forward
        exact, samples = f, x
    return _passing(exact, _passing(exact, known_layers(exact), samples), samples.flip(0))


def _passing(f: PerSample, layers: Sequence[Layer], x: Shaped[Tensor, "n ..."]) -> list[Layer]:
    """Those of ``layers`` whose gradients are, for these samples, what the engine takes them for.

    Each sample's gradient of one generic combination of outputs must be that of the sample alone,
    and the parameters must enter the graph through the recorded calls only. So layers that are
    fed other than sample by sample, called behind the hooks' back or tied to others are left out.
    """
    evaluation = evaluate(f, {layer.name: layer.module for layer in layers}, x)
    outputs, theta = evaluation.outputs, evaluation.theta
    if not evaluation.edges():
        return []
    weights = torch.arange(1.0, outputs.shape[-1] + 1, dtype=outputs.dtype, device=x.device).cos()
    alone = []
    for sample in x:
        value = (f.outputs(theta, sample) * weights).sum()
        gradients = torch.autograd.grad(value, list(theta.values()), materialize_grads=True)
        alone.append(dict(zip(theta, gradients, strict=True)))
    largest = max((float(g.abs().max()) for g in alone[0].values() if g.numel()), default=0.0)
    count = uses(outputs)
    gradients = output_gradients(evaluation, (outputs * weights).sum(1, keepdim=True))
    good = []
    for layer in layers:
        calls = evaluation.calls[layer.name]
        if not calls or not all(_by_sample(layer, call, len(x), outputs.dtype) for call in calls):
            continue
        layer = replace(layer, **sizes(layer, calls))
        if not called_alike(layer, evaluation, count):
            continue
        found = parameter_gradients(layer, calls, gradients[layer.name])
        wanted = {name: torch.stack([one[name] for one in alone]) for name in found}
        if all(close(found[n].flatten(), wanted[n].flatten(), largest) for n in found):
            good.append(layer)
    return good


def _by_sample(layer: Layer, call: Call, n: int, dtype: torch.dtype) -> bool:
    """Whether a call's axes can be those of ``n`` samples in the module's precision."""
    if not call.kept.numel() or not call.output_shape.numel():
        return False  # nothing to contract
    image = call.kept.dim() == 4 or not isinstance(layer.module, nn.Conv2d)
    rows = {len(call.kept), call.output_shape[0]} == {n}
    return image and rows and call.kept.dtype == dtype


def called_alike(layer: Layer, evaluation: Evaluation, count: Counter[int]) -> bool:
    """Whether a layer was called as often as it says, and its parameters used by nothing else.

    Args:
        count: The ``uses`` of the evaluation's outputs.
    """
    used = {count[id(evaluation.theta[name])] for name in (layer.weight, layer.bias) if name}
    return {len(evaluation.calls[layer.name]), *used} == {layer.calls}


def refuse_mixing(f: PerSample, x: Shaped[Tensor, "n ..."], together: Float[Tensor, "n O"]) -> None:
    """Refuse outputs of a batch that are not those of each of its samples alone.

    Args:
        x: Some samples of the batch.
        together: Their outputs, evaluated in it.

    Raises:
        ValueError: As said.
    """
    with torch.no_grad():
        for sample, outputs in zip(x, together.detach(), strict=True):
            alone = f.outputs(f.theta, sample)
            if alone.shape != outputs.shape or not close(outputs, alone):
                raise ValueError(
                    "module gives a sample other outputs in a batch than alone: a layer mixes "
                    "samples, or the first axis is not theirs, so the kernel of two samples is not "
                    "defined. Use layers that see one sample, with samples first."
                )


class RefuseDraws(TorchDispatchMode):
    """Raises where this thread is about to draw at random; nothing is drawn."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            names = [argument.name for argument in func._schema.arguments]
            given = dict(zip(names, args, strict=False)) | (kwargs or {})
            # Attention draws only if it drops; other operations that carry the tag always do.
            if "dropout_p" not in names or given.get("dropout_p", 0.0) > 0:
                raise ValueError(
                    f"module draws at random when it is evaluated ({func}), so its kernel is not "
                    "defined: call module.eval() first, or make what it draws a buffer."
                )
        return func(*args, **(kwargs or {}))


def close(actual: Tensor, expected: Tensor, largest: float = 0.0) -> bool:
    """Equal but for rounding, of themselves or of numbers of the size ``largest``."""
    if not expected.numel():
        return True
    eps = torch.finfo(expected.dtype).eps
    tolerance = max(eps**0.5 * float(expected.abs().max()), 1e4 * eps * largest)
    return bool(((actual - expected).abs() <= tolerance).all())
