"""Seconds for 100,000 samples of the design's setting, against the bare normal numbers in them.

    python tests/benchmarks/generator.py

The floor draws as many normal numbers with one call of torch into fresh memory. Target: 3 s on two
cores. First touching cold memory can cost more than drawing, and is left out of neither.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from ratio import Ratio, in_turn, table
from rich.console import Console

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches
from multiview.data.provenance import Kind

SAMPLES, RUNS = 100_000, 3
LIMIT = 3.0  # seconds, on two cores
FLOOR = "torch.randn of as many numbers"
SPEC = MultiViewSpec(
    num_classes=10,
    patch_dim=200,
    num_patches=22,
    sparsity=1.0,
    sigma_p=200**-0.5,
    label_strength=(1.0, 1.3),
    other_strength=(0.2, 0.4),
)


def ratios() -> Iterator[Ratio]:
    """Samples of each kind held against their bare normal numbers."""
    features = make_features(SPEC, stream(0, "features"))
    shape = (SAMPLES, SPEC.num_patches, SPEC.patch_dim)
    kinds: dict[str, Kind] = {"mixed": "mixed", "single-view": "single"}
    tasks: dict[str, Callable[[], object]] = {
        FLOOR: lambda: torch.randn(shape, generator=stream(0, "floor"))
    }
    for name, kind in kinds.items():
        tasks[name] = partial(
            sample_patches, SPEC, features, SAMPLES, stream(0, "samples"), kind=kind
        )
    times = in_turn(tasks, RUNS)
    for name in kinds:
        what = f"{SAMPLES:,} samples, {name}"
        yield Ratio(what=what, rival=FLOOR, ours=times[name], theirs=times[FLOOR])
    yield Ratio(
        what=f"{SAMPLES:,} samples, mixed",
        rival=f"{LIMIT:g} s",
        ours=times["mixed"],
        theirs=[LIMIT],
        aim=1.0,
    )


if __name__ == "__main__":
    Console().print(table(ratios()))
