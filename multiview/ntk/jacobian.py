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
    names: dict[str, str]  # of each tensor wherever it hangs, to its name in theta or constants

    @property
    def num_parameters(self) -> int:
        return sum(p.numel() for p in self.theta.values())

    def outputs(
        self, theta: dict[str, Tensor], x: Shaped[Tensor, "..."]
    ) -> Float[Tensor, " outputs"]:
        """The outputs of one sample, all output axes flattened into one."""
        return self._call(theta, x.unsqueeze(0)).flatten()

    def together(
        self, theta: dict[str, Tensor], x: Shaped[Tensor, "n ..."]
    ) -> Float[Tensor, "n outputs"]:
        """The outputs of a batch, evaluated at once."""
        return self._call(theta, x).reshape(len(x), -1)

    def _call(self, theta: dict[str, Tensor], x: Shaped[Tensor, "n ..."]) -> Tensor:
        tensors = theta | self.constants
        # Ties are resolved here: tie_weights=True would leave its stand-in in the place of a
        # weight whose layer is registered under two names.
        everywhere = {place: tensors[name] for place, name in self.names.items()}
        outputs = functional_call(self.module, everywhere, (x,), tie_weights=False)
        if not isinstance(outputs, Tensor):
            raise ValueError(
                f"module returns a {type(outputs).__name__}: wrap it so that it returns one "
                "tensor, a row of outputs for each sample."
            )
        return outputs

    def jacobian(
        self, x: Shaped[Tensor, "n ..."], chosen: slice, names: Collection[str] | None = None
    ) -> Float[Tensor, "n chosen parameters"]:
        """d outputs[chosen] / d theta of each sample, parameters in one flat axis.

        Args:
            names: The parameters to differentiate in; all of theta if None.
        """
        moving = {n: p for n, p in self.theta.items() if names is None or n in names}
        one = jacrev(lambda moving, x: self.outputs(self.theta | moving, x)[chosen])
        jacobians = vmap(one, (None, 0))(moving, x).values()
        return torch.cat([j.reshape(*j.shape[:2], -1) for j in jacobians], 2)


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
    names, tensors = _named(module)
    cast = {name: as_type(tensor, dtype) for name, tensor in tensors.items()}
    theta = {name: cast.pop(name) for name, tensor in tensors.items() if tensor.requires_grad}
    # Copies, for a layer may write to its buffers, and they are the caller's.
    cast = {name: constant.clone() for name, constant in cast.items()}
    if not theta:
        raise ValueError(
            "module has no parameter with requires_grad=True, so its tangent kernel is empty: "
            "call module.requires_grad_(True)."
        )
    return PerSample(module=module, theta=theta, constants=cast, names=names)


def _named(module: nn.Module) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Where each parameter and buffer hangs, and by what name; and the tensors by their name.

    A module's own tensor has one place even if the module is registered under several names.
    """
    names: dict[str, str] = {}
    tensors: dict[str, Tensor] = {}
    first: dict[int, str] = {}
    for prefix, layer in module.named_modules():
        for own, tensor in (*layer._parameters.items(), *layer._buffers.items()):
            if tensor is not None:
                place = f"{prefix}.{own}" if prefix else own
                names[place] = first.setdefault(id(tensor), place)
                tensors.setdefault(names[place], tensor)
    return names, tensors


def as_type(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A tensor without its graph, in ``dtype`` if it is floating-point: token ids stay as they are.

    What was made in inference mode is copied, for autograd could not use it.
    """
    tensor = tensor.clone() if tensor.is_inference() else tensor.detach()
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
