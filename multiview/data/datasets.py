"""The generator as data sets of torch: a fixed number of samples, or a stream of them.

Both are for ``torch.utils.data.DataLoader``, with or without workers.
"""

from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from multiview import checks
from multiview.data.patches import PatchBatch, check_features, sample_patches
from multiview.data.provenance import Kind
from multiview.data.spec import MultiViewSpec
from multiview.rng import stream

Sample = tuple[Tensor, ...]
FIELDS = tuple(PatchBatch.__dataclass_fields__)
USUAL = ("patches", "labels")
AT_ONCE = 256  # samples that a stream draws at a time; other samples come with another number


class MultiViewDataset(Dataset[Sample]):
    """``n`` samples of the generator, drawn once and held: item i is (patches (P, d), label ()).

    The samples are those of ``sample_patches``, bit by bit.

    Args:
        features: Unit vectors of ``make_features``; ``features[j, v]`` is view v of class j.
        n: Number of samples, at least 1.
        generator: Advanced as by ``sample_patches``; or a seed.
        kind: "mixed", "multi" or "single".
        fields: Of ``PatchBatch``, in the order in which an item has them.

    Attributes:
        batch: All samples, with how each was made.

    Raises:
        ValueError: If an argument is out of range, or ``features`` are not those of ``spec``.
        IndexError: If there is no item of this number.
    """

    def __init__(
        self,
        spec: MultiViewSpec,
        features: Float[Tensor, "k L d"],
        n: int,
        generator: torch.Generator | int,
        kind: Kind = "mixed",
        *,
        fields: Sequence[str] = USUAL,
    ) -> None:
        n = checks.count("n", n, meaning="counts samples")
        self.fields = _fields(fields)
        self.batch = sample_patches(spec, features, n, generator, kind)

    def __len__(self) -> int:
        return len(self.batch)

    def __getitem__(self, index: int) -> Sample:
        if not -len(self) <= index < len(self):  # or a loop over the items would never end
            raise IndexError(f"index={index}: there are {len(self)} samples.")
        return tuple(getattr(self.batch, name)[index] for name in self.fields)


class MultiViewStream(IterableDataset[Sample]):
    """Samples of the generator one after the other, without end or ``n`` of them.

    Items are those of a ``MultiViewDataset``, drawn in blocks when they are asked for. The workers
    of a DataLoader share the blocks: no sample comes twice, and which samples come does not depend
    on the number of workers, though their order does. Every pass gives the same samples again.

    Args:
        features, kind, fields: As of ``MultiViewDataset``.
        generator: A generator, of which one number is taken; or a seed.
        n: Number of samples of a pass, at least 1; None never ends, and the stream has no length.

    Raises:
        ValueError: If an argument is out of range, or ``features`` are not those of ``spec``.
        TypeError: If it is asked for the length that it lacks.
    """

    def __init__(
        self,
        spec: MultiViewSpec,
        features: Float[Tensor, "k L d"],
        generator: torch.Generator | int,
        kind: Kind = "mixed",
        *,
        n: int | None = None,
        fields: Sequence[str] = USUAL,
    ) -> None:
        check_features(spec, features)
        self.spec, self.features = spec, features
        self.kind: Kind = checks.choice("kind", kind, get_args(Kind))
        self.fields = _fields(fields)
        self.n = None if n is None else checks.count("n", n, meaning="counts samples")
        generator = checks.generator("generator", generator, "samples")
        self.seed = int(torch.randint(2**62, (), generator=generator))

    def __len__(self) -> int:
        if self.n is None:
            raise TypeError("this stream never ends: give it n for a length.")
        return self.n

    def __iter__(self) -> Iterator[Sample]:
        worker = get_worker_info()
        first, step = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in count(first, step):
            left = AT_ONCE if self.n is None else min(AT_ONCE, self.n - number * AT_ONCE)
            if left <= 0:
                return
            generator = stream(self.seed, "block", number)
            batch = sample_patches(self.spec, self.features, left, generator, self.kind)
            yield from zip(*(getattr(batch, name) for name in self.fields), strict=True)


def _fields(fields: Any) -> tuple[str, ...]:
    """Names of fields of a batch, one at least."""
    names = checks.items("fields", fields)
    if not names or any(not isinstance(name, str) or name not in FIELDS for name in names):
        raise ValueError(
            f"fields={checks.shown(fields)} do not name what a sample has: use some of {FIELDS}."
        )
    return tuple(names)
