"""Random features of the empirical neural tangent kernel, for sets too large for a Gram."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.func import jvp, vmap

from multiview import checks
from multiview.ntk.arguments import check_precision
from multiview.ntk.check import (
    NOT_A_SAMPLE,
    check_finite,
    check_no_mixing,
    check_samples,
    first_look,
)
from multiview.ntk.jacobian import PerSample, as_type, per_sample
from multiview.ntk.tiles import spans
from multiview.ntk.trial import evaluable, trial_samples

HELD_BYTES = 2**28  # directions held at a time
TOGETHER = 16  # directions pushed through the network together: they share one forward pass
TOGETHER_SAMPLES = 64


def sketch(
    module: nn.Module,
    x: Shaped[Tensor, "n ..."],
    width: int,
    generator: torch.Generator | int,
    *,
    chunk_size: int | None = None,
    dtype: torch.dtype | None = None,
) -> Float[Tensor, "outputs n width"]:
    """Features phi with E <phi_a(x), phi_b(x')> = K_ab(x, x'), the kernel of ``gram``.

    phi_a(x) holds the derivatives of f_a(x) along ``width`` random directions of parameter space,
    drawn from N(0, I / width): Jacobian-vector products, so no gradient is held. An inner product
    misses the kernel by a standard deviation of

        sqrt((K_aa(x, x) K_bb(x', x') + K_ab(x, x')^2) / width),

    a relative sqrt(2 / width) on the diagonal. Features of one call, and only those, share their
    directions: give training and test samples together, or twice an equal generator.

    Independent features of several nets, concatenated along the last axis, are features of the
    kernel of their sum.

    Args:
        module: Maps a batch to (n, O); further output axes are flattened into O. Its parameters
            with ``requires_grad`` count, as in ``gram``.
        x: Samples.
        width: Directions.
        generator: Sole source of the directions; advanced in place. They are drawn one by one in
            float32, so neither ``chunk_size`` nor ``dtype`` changes them, and a larger width
            begins with the same ones.
        chunk_size: Samples evaluated together with up to 16 directions; 64 by default. Fewer take
            less memory.
        dtype: Precision of the derivatives and the features, by default the module's.

    Returns:
        ``phi`` (O, n, width); ``phi @ phi.mT`` estimates ``gram`` with "per_class".

    Raises:
        ValueError: If an argument is out of range, or ``gram`` would refuse the module.
    """
    width = checks.count("width", width)
    if chunk_size is not None:
        chunk_size = checks.count("chunk_size", chunk_size)
    if dtype is not None:
        check_precision("dtype", dtype)
    generator = checks.generator("generator", generator, "sketch")
    check_samples(x=x)
    f = per_sample(module, dtype)
    x = as_type(x, dtype)
    check_finite("x", x, NOT_A_SAMPLE)
    example, eps = first_look(f, x[0])
    few = trial_samples(x, None)
    with torch.no_grad():
        one_by_one = replace(f, vmaps=False).alone(few)
        check_no_mixing(f.together(few), one_by_one, eps)
    f = evaluable(replace(f, eps=eps), few, one_by_one)

    def outputs(theta: dict[str, Tensor], x: Tensor) -> Tensor:
        return vmap(f.outputs, (None, 0))(theta, x)

    with torch.no_grad(), warnings.catch_warnings():
        # torch compiles rules of its own at the first jvp, in a way it calls deprecated.
        warnings.filterwarnings("ignore", r".*torch\.jit\.script", DeprecationWarning)
        phi = example.new_empty(len(example), len(x), width)
        for block, directions in _directions(f.theta, width, generator):
            for chunk in spans(0, len(x), chunk_size or TOGETHER_SAMPLES):
                value = partial(outputs, x=x[chunk])
                along = partial(_derivative, value, f.theta)
                try:
                    moved = vmap(along)(directions) if f.vmaps else None
                except RuntimeError:  # an operation that forward differentiation lacks
                    moved = None
                if moved is None:
                    moved = _by_jacobian(f, x[chunk], directions)
                phi[:, chunk, block] = moved.permute(2, 1, 0)
    check_finite("phi", phi.transpose(0, 1), "the derivatives overflow or are not defined.")
    return phi


def _derivative(
    function: Callable[[dict[str, Tensor]], Tensor],
    theta: dict[str, Tensor],
    direction: dict[str, Tensor],
) -> Tensor:
    return jvp(function, (theta,), (direction,))[1]


def _by_jacobian(
    f: PerSample, x: Shaped[Tensor, "n ..."], directions: dict[str, Tensor]
) -> Float[Tensor, "directions n outputs"]:
    """The derivatives from the gradient of each output of each sample."""
    jacobian = replace(f, vmaps=False, vmaps_jacobian=False).jacobian(x, slice(None))
    flat = torch.cat([directions[name].flatten(1) for name in f.theta], 1)
    return (jacobian @ flat.to(jacobian.dtype).T).permute(2, 0, 1)


def _directions(
    theta: dict[str, Tensor], width: int, generator: torch.Generator
) -> Iterator[tuple[slice, dict[str, Float[Tensor, "directions ..."]]]]:
    """Directions from N(0, I / width) shaped as ``theta``, in blocks of bounded memory."""
    sizes = [p.numel() for p in theta.values()]
    together = max(1, min(TOGETHER, HELD_BYTES // sum(p.nbytes for p in theta.values())))
    for block in spans(0, width, together):
        drawn = [
            torch.randn(sum(sizes), generator=generator, device=generator.device)
            for _ in range(block.start, block.stop)
        ]
        parts = zip(theta.items(), torch.stack(drawn).split(sizes, 1), strict=True)
        yield block, {name: d.view(-1, *p.shape).to(p) / width**0.5 for (name, p), d in parts}
