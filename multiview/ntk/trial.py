"""Trials with a few samples: how a module can be evaluated, and which layers by themselves."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from multiview.ntk.capture import Call, Evaluation, evaluate
from multiview.ntk.check import close
from multiview.ntk.jacobian import PerSample, as_type, gradients, per_sample
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


def evaluable(
    f: PerSample, x: Shaped[Tensor, "n ..."], one_by_one: Float[Tensor, "n O"]
) -> PerSample:
    """The module with samples together if vmap takes it, one by one if not.

    Args:
        one_by_one: The outputs of each of the samples ``x`` alone.
    """
    f = replace(f, vmaps=True)
    try:
        with torch.no_grad():
            same = close(f.alone(x), one_by_one, eps=f.eps)
    except Exception:  # whatever the module's own code, or torch, makes of a tensor under vmap
        same = False
    return f if same else replace(f, vmaps=False, vmaps_jacobian=False)


def differentiable(f: PerSample, x: Shaped[Tensor, "n ..."], names: Sequence[str]) -> PerSample:
    """The module with its Jacobian by vmap if that takes it, one output at a time if not.

    Args:
        names: The parameters left to the reference.
    """
    if not names or not f.vmaps_jacobian:
        return f
    two, plain = slice(0, 2), replace(f, vmaps_jacobian=False)
    wanted = plain.jacobian(x, two, names)
    try:
        same = close(f.jacobian(x, two, names), wanted)
    except Exception:  # as above
        same = False
    return f if same else plain


def usable_layers(f: PerSample, x: Shaped[Tensor, "n ..."]) -> list[Layer]:
    """The layers whose gradients are, for these samples, what the engine takes them for."""
    exact = replace(per_sample(f.module, torch.float64), vmaps=f.vmaps)  # no rounding hides
    samples = as_type(x, torch.float64)  # a difference there
    try:
        exact.outputs(exact.theta, samples[0])
    except RuntimeError:  # a type is written down in its forward
        exact, samples = f, x
    layers = _passing(exact, known_layers(exact), samples)
    if exact is f or not layers:
        return layers
    evaluation = evaluate(f, {layer.name: layer.module for layer in layers}, x)
    return [layer for layer in layers if called_alike(layer, evaluation)]


def _passing(f: PerSample, layers: Sequence[Layer], x: Shaped[Tensor, "n ..."]) -> list[Layer]:
    """Those of ``layers`` that pass the trial.

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
        alone.append(dict(zip(theta, gradients(value, list(theta.values())), strict=True)))
    largest = max((float(g.abs().max()) for g in alone[0].values() if g.numel()), default=0.0)
    found = output_gradients(evaluation, outputs @ weights)
    good = []
    for layer in layers:
        calls = evaluation.calls[layer.name]
        if not calls or not all(_by_sample(layer, call, len(x)) for call in calls):
            continue
        layer = replace(layer, **sizes(layer, calls))
        if not called_alike(layer, evaluation):
            continue
        own = parameter_gradients(layer, calls, found[layer.name])
        wanted = {name: torch.stack([one[name] for one in alone]) for name in own}
        if all(close(own[n].flatten(), wanted[n].flatten(), largest, f.eps) for n in own):
            good.append(layer)
    return good


def _by_sample(layer: Layer, call: Call, n: int) -> bool:
    """Whether a call's axes can be those of ``n`` samples."""
    if not call.kept.numel() or not call.output_shape.numel():
        return False  # nothing to contract
    image = call.kept.dim() == 4 or not isinstance(layer.module, nn.Conv2d)
    return image and call.by_sample and {len(call.kept), call.output_shape[0]} == {n}


def called_alike(layer: Layer, evaluation: Evaluation) -> bool:
    """Whether a layer was called as often as it says, in the module's precision, sample by sample,
    and its parameters were used by nothing else."""
    calls, dtype = evaluation.calls[layer.name], evaluation.outputs.dtype
    used = {evaluation.uses[name] for name in (layer.weight, layer.bias) if name}
    precise = all(call.by_sample and {call.kept.dtype, call.dtype} == {dtype} for call in calls)
    return precise and {len(calls), *used} == {layer.calls}
