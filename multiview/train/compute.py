"""ComputeSpec: how the arithmetic of a module is done; frozen and outputs_of, which do it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from multiview import checks, shapes
from multiview.train.bfloat16 import is_native


@dataclass(frozen=True, kw_only=True)
class ComputeSpec:
    """Choices that make a network faster and change its outputs by rounding alone.

    On a processor that has no products in bfloat16 the choice of it leaves all in float32.

    Raises:
        ValueError: If a choice is neither True nor False.
    """

    channels_last: bool = False  # pixels before channels in memory
    bfloat16: bool = False  # autocast; weights, optimiser and losses stay in float32
    compile: bool = False  # torch.compile: minutes at first, and a C++ compiler on a CPU

    def __post_init__(self) -> None:
        for name in ("channels_last", "bfloat16", "compile"):
            object.__setattr__(self, name, checks.flag(name, getattr(self, name)))

    def prepared(self, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """``module``, put in place into the chosen memory format, as a function in float32."""
        if self.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        call = torch.compile(module) if self.compile else module

        def function(inputs: Tensor) -> Tensor:
            if self.channels_last and inputs.dim() == 4:
                inputs = inputs.contiguous(memory_format=torch.channels_last)
            with self.autocast(inputs.device):
                outputs = call(inputs)
            return outputs.float() if self.bfloat16 else outputs

        return function

    def autocast(self, device: torch.device) -> AbstractContextManager:
        """The context of the forward pass."""
        enabled = self.bfloat16 and is_native(device)
        return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def chosen(compute: ComputeSpec | None) -> ComputeSpec:
    """These choices; where there are none, those that leave all as it is."""
    chosen = ComputeSpec() if compute is None else compute
    return checks.instance("compute", chosen, ComputeSpec)


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """``module`` in eval mode and without gradients; every part's mode is restored."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part, mode in modes:
            part.training = mode


def frozen(module: nn.Module, compute: ComputeSpec | None = None) -> Callable[[Tensor], Tensor]:
    """The module as a function in eval mode, without gradient: a teacher, or what is tested.

    Raises:
        ValueError: If ``module`` is no module, or ``compute`` no ``ComputeSpec``; when called, if
            the inputs are no tensor.
    """
    checks.module("module", module)
    function = chosen(compute).prepared(module)

    def outputs(inputs: Tensor) -> Tensor:
        checks.instance("inputs", inputs, Tensor)
        with evaluating(module):
            return function(inputs)

    return outputs


def outputs_of(
    module: nn.Module,
    inputs: Shaped[Tensor, "n ..."],
    *,
    compute: ComputeSpec | None = None,
    batch_size: int = 500,
) -> Float[Tensor, "n ..."]:
    """The outputs of the ``frozen`` module, in batches; its mode is restored.

    Always in float32: rounded to bfloat16 the two best of 100 logits are equal in 2% of images, and
    a tie counts as an error. Never compiled: a net is asked a few times, with batches of several
    sizes.

    Args:
        compute: How the arithmetic is done, but for the two choices above; None: as the module is.
        batch_size: Number of inputs that go through the module at a time.

    Raises:
        ValueError: If ``inputs`` are no tensor with an axis of samples, or ``batch_size`` is no
            integer >= 1; otherwise as ``frozen``.
    """
    shapes.fit(inputs=(inputs, "any n? *axes"))
    batch_size = checks.count("batch_size", batch_size)
    function = frozen(module, replace(chosen(compute), bfloat16=False, compile=False))
    return torch.cat([function(part) for part in inputs.split(batch_size)])
