"""Seconds for 100,000 samples of the design's setting, against the bare normal numbers in them.

    python tests/benchmarks/generator.py

The floor draws as many normal numbers with one call of torch into fresh memory. Target: 3 s on two
cores. First touching cold memory can cost more than drawing: each time is the better of two, after
warm-up.
"""

import torch
from torch.utils.benchmark import Timer

from multiview import stream
from multiview.data import MultiViewSpec, make_features, sample_patches

SAMPLES, RUNS = 100_000, 2
SPEC = MultiViewSpec(
    num_classes=10,
    patch_dim=200,
    num_patches=22,
    sparsity=1.0,
    sigma_p=200**-0.5,
    label_strength=(1.0, 1.3),
    other_strength=(0.2, 0.4),
)


def seconds(statement: str, **names: object) -> float:
    timer = Timer(statement, globals=names, num_threads=torch.get_num_threads())
    return min(timer.timeit(1).mean for _ in range(RUNS))


def main() -> None:
    features = make_features(SPEC, stream(0, "features"))
    floor = seconds(
        "torch.randn(shape, generator=generator)",
        torch=torch,
        shape=(SAMPLES, SPEC.num_patches, SPEC.patch_dim),
        generator=stream(0, "floor"),
    )
    print(f"{SAMPLES} samples, {torch.get_num_threads()} threads   seconds   ratio to floor")
    print(f"{'torch.randn (floor)':32}{floor:10.2f}{1:17.2f}")
    for label, kind in (("sample_patches", "mixed"), ("sample_patches, single-view", "single")):
        measured = seconds(
            "sample_patches(spec, features, n, generator, kind)",
            sample_patches=sample_patches,
            spec=SPEC,
            features=features,
            n=SAMPLES,
            generator=stream(0, "samples"),
            kind=kind,
        )
        print(f"{label:32}{measured:10.2f}{measured / floor:17.2f}")


if __name__ == "__main__":
    main()
