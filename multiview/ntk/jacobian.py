"""Per-sample Jacobians of any module with respect to its trainable parameters."""

from collections.abc import Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


@dataclass(frozen=True, kw_only=True)
class PerSample:
    """A module as a function of its trainable parameters and one sample; see ``per_sample``."""

    module: nn.Module
    theta: dict[str, Tensor]  # parameters the Jacobian is taken in
    constants: dict[str, Tensor]  # frozen parameters and buffers

    @property
    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.theta.values())

    def outputs(
        self, theta: dict[str, Tensor], x: Shaped[Tensor, "..."]
    ) -> Float[Tensor, " outputs"]:
        """The outputs of one sample, all output axes flattened into one."""
        return functional_call(self.module, (theta, self.constants), (x.unsqueeze(0),)).flatten()

    def together(
        self, theta: dict[str, Tensor], x: Shaped[Tensor, "n ..."]
    ) -> Float[Tensor, "n outputs"]:
        """The outputs of a batch, evaluated at once."""
        return functional_call(self.module, (theta, self.constants), (x,)).reshape(len(x), -1)

    def jacobian(
        self, x: Shaped[Tensor, "n ..."], chosen: slice, names: Collection[str] | None = None
    ) -> Float[Tensor, "n chosen parameters"]:
        """d outputs[chosen] / d theta of each sample, parameters in one flat axis.

        Args:
            names: The parameters to differentiate in; all of theta if None.
        """
        moving = {n: p for n, p in self.theta.items() if names is None or n in names}
        one = jacrev(lambda moving, x: self.outputs(self.theta | moving, x)[chosen])
        return torch.cat([j.flatten(2) for j in vmap(one, (None, 0))(moving, x).values()], 2)


def per_sample(module: nn.Module, dtype: torch.dtype | None = None) -> PerSample:
    """Read a module as a function of one sample.

    Args:
        module: Its parameters with ``requires_grad`` count, tied ones once; the others and the
            buffers are constants. Nothing of it is changed.
        dtype: Floating-point type to evaluate in; None keeps the module's own.

    Raises:
        ValueError: If it has no trainable parameter, or a layer mixes samples or draws at random.
    """
    for name, layer in module.named_modules():
        _refuse_layer_without_kernel(name or "the module", layer)
    parameters = {name: _cast(p.detach(), dtype) for name, p in module.named_parameters()}
    theta = {n: parameters.pop(n) for n, p in module.named_parameters() if p.requires_grad}
    if not theta:
        raise ValueError(
            "module has no parameter with requires_grad=True, so its tangent kernel is empty: "
            "call module.requires_grad_(True)."
        )
    buffers = {name: _cast(b, dtype) for name, b in module.named_buffers()}
    return PerSample(module=module, theta=theta, constants=parameters | buffers)


def _cast(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Floating-point tensors in ``dtype``; labels, token ids and counters as they are."""
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _refuse_layer_without_kernel(name: str, layer: nn.Module) -> None:
    """A kernel of pairs needs f(x) to depend on x alone, and to be the same twice."""
    kind = type(layer).__name__
    if isinstance(layer, _BatchNorm):
        if layer.running_mean is None:
            raise ValueError(
                f"{name} ({kind}) has no running statistics, so it mixes samples even in eval "
                "mode: build it with track_running_stats=True, or use GroupNorm."
            )
        if layer.training:
            raise ValueError(
                f"{name} ({kind}) is in train mode and mixes the samples of a batch: "
                "call module.eval() first."
            )
    drop = getattr(layer, "p" if isinstance(layer, _DropoutNd) else "dropout", 0.0)
    if layer.training and isinstance(drop, float) and drop > 0:
        raise ValueError(
            f"{name} ({kind}) draws at random in train mode, so its kernel is not defined: "
            "call module.eval() first."
        )
