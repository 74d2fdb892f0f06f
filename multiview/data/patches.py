"""sample_patches: labelled samples of the multi-view distributions, with full provenance."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor

from multiview import checks, shapes
from multiview.data.provenance import Kind, draw_provenance, uniform
from multiview.data.spec import MultiViewSpec


@dataclass(frozen=True, eq=False)
class PatchBatch:
    """Samples and how each was made.

    Indexing with a slice, mask or index tensor gives the batch of those samples.

    Raises:
        ValueError: At construction, if the fields do not fit together.
    """

    patches: Float[Tensor, "n P d"]
    labels: Int[Tensor, " n"]
    is_single: Bool[Tensor, " n"]
    lone_view: Int[Tensor, " n"]  # the strong view of a single-view sample, else -1
    strength: Float[Tensor, "n k L"]  # Z: sum of a feature's coefficients, 0 where absent
    placement: Int[Tensor, "n P"]  # flat feature class * L + view of each patch, -1: noise only
    amount: Float[Tensor, "n P"]  # z: coefficient of that feature in the patch

    def __post_init__(self) -> None:
        sizes = shapes.fit(
            strength=(self.strength, "float n? k L"),
            patches=(self.patches, "float n? P d"),
            labels=(self.labels, "int n?"),
            is_single=(self.is_single, "bool n?"),
            lone_view=(self.lone_view, "int n?"),
            placement=(self.placement, "int n? P"),
            amount=(self.amount, "float n? P"),
        )
        k, L = sizes["k"], sizes["L"]
        shapes.indices("labels", self.labels, 0, k, "strength")
        shapes.indices("lone_view", self.lone_view, -1, L, "strength")
        shapes.indices("placement", self.placement, -1, k * L, "strength")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | Tensor) -> "PatchBatch":
        return PatchBatch(**{name: value[index] for name, value in vars(self).items()})


def sample_patches(
    spec: MultiViewSpec,
    features: Float[Tensor, "k L d"],
    n: int,
    generator: Generator | int,
    kind: Kind = "mixed",
) -> PatchBatch:
    """Draw ``n`` labelled samples of D ("mixed"), D_m ("multi") or D_s ("single").

    Samples come in blocks, each from a generator of its own, on as many threads as torch uses.
    The stream contract: a call takes one number from ``generator``, whatever ``n``; from the same
    state, the first ``n`` samples of a longer draw are the draw of ``n``, bit by bit and on any
    number of threads; a second call gives new samples, but for a seed, which gives the same again.

    Args:
        features: Unit vectors of ``make_features``; ``features[j, v]`` is view v of class j.
        n: Number of samples, at least 0.
        generator: Sole source of randomness, advanced in place; or a seed.

    Raises:
        ValueError: If ``features`` has another shape than ``spec`` says or is not finite, ``n`` is
            negative, or
            ``kind`` is unknown; or if another argument is of the wrong type.
    """
    check_features(spec, features)
    n = checks.count("n", n, 0, meaning="must be a number of samples")
    generator = _checked_draw(generator, kind)
    frame = features.detach().flatten(0, 1).float()
    block_size = _block_size(spec)
    num_blocks = max(1, -(-n // block_size))
    first = int(torch.randint(2**32, (), generator=generator))
    # An odd stride never repeats a seed within a call; seeds drawn at random would in a long one.
    seeds = [(first + 0x9E3779B9 * i) % 2**32 for i in range(num_blocks)]
    # Memory from numpy, which asks the kernel for huge pages: torch's own is slow to touch first.
    memory = np.empty((num_blocks * block_size, spec.num_patches, spec.patch_dim), np.float32)
    patches = torch.from_numpy(memory)

    def draw(seed: int, block: Tensor) -> dict[str, Tensor]:
        own_generator = Generator().manual_seed(seed)
        provenance = draw_provenance(spec, block_size, own_generator, kind)
        _write_patches(
            spec, frame, provenance["placement"], provenance["amount"], own_generator, block
        )
        return provenance

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        blocks = list(pool.map(draw, seeds, patches.split(block_size)))
    whole = {name: torch.cat([block[name] for block in blocks]) for name in blocks[0]}
    return PatchBatch(patches=patches, **whole)[:n]


def stream_patches(
    spec: MultiViewSpec,
    features: Float[Tensor, "k L d"],
    n: int,
    generator: Generator | int,
    kind: Kind = "mixed",
    at_once: int = 2000,
) -> Iterator[PatchBatch]:
    """``n`` samples in batches of ``at_once``, for test sets too large to hold.

    The other arguments are those of ``sample_patches``. Each batch takes one number from
    ``generator``, so other samples come with another ``at_once``.

    Raises:
        ValueError: If ``at_once`` is below 1; and as ``sample_patches``, before the first batch.
    """
    check_features(spec, features)
    at_once = checks.count("at_once", at_once, meaning="counts samples")
    n = checks.count("n", n, 0, meaning="must be a number of samples")
    generator = _checked_draw(generator, kind)
    sizes = (min(at_once, n - begin) for begin in range(0, n, at_once))
    return (sample_patches(spec, features, size, generator, kind) for size in sizes)


def check_features(spec: MultiViewSpec, features: Any) -> None:
    """Raise a ValueError unless these are finite features of the shape that ``spec`` says."""
    checks.instance("spec", spec, MultiViewSpec)
    shapes.fit(features=(features, "float k L d"))
    shape = (spec.num_classes, spec.num_views, spec.patch_dim)
    if tuple(features.shape) != shape:
        raise ValueError(
            f"features has shape {tuple(features.shape)}, but spec says {shape}: "
            "make it with make_features(spec, generator)."
        )
    shapes.finite(features=features)


def _checked_draw(generator: Any, kind: Any) -> Generator:
    generator = checks.generator("generator", generator, "samples")
    if kind not in get_args(Kind):
        raise ValueError(f'kind={kind!r} is unknown: use "mixed", "multi" or "single".')
    return generator


def _block_size(spec: MultiViewSpec) -> int:
    """Samples drawn at a time, 4 MiB or less; part of the stream contract, so not to be changed."""
    return max(1, min(256, 2**20 // (spec.num_patches * spec.patch_dim)))


def _write_patches(
    spec: MultiViewSpec,
    features: Float[Tensor, "K d"],
    placement: Int[Tensor, "n P"],
    amount: Float[Tensor, "n P"],
    generator: Generator,
    out: Float[Tensor, "n P d"],
) -> None:
    """Fill ``out`` with x_p = z_p v + sum_v' alpha_{p,v'} v' + xi_p."""
    patches, placement, amount = out.flatten(0, 1), placement.flatten(), amount.flatten()
    background = spec.sigma_p if spec.sigma_background is None else spec.sigma_background
    std = torch.where(placement >= 0, spec.sigma_p, background).to(patches.dtype)
    patches.normal_(generator=generator).mul_(std.unsqueeze(1))
    if spec.gamma_noise > 0:
        # Multiples of 2^-24: float64 sums of their products are exact, so that the order in which
        # BLAS adds, which varies with the number of threads, changes no bit.
        grid = features.double().mul_(2.0**24).round_().mul_(2.0**-24)
        alpha = uniform(generator, len(patches), len(features)).double()
        patches += (alpha @ grid).mul_(spec.gamma_noise).float()
    carrier = (placement >= 0).nonzero().squeeze(1)
    signal = features.index_select(0, placement[carrier]) * amount[carrier].unsqueeze(1)
    patches.index_add_(0, carrier, signal)  # several times faster than patches[carrier] += signal
