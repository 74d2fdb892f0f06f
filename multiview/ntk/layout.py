"""How kernels and targets lie: three layouts of a kernel, one of targets, columns between them.

A kernel's number of axes says which it is, in the words of ``gram``:

- "trace" (n, n): one kernel serves every output.
- "per_class" (k, n, n): each output has its own.
- "full" (n, n, k, k): K[i, j, a, b] couples outputs a and b; one (n k, n k) matrix.

Each is a stack of B matrices (B, m, m): (1, n, n), (k, n, n), (1, n k, n k). Targets, dual
coefficients and outputs are (..., n, k), with any leading axes of further regressions, and become
columns (B, m, s): one a regression and output, but one a regression where outputs are coupled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from multiview import shapes
from multiview.ntk.arguments import check_tensor

Kernel = Float[Tensor, "n n"] | Float[Tensor, "k n n"] | Float[Tensor, "n n k k"]
CrossKernel = Float[Tensor, "t n"] | Float[Tensor, "k t n"] | Float[Tensor, "t n k k"]
ASYMMETRY = 1e-3  # of products, relative to the kernel: more than float32 makes
Product = Callable[[Tensor], Tensor]  # float64 columns (B, m, s) to K @ columns


@runtime_checkable
class Operator(Protocol):
    """A kernel that is only multiplied by, for instance because it lies on disk."""

    @property
    def shape(self) -> Sequence[int]:
        """Shape of the kernel: (n, n) or (k, n, n)."""
        ...

    def matmul(self, columns: Tensor, /) -> Tensor:
        """Product with float64 columns (B, n, s), B being 1 or k: the same shape."""
        ...


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Which of the three a kernel is, for how many training samples and outputs."""

    outputs: Literal["trace", "per_class", "full"]
    n: int  # training samples, the kernel's columns
    k: int | None  # outputs; None: any number

    @property
    def matrices(self) -> int:
        """B, the number of matrices."""
        return self.k if self.outputs == "per_class" and self.k is not None else 1

    @property
    def size(self) -> int:
        """m, the columns of each matrix."""
        return self.n * self.k if self.outputs == "full" and self.k is not None else self.n

    def columns(self, targets: Float[Tensor, "*sets n k"]) -> Float[Tensor, "B m s"]:
        """Targets, or anything shaped like them, as float64 columns."""
        flat = targets.to(torch.float64).reshape(-1, *targets.shape[-2:])
        if self.outputs == "trace":
            return flat.transpose(0, 1).flatten(1)[None]
        return flat.permute(2, 1, 0) if self.outputs == "per_class" else flat.flatten(1).T[None]

    def targets(
        self, columns: Float[Tensor, "B r s"], shape: Sequence[int]
    ) -> Float[Tensor, "*sets rows k"]:
        """Columns of any rows (training or test) back in ``shape``, (..., rows, k)."""
        sets, (rows, k) = prod(shape[:-2]), shape[-2:]
        if self.outputs == "trace":
            flat = columns.view(rows, sets, k).transpose(0, 1)
        elif self.outputs == "per_class":
            flat = columns.permute(2, 1, 0)
        else:
            flat = columns[0].T
        return flat.reshape(*shape)

    def check(self, targets: Tensor, name: str = "targets") -> None:
        """Refuse what is not (..., n, k) or not finite.

        Raises:
            ValueError: As said.
        """
        check_tensor(name, targets)
        if (
            not targets.numel()
            or targets.dim() < 2
            or targets.shape[-2] != self.n
            or self.k not in (None, targets.shape[-1])
        ):
            raise ValueError(
                f"{name} {tuple(targets.shape)} must be (..., n, k) for the {self.outputs!r} "
                f"kernel: n={self.n} rows" + (f", k={self.k} columns." if self.k else ".")
            )
        shapes.finite(**{name: targets})


