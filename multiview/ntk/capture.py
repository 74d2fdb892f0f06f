"""What passes through the layers of a module in one evaluation of many samples."""

from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, Node, get_gradient_edge

from multiview.ntk.jacobian import PerSample
from multiview.ntk.layers import kept_inputs


@dataclass(frozen=True, kw_only=True)
class Call:
    """One use of a layer."""

    kept: Shaped[Tensor, "n ..."]  # see ``layers.kept_inputs``
    output: GradientEdge  # the layer's own output, whatever is done to the tensor in place later
    output_shape: torch.Size


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Outputs, with their graph, and the calls of each layer in their order."""

    theta: dict[str, Tensor]  # the leaves of the graph
    outputs: Float[Tensor, "n O"]
    calls: dict[str, list[Call]]

    def edges(self) -> list[GradientEdge]:
        """The outputs of all calls, layer by layer."""
        return [call.output for calls in self.calls.values() for call in calls]


def evaluate(
    f: PerSample, layers: Mapping[str, nn.Module], x: Shaped[Tensor, "n ..."]
) -> Evaluation:
    """Evaluate all samples at once and record every call of ``layers``.

    Hooks see a layer's raw output, before those of the user, and are gone afterwards.
    """
    theta = {name: p.detach().requires_grad_() for name, p in f.theta.items()}
    calls: dict[str, list[Call]] = {name: [] for name in layers}

    def hook(name: str, layer: nn.Module, args: Any, kwargs: Any, output: Tensor) -> None:
        if output.requires_grad:  # else nothing of the layer moves the module's output here
            with torch.no_grad():
                kept = kept_inputs(layer, args[0] if args else kwargs["input"])
            calls[name].append(
                Call(
                    kept=kept,
                    output=get_gradient_edge(output),
                    output_shape=output.shape,
                )
            )

    with ExitStack() as stack, torch.enable_grad():
        for name, layer in layers.items():
            handle = layer.register_forward_hook(
                partial(hook, name), prepend=True, with_kwargs=True
            )
            stack.callback(handle.remove)
        outputs = f.together(theta, x)
    return Evaluation(theta=theta, outputs=outputs, calls=calls)


def uses(outputs: Tensor) -> Counter[int]:
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
