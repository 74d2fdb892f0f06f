"""What passes through the layers of a module in one evaluation of each sample."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from multiview.ntk.alone import alone, with_all_samples
from multiview.ntk.jacobian import PerSample
from multiview.ntk.layers import kept_inputs


@dataclass(frozen=True, kw_only=True)
class Output:
    """The position in the graph of a layer's own output, whatever is done to it in place later."""

    edge: GradientEdge
    axis: int | None  # of the samples, where vmap evaluates them; None: a batch of one sample

    def rows(self, gradient: Shaped[Tensor, "..."]) -> Shaped[Tensor, "n ..."]:
        """A gradient with respect to it, samples first."""
        return gradient if self.axis is None else gradient.movedim(self.axis, 0).squeeze(1)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One use of a layer by all samples."""

    kept: Shaped[Tensor, "n ..."]  # see ``layers.kept_inputs``
    outputs: tuple[Output, ...]  # of all samples together, or of each
    output_shape: torch.Size
    dtype: torch.dtype  # of the output
    by_sample: bool = True  # whether the first axis of what it got and gave was the sample's own

    def gradient(self, found: Iterable[Tensor | None]) -> Shaped[Tensor, "n ..."]:
        """The gradient with respect to the output, zero where it does not matter."""
        n = self.output_shape[0] // len(self.outputs)
        parts = [
            self.kept.new_zeros(n, *self.output_shape[1:]) if g is None else output.rows(g)
            for output, g in zip(self.outputs, found, strict=True)
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Outputs, with their graph, and the calls of each layer in their order."""

    theta: dict[str, Tensor]  # the leaves of the graph
    outputs: Float[Tensor, "n O"]
    calls: dict[str, list[Call]]  # none of a layer that samples do not use alike
    uses: dict[str, int]  # how often a parameter enters each sample's graph; -1 if it differs

    def edges(self) -> list[GradientEdge]:
        """The outputs of all calls, layer by layer."""
        return [
            output.edge
            for calls in self.calls.values()
            for call in calls
            for output in call.outputs
        ]


def evaluate(
    f: PerSample, layers: Mapping[str, nn.Module], x: Shaped[Tensor, "n ..."]
) -> Evaluation:
    """Evaluate each sample alone and record every call of ``layers``.

    Hooks see a layer's raw output, before those of the user, and are gone afterwards.
    """
    theta = {name: p.detach().requires_grad_() for name, p in f.theta.items()}
    if f.vmaps:
        parts = [_recorded(f, theta, layers, x)]
    else:
        parts = [_recorded(f, theta, layers, sample[None]) for sample in x]
    counts = [_uses(outputs) for outputs, _ in parts]
    uses = {name: {count[id(tensor)] for count in counts} for name, tensor in theta.items()}
    return Evaluation(
        theta=theta,
        outputs=torch.cat([outputs for outputs, _ in parts]),
        calls={name: _joined([calls[name] for _, calls in parts]) for name in layers},
        uses={name: found.pop() if len(found) == 1 else -1 for name, found in uses.items()},
    )


def _recorded(
    f: PerSample,
    theta: dict[str, Tensor],
    layers: Mapping[str, nn.Module],
    x: Shaped[Tensor, "n ..."],
) -> tuple[Float[Tensor, "n O"], dict[str, list[Call]]]:
    """Outputs and calls: of all samples by vmap, or of one."""
    calls: dict[str, list[Call]] = {name: [] for name in layers}
    record = _record_by_vmap if f.vmaps else _record

    def hook(name: str, layer: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        call = record(layer, args[0] if args else kwargs["input"], output)
        if call is not None:
            calls[name].append(call)

    with ExitStack() as stack, torch.enable_grad():
        for name, layer in layers.items():
            handle = layer.register_forward_hook(
                partial(hook, name), prepend=True, with_kwargs=True
            )
            stack.callback(handle.remove)
        if f.vmaps:
            return alone(partial(f.outputs, theta), x), calls
        return f.outputs(theta, x[0])[None], calls


def _record(layer: nn.Module, x: Tensor, output: Tensor) -> Call | None:
    """A call with a batch of one sample; None if it does not matter here."""
    if not output.requires_grad:
        return None
    return _call(layer, x, output, Output(edge=get_gradient_edge(output), axis=None))


def _record_by_vmap(layer: nn.Module, x: Tensor, output: Tensor) -> Call | None:
    """A call within ``alone``, in the graph of what all samples hold."""
    found: list[tuple[Tensor, int]] = []

    def see(tensor: Tensor, axis: int) -> tuple[Tensor, int]:
        found.append((tensor, axis))
        return tensor, axis

    with_all_samples(see, output)
    if found and not found[0][0].requires_grad:
        return None
    with torch.no_grad():
        with_all_samples(see, x)
    if len(found) < 2:  # it gives all samples the same, so that no gradient is theirs
        return _call(layer, x, output, None)
    (output, axis), (x, first) = found
    given, x = output.movedim(axis, 0), x.movedim(first, 0)
    if x.shape[1:2] != (1,) or given.shape[1:2] != (1,):
        return _call(layer, x, given, None)
    base = output._base
    given = given.squeeze(1)
    if base is not None and _geometry(base) == _geometry(given):
        # Written to in place, the output would drop its place in the graph, not that of its base.
        position = Output(edge=get_gradient_edge(base), axis=None)
    else:
        position = Output(edge=get_gradient_edge(output), axis=axis)
    return _call(layer, x.squeeze(1), given, position)


def _geometry(tensor: Tensor) -> tuple:
    return tensor.shape, tensor.stride(), tensor.storage_offset(), tensor.requires_grad


def _call(layer: nn.Module, x: Tensor, output: Tensor, position: Output | None) -> Call:
    """A call from its input and output, samples first.

    Args:
        position: None if samples are known not to be first.
    """
    by_sample = position is not None and len(x) == len(output)
    with torch.no_grad():
        kept = kept_inputs(layer, x) if by_sample else x.detach()
    return Call(
        kept=kept,
        outputs=() if position is None else (position,),
        output_shape=output.shape,
        dtype=output.dtype,
        by_sample=by_sample,
    )


def _joined(parts: Sequence[list[Call]]) -> list[Call]:
    """The calls of a layer by all samples; none where they differ in number or shape."""
    if len(parts) == 1:
        return parts[0]
    signs = {tuple((c.kept.shape, c.output_shape, c.dtype, c.by_sample) for c in p) for p in parts}
    if len(signs) > 1:
        return []
    return [
        Call(
            kept=torch.cat([call.kept for call in calls]),
            outputs=tuple(output for call in calls for output in call.outputs),
            output_shape=torch.Size([len(parts), *calls[0].output_shape[1:]]),
            dtype=calls[0].dtype,
            by_sample=all(call.by_sample for call in calls),
        )
        for calls in zip(*parts, strict=True)
    ]


def _uses(outputs: Tensor) -> Counter[int]:
    """How often each leaf tensor, by ``id``, enters the graph of ``outputs``."""
    count: Counter[int] = Counter()
    waiting: list[Node | None] = [outputs.grad_fn]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        for following, _ in node.next_functions:
            if following is not None and hasattr(following, "variable"):
                count[id(following.variable)] += 1  # type: ignore[attr-defined]
            else:
                waiting.append(following)
    return count