def layout_of(shape: Sequence[int]) -> Layout | None:
    """The layout of a kernel with columns of training samples; None if it has no such shape."""
    if len(shape) == 2:
        return Layout(outputs="trace", n=shape[1], k=None)
    if len(shape) == 3:
        return Layout(outputs="per_class", n=shape[2], k=shape[0])
    if len(shape) == 4 and shape[2] == shape[3]:
        return Layout(outputs="full", n=shape[1], k=shape[2])
    return None


def matrices(kernel: CrossKernel, copy: bool = False) -> Float[Tensor, "B r m"]:
    """A kernel in any layout, square or not, as float64 matrices.

    Copies at most once: to float64, or to bring the outputs of a "full" kernel beside their
    samples, or, told so by ``copy``, to be the caller's own.
    """
    if kernel.dim() == 4:
        rows = kernel.shape[0] * kernel.shape[2]
        kernel = kernel.permute(0, 2, 1, 3)  # (t, k, n, k)
    else:
        rows = kernel.shape[-2]
    stacked = kernel.shape[0] if kernel.dim() == 3 else 1
    shape = (stacked, rows, prod(kernel.shape[-2:]) if kernel.dim() == 4 else kernel.shape[-1])
    # Contiguous at once: a transposed copy would have to be copied again.
    kernel = kernel.to(torch.float64, copy=copy, memory_format=torch.contiguous_format)
    return kernel.reshape(shape)


def square(kernel: Kernel | Operator) -> Layout:
    """The layout of a kernel between training samples.

    Raises:
        ValueError: If its shape is none of the three.
    """
    if isinstance(kernel, type) or not isinstance(kernel, Operator):  # which tensors are
        raise ValueError(f"kernel is a {type(kernel).__name__}: give a tensor or a store.")
    if isinstance(kernel, Tensor):
        check_tensor("kernel", kernel)
    shape = tuple(kernel.shape)
    layout = layout_of(shape)
    rows = shape[0] if len(shape) == 4 else shape[-2] if len(shape) > 1 else 0
    if layout is None or rows != layout.n or 0 in shape:
        raise ValueError(f"kernel {shape} must be (n, n), (k, n, n) or (n, n, k, k).")
    return layout


def finite(matrices: Float[Tensor, "B r m"]) -> Float[Tensor, "B r m"]:
    """The matrices themselves, if no entry is NaN or infinite.

    Raises:
        ValueError: If one is.
    """
    if not matrices.numel():
        return matrices
    low, high = matrices.aminmax()  # unlike isfinite, holds no second kernel
    if not (low.isfinite() and high.isfinite()):
        raise ValueError("kernel has entries that are NaN or infinite.")
    return matrices


def symmetric(matrices: Float[Tensor, "B m m"]) -> Float[Tensor, "B m m"]:
    """The matrices themselves, if they are finite and symmetric but for rounding.

    Raises:
        ValueError: If an entry is not finite, or products with a vector and its transpose differ.
    """
    size = finite(matrices).shape[-1]
    probe = torch.arange(1.0, size + 1, dtype=torch.float64, device=matrices.device).sin()
    forth, back = matrices @ probe, probe @ matrices
    largest = matrices.diagonal(dim1=1, dim2=2).abs().amax() * size**0.5
    if ((forth - back).abs() > ASYMMETRY * torch.maximum(largest, forth.abs().amax())).any():
        raise ValueError(
            "kernel is not symmetric, so it is none of training samples with themselves: give "
            "that one, or (kernel + kernel.mT) / 2 if rounding did it."
        )
    return matrices


def product_with(kernel: Kernel | Operator) -> tuple[Layout, Product]:
    """A kernel's layout and its product with columns, whether or not it is held in memory.

    Raises:
        ValueError: If its shape is none of the three or an entry is not finite.
    """
    layout = square(kernel)
    if isinstance(kernel, Tensor):
        return layout, partial(torch.matmul, symmetric(matrices(kernel)))
    return layout, kernel.matmul
