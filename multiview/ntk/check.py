"""Modules and samples without a kernel, and the reasons."""

from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from multiview.models import PatchNet
from multiview.ntk.jacobian import PerSample

NOT_A_SAMPLE = "its kernel is not defined. Leave that sample out, or replace them."


class FirstLook(TorchDispatchMode):
    """Raises where this thread is about to draw at random; nothing is drawn. Notes precisions."""

    def __init__(self) -> None:
        super().__init__()
        self.eps = 0.0  # of the coarsest numbers seen

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            names = [argument.name for argument in func._schema.arguments]
            given = dict(zip(names, args, strict=False)) | (kwargs or {})
            # Attention and recurrent layers draw only if they drop; other operations that carry
            # the tag always do.
            drops = [given.get(name, 0.0) for name in ("dropout_p", "dropout") if name in names]
            if not drops or max(drops) > 0:
                raise ValueError(
                    f"module draws at random when it is evaluated ({func}), so its kernel is not "
                    "defined: call module.eval() first, or make what it draws a buffer."
                )
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(each, Tensor) and each.is_floating_point():
                self.eps = max(self.eps, torch.finfo(each.dtype).eps)
        return result


def first_look(f: PerSample, x: Shaped[Tensor, "..."]) -> tuple[Float[Tensor, " outputs"], float]:
    """The outputs of one sample, and the rounding of the coarsest numbers on the way to them.

    Raises:
        ValueError: If they cannot be had, are none, are drawn at random or differ the second time.
    """
    if isinstance(f.module, PatchNet) and x.shape[-1:] != f.module.weight.shape[-1:]:
        raise ValueError(
            f"samples {tuple(x.shape)} must be patches of dimension {f.module.weight.shape[-1]}, "
            "as those of the net."
        )
    with torch.no_grad():
        try:
            with FirstLook() as look:
                outputs = f.outputs(f.theta, x)
        except (RuntimeError, IndexError, TypeError) as error:
            raise ValueError(
                f"module does not take a batch of one sample {tuple(x.shape)} of {x.dtype}: "
                f"{error}. Give samples first, of the shape and type that it takes."
            ) from error
        if not outputs.numel() or not outputs.is_floating_point():
            raise ValueError(
                f"module returns {outputs.numel()} outputs of {outputs.dtype} for a sample: a "
                "kernel needs at least one, of a floating-point type."
            )
        again = f.outputs(f.theta, x)
    same = again.shape == outputs.shape and torch.equal(again.nan_to_num(), outputs.nan_to_num())
    if not same and not close(again, outputs, eps=look.eps):
        raise ValueError(
            "module gives a sample other outputs the second time: it draws at random or keeps a "
            "state, so its kernel is not defined. Call module.eval() first, or make what it draws "
            "a buffer."
        )
    return outputs, look.eps


def check_samples(**samples: Tensor | None) -> None:
    """Refuse what are no samples, none of them, or rows and columns that do not fit.

    Args:
        samples: By the names that the caller has for them: rows, and columns as ``x2`` (None: the
            rows).

    Raises:
        ValueError: As said.
    """
    given = {name: x for name, x in samples.items() if x is not None or name != "x2"}
    for name, x in given.items():
        if not isinstance(x, Tensor) or not x.dim():
            kind = "one number" if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise ValueError(f"{name} is {kind}: give a tensor, samples along its first axis.")
    tensors = [x for x in given.values() if isinstance(x, Tensor)]
    if len({x.shape[1:] for x in tensors}) > 1 or not all(map(len, tensors)):
        which = " and ".join(
            f"{name} {tuple(x.shape)}" for name, x in zip(given, tensors, strict=True)
        )
        raise ValueError(f"{which} must hold samples of one shape, at least one each.")
    if len({x.dtype for x in tensors}) > 1:
        types = zip(given, (x.dtype for x in tensors), strict=True)
        which = " and ".join(f"{name} {dtype}" for name, dtype in types)
        raise ValueError(f"{which} differ: give both one type.")


def check_finite(name: str, x: Shaped[Tensor, "n ..."], remedy: str) -> None:
    """Refuse samples, or their outputs, of which an entry is NaN or infinite.

    Raises:
        ValueError: It names the first such sample.
    """
    flat = x.detach().reshape(len(x), -1)
    if flat.is_floating_point() and not flat.isfinite().all():
        first = int(flat.isfinite().all(1).logical_not().nonzero()[0])
        raise ValueError(f"{name}[{first}] has entries that are NaN or infinite: {remedy}")


def check_no_mixing(
    together: Float[Tensor, "n O"], alone: Float[Tensor, "n O"], eps: float = 0.0
) -> None:
    """Refuse outputs of a batch that are not those of each of its samples alone.

    Args:
        eps: Rounding of the coarsest numbers on the way to them.

    Raises:
        ValueError: As said.
    """
    check_finite(
        "outputs",
        alone,
        "the module overflows or leaves its domain there, so its kernel is not defined. Leave "
        "that sample out, or scale it.",
    )
    if together.shape != alone.shape or not close(together, alone, eps=eps):
        raise ValueError(
            "module gives a sample other outputs in a batch than alone: a layer mixes "
            "samples, or the first axis is not theirs, so the kernel of two samples is not "
            "defined. Use layers that see one sample, with samples first."
        )


def close(actual: Tensor, expected: Tensor, largest: float = 0.0, eps: float = 0.0) -> bool:
    """Equal but for rounding, of themselves or of numbers of the size ``largest``."""
    if not expected.numel():
        return True
    eps = max(eps, torch.finfo(expected.dtype).eps)
    tolerance = max(eps**0.5 * float(expected.abs().max()), min(1e4 * eps, eps**0.5) * largest)
    return bool(((actual - expected).abs() <= tolerance).all())
