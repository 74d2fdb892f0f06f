"""Per-sample Jacobians of any module with respect to its trainable parameters."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import functional_call, jacrev, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from multiview.ntk.alone import alone


@dataclass(frozen=True, kw_only=True)
class PerSample:
    """A module as a function of its trainable parameters and one sample; see ``per_sample``."""

    module: nn.Module
    theta: dict[str, Tensor]  # parameters the Jacobian is taken in
    constants: dict[str, Tensor]  # frozen parameters and buffers
    names: dict[str, str]  # of each tensor wherever it hangs, to its name in theta or constants
    vmaps: bool = True  # whether torch.func.vmap takes its outputs; else samples go one by one
    vmaps_jacobian: bool = True  # and their Jacobian; else one output of a sample at a time
    check_batches: bool = True  # whether each batch's outputs are held against the samples' own
    eps: float = 0.0  # rounding of the coarsest numbers on the way to its outputs, where known

    def outputs(
        self, theta: dict[str, Tensor], x: Shaped[Tensor, "..."]
    ) -> Float[Tensor, " outputs"]:
        """The outputs of one sample, all output axes flattened into one."""
        return self._call(theta, x.unsqueeze(0)).flatten()

    def alone(self, x: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n outputs"]:
        """The outputs of each sample, evaluated alone."""
        if self.vmaps:
            return alone(partial(self.outputs, self.theta), x)
        return torch.stack([self.outputs(self.theta, sample) for sample in x])

    def together(self, x: Shaped[Tensor, "n ..."]) -> Float[Tensor, "n outputs"]:
        """The outputs of a batch, evaluated at once.

        Raises:
            ValueError: If they cannot be a row for each sample.
        """
        outputs = self._call(self.theta, x)
        if outputs.dim() == 0 or outputs.numel() % len(x):
            raise ValueError(
                f"module gives {len(x)} samples outputs of shape {tuple(outputs.shape)}: it must "
                "return a row of outputs for each sample, samples first."
            )
        return outputs.reshape(len(x), -1)

    def _call(self, theta: dict[str, Tensor], x: Shaped[Tensor, "n ..."]) -> Tensor:
        tensors = theta | self.constants
        # Ties are resolved here: tie_weights=True would leave its stand-in in the place of a
        # weight whose layer is registered under two names.
        everywhere = {path: tensors[name] for path, name in self.names.items()}
        with _unchanged(self.module):
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
        if not self.vmaps_jacobian:
            return torch.stack([self._one_by_one(moving, sample, chosen) for sample in x])
        one = jacrev(lambda moving, x: self.outputs(self.theta | moving, x)[chosen])
        jacobians = vmap(one, (None, 0))(moving, x).values()
        return torch.cat([j.reshape(*j.shape[:2], -1) for j in jacobians], 2)

    def _one_by_one(
        self, moving: dict[str, Tensor], x: Shaped[Tensor, "..."], chosen: slice
    ) -> Float[Tensor, "chosen parameters"]:
        """The Jacobian of one sample by a backward pass an output."""
        moving = {name: p.detach().requires_grad_() for name, p in moving.items()}
        with torch.enable_grad():
            outputs = self.outputs(self.theta | moving, x)[chosen]
            rows = [gradients(output, list(moving.values())) for output in outputs]
        return torch.stack([torch.cat([g.flatten() for g in row]) for row in rows])


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Afterwards, every layer's attributes are what they were.

    What a module keeps of an evaluation, such as a mask for the next one, may be a stand-in that
    is good within vmap only.
    """
    kept = [(layer, dict(vars(layer))) for layer in module.modules()]
    try:
        yield
    finally:
        for layer, before in kept:
            now = vars(layer)
            for name in now.keys() - before.keys():
                del now[name]
            now.update(before)


def gradients(value: Tensor, parameters: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients of one number, which may not depend on a parameter; its graph is kept."""
    if not value.requires_grad:
        return tuple(torch.zeros_like(p) for p in parameters)
    return torch.autograd.grad(value, parameters, retain_graph=True, materialize_grads=True)


def per_sample(module: nn.Module, dtype: torch.dtype | None = None) -> PerSample:
    """Read a module as a function of one sample.

    Args:
        module: Its parameters with ``requires_grad`` count, tied ones once; the others and all
            buffers are constants. Nothing of it is changed.
        dtype: Floating-point type to evaluate in; None keeps the module's own.

    Raises:
        ValueError: If it is no module, has no trainable parameter or one that is not finite, or a
            layer mixes samples or draws at random.
    """
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"module is a {type(module).__name__}: a tangent kernel is that of the parameters of a "
            "torch.nn.Module; wrap it in one that maps a batch to a row of outputs a sample."
        )
    for name, layer in module.named_modules():
        _check_layer(name or "the module", layer)
    names, tensors = _named(module)
    cast = {name: as_type(tensor, dtype) for name, tensor in tensors.items()}
    own = {id(p) for layer in module.modules() for p in layer._parameters.values()}
    trainable = [name for name, t in tensors.items() if t.requires_grad and id(t) in own]
    theta = {name: cast.pop(name) for name in trainable}
    # Copies, for a layer may write to its buffers, and they are the caller's.
    cast = {name: constant.clone() for name, constant in cast.items()}
    if not theta:
        raise ValueError(
            "module has no parameter with requires_grad=True, so its tangent kernel is empty: "
            "call module.requires_grad_(True)."
        )
    for name, parameter in theta.items():
        if not parameter.isfinite().all():
            raise ValueError(
                f"{name} of the module has entries that are NaN or infinite"
                f"{_after_cast(dtype)}: its kernel is not defined."
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
                path = f"{prefix}.{own}" if prefix else own
                names[path] = first.setdefault(id(tensor), path)
                tensors.setdefault(names[path], tensor)
    return names, tensors


def _after_cast(dtype: torch.dtype | None) -> str:
    return "" if dtype is None else f" in {dtype}"


def as_type(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    """A tensor without its graph, in ``dtype`` if it is floating-point: token ids stay as they are.

    What was made in inference mode is copied, for autograd could not use it.
    """
    tensor = tensor.clone() if tensor.is_inference() else tensor.detach()
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _check_layer(name: str, layer: nn.Module) -> None:
    """A kernel of pairs needs f(x) to depend on x alone, and to be the same twice."""
    kind = type(layer).__name__
    if isinstance(layer, torch.jit.ScriptModule):
        raise ValueError(
            f"{name} ({kind}) is compiled by TorchScript, whose parameters cannot be replaced: "
            "give the module that it was compiled from."
        )
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
