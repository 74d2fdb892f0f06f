"""The empirical neural tangent kernel of any module."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, get_args

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from multiview import checks
from multiview.ntk.arguments import check_precision
from multiview.ntk.check import (
    NOT_A_SAMPLE,
    check_finite,
    check_no_mixing,
    check_samples,
    first_look,
)
from multiview.ntk.contract import Outputs
from multiview.ntk.features import empty, fill, products
from multiview.ntk.jacobian import PerSample, as_type, per_sample
from multiview.ntk.layerwise import Layer
from multiview.ntk.plan import GramPlan, Task, make_plan
from multiview.ntk.tiles import gram_tiles
from multiview.ntk.trial import differentiable, evaluable, trial_samples, usable_layers

Method = Literal["auto", "layerwise", "jacobian"]
MEMORY = 2**29  # bytes of features held at a time on a CPU, unless the caller says otherwise
SHARE = 0.4  # of a GPU's free memory
STEP = 64  # columns of a tile: few enough to skip most of a triangle, many enough for GEMM


@torch.inference_mode(False)
@torch.enable_grad()
def gram(
    module: nn.Module,
    x1: Shaped[Tensor, "n1 ..."],
    x2: Shaped[Tensor, "n2 ..."] | None = None,
    outputs: Outputs = "full",
    *,
    method: Method = "auto",
    chunk_size: int | None = None,
    memory: int | None = None,
    dtype: torch.dtype | None = None,
    accumulate: torch.dtype = torch.float64,
    check_batches: bool = True,
) -> Float[Tensor, "..."]:
    """Empirical NTK K_ab(x, x') = <d f_a(x) / d theta, d f_b(x') / d theta>.

    The inner product runs over every parameter that requires a gradient, with no factor; the trace
    is the plain sum over outputs (as in the torch.func tutorial; neural-tangents divides by O).
    The kernel of a sum of networks is the sum of their kernels.

    Linear, Conv2d, BatchNorm (eval mode), GroupNorm and LayerNorm are taken layer by layer: one
    backward pass an output to all layers, then products of gradients, or of inputs and output
    gradients at pairs of positions, whichever costs fewer operations (``plan_gram`` tells). A
    layer may be called several times. All other parameters, and those of which trials with a few
    samples show that layers do not tell the whole (tied weights, functional calls, sequences
    before samples), are differentiated by torch.func.

    Every sample is evaluated as a batch of its own, many at once by torch.func.vmap, so no order
    or size of batches can enter its gradients. Modules that vmap does not take (recurrent layers,
    masks, branches on values) are evaluated sample by sample, and parameters whose Jacobian it
    does not take are differentiated one output at a time: right, but slower by the number of
    samples or outputs that pass at once.

    Each batch is evaluated once more as a batch and must give every sample the outputs it has
    alone, to the root of the rounding of the coarsest type that the module computes in
    (``check_batches``). Two threads must not evaluate one module at a time.

    Args:
        module: Maps a batch to (n, O); further output axes are flattened into O.
        x1: Samples of the rows. Their features are held, so let the smaller set be the rows.
        x2: Samples of the columns; those of the rows if None, and then half is computed.
        outputs: "full" all pairs of outputs; "per_class" the pairs a = b; "trace" their sum.
        method: "auto" as above; "layerwise" raises where a parameter would be left to torch.func;
            "jacobian" leaves all of them to it (the reference: vmap of jacrev).
        chunk_size: Rows held at a time; the columns' features are computed again for each chunk.
            By default as many as fit in ``memory``.
        memory: Bytes of the features held; if None half a gigabyte, or on a GPU 0.4 of what is
            free. The more, the fewer times the columns' features are computed.
        dtype: Precision of passes and products, by default the module's.
        accumulate: Precision of the result and of the sum over layers (and, where several passes
            are made, over outputs).
        check_batches: Whether modules that mix samples only in batches larger than the trial's
            are refused too. It takes one more evaluation of each batch without gradients: about
            2% of the time with 10 outputs (measured), more with fewer. Without it their kernel is
            that of the samples alone.

    Returns:
        "full" (n1, n2, O, O), K[i, j, a, b] being K_ab(x1[i], x2[j]); "per_class" (O, n1, n2);
        "trace" (n1, n2).

    Raises:
        ValueError: If an argument is out of range; a parameter, sample, output or gradient is not
            finite; no parameter is trainable; the module mixes samples (train-mode BatchNorm) or
            draws at random (active dropout); or some samples use a layer otherwise than those of
            the trial (routing to experts), which method="jacobian" takes.
    """
    check_samples(x1=x1, x2=x2)
    chunk_size, memory = _checked(outputs, method, chunk_size, memory, dtype)
    checks.flag("check_batches", check_batches)
    if accumulate not in (torch.float32, torch.float64):
        raise ValueError(f"accumulate={accumulate}: use torch.float64 or torch.float32.")
    f = per_sample(module, dtype)
    x1, x2 = as_type(x1, dtype), None if x2 is None else as_type(x2, dtype)
    for name, x in (("x1", x1), ("x2", x2)):
        if x is not None:
            check_finite(name, x, NOT_A_SAMPLE)
    reading = _read(f, trial_samples(x1, x2), method)
    f, num_outputs = replace(reading.f, check_batches=check_batches), reading.num_outputs
    columns = None if x2 is None else len(x2)
    plan = reading.plan(len(x1), columns, outputs, chunk_size, memory)
    n1, n2 = len(x1), len(x1 if x2 is None else x2)
    shapes = {
        "full": (n1, n2, num_outputs, num_outputs),
        "per_class": (num_outputs, n1, n2),
        "trace": (n1, n2),
    }
    kernel = torch.zeros(shapes[outputs], dtype=accumulate, device=x1.device)
    step = min(plan.held, STEP)
    for first in range(0, num_outputs, plan.together):
        chosen = slice(first, min(first + plan.together, num_outputs))
        part = kernel[chosen] if outputs == "per_class" else kernel
        part = part.permute(2, 3, 0, 1) if outputs == "full" else part  # samples last, as in tiles
        tiles = gram_tiles(
            x1,
            x2,
            partial(empty, f, plan, chosen.stop - chosen.start),
            partial(fill, f, plan, chosen),
            partial(products, plan, outputs, accumulate),
            held=plan.held,
            step=step,
        )
        for rows, columns, tile in tiles:
            _check_overflow(tile, rows, columns)
            part[..., rows, columns] += tile
            if x2 is None and rows != columns:  # K_ab(x, x') = K_ba(x', x)
                part[..., columns, rows] += tile.mT if tile.dim() < 4 else tile.mT.transpose(0, 1)
    return kernel


@torch.inference_mode(False)
@torch.enable_grad()
def plan_gram(
    module: nn.Module,
    x: Shaped[Tensor, "n ..."],
    n1: int,
    n2: int | None = None,
    outputs: Outputs = "full",
    *,
    method: Method = "auto",
    chunk_size: int | None = None,
    memory: int | None = None,
    dtype: torch.dtype | None = None,
) -> GramPlan:
    """How ``gram`` would compute a kernel of ``n1`` x ``n2`` samples, and what it would cost.

    Args:
        x: A few samples like those of the kernel.
        n2: None for the symmetric kernel of ``n1`` samples.

    Raises:
        ValueError: As ``gram`` does.
    """
    check_samples(x=x)
    chunk_size, memory = _checked(outputs, method, chunk_size, memory, dtype)
    n1 = checks.count("n1", n1, meaning="counts samples")
    if n2 is not None:
        n2 = checks.count("n2", n2, meaning="counts samples")
    f, x = per_sample(module, dtype), as_type(x, dtype)
    check_finite("x", x, NOT_A_SAMPLE)
    return _read(f, trial_samples(x, None), method).plan(n1, n2, outputs, chunk_size, memory)


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """What a trial showed of a module."""

    f: PerSample
    layers: list[Layer]
    rest: list[str]  # parameters left to the reference
    rest_parameters: int  # how many numbers they are
    num_outputs: int
    itemsize: int
    memory: int  # that features may take unless the caller says otherwise

    def plan(
        self,
        n1: int,
        n2: int | None,
        outputs: Outputs,
        chunk_size: int | None,
        memory: int | None,
    ) -> GramPlan:
        """The plan for a kernel of such a size."""
        task = Task(
            n1=n1,
            n2=n2,
            num_outputs=self.num_outputs,
            outputs=outputs,
            itemsize=self.itemsize,
            memory=memory or self.memory,
            chunk_size=chunk_size,
        )
        return make_plan(self.layers, self.rest, self.rest_parameters, task)


def _read(f: PerSample, x: Shaped[Tensor, "n ..."], method: Method) -> _Reading:
    """Which parameters can be taken layer by layer, by trials with the samples ``x``."""
    output, eps = first_look(f, x[0])
    f = replace(f, vmaps=False, eps=eps)
    with torch.no_grad():
        one_by_one = f.alone(x)
        check_no_mixing(f.together(x), one_by_one, eps)
    f = evaluable(f, x, one_by_one)
    layers = [] if method == "jacobian" else usable_layers(f, x)
    taken = {name for layer in layers for name in (layer.weight, layer.bias)}
    rest = [name for name in f.theta if name not in taken]
    if method == "layerwise" and rest:
        raise ValueError(
            f"{', '.join(rest)} cannot be taken layer by layer (an unknown or tied layer, or one "
            "called by other means than itself or with samples in another order): use "
            'method="auto".'
        )
    return _Reading(
        f=differentiable(f, x, rest),
        layers=layers,
        rest=rest,
        rest_parameters=sum(f.theta[name].numel() for name in rest),
        num_outputs=len(output),
        itemsize=output.element_size(),
        memory=_memory(x.device),
    )


def _check_overflow(tile: Float[Tensor, "..."], rows: slice, columns: slice) -> None:
    low, high = tile.aminmax()
    if not (low.isfinite() and high.isfinite()):
        raise ValueError(
            f"kernel of the rows {rows.start}-{rows.stop - 1} and columns {columns.start}-"
            f"{columns.stop - 1} has entries that are NaN or infinite, though the outputs are "
            "not: a gradient overflows or is not defined there. Use dtype=torch.float64, or leave "
            "those samples out."
        )


def _memory(device: torch.device) -> int:
    if device.type != "cuda":
        return MEMORY
    return int(SHARE * torch.cuda.mem_get_info(device)[0])


def _checked(
    outputs: Outputs,
    method: Method,
    chunk_size: int | None,
    memory: int | None,
    dtype: torch.dtype | None,
) -> tuple[int | None, int | None]:
    """Refuse what no kernel can be computed with; returns ``chunk_size`` and ``memory``."""
    checks.choice("outputs", outputs, get_args(Outputs))
    checks.choice("method", method, get_args(Method))
    if chunk_size is not None:
        chunk_size = checks.count("chunk_size", chunk_size, meaning="counts rows held at a time")
    if memory is not None:
        memory = checks.count("memory", memory, meaning="is in bytes, better 2**28 or more")
    if dtype is not None:
        check_precision("dtype", dtype)
    return chunk_size, memory
