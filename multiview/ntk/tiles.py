"""A Gram matrix in tiles: bounded memory, and half the work where it is symmetric."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor


def gram_tiles(
    x1: Tensor,
    x2: Tensor | None,
    features: Callable[[Tensor], Tensor],
    product: Callable[[Tensor, Tensor], Tensor],
    *,
    held: int,
    step: int,
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Products of the features of every pair of samples, tile by tile.

    The features of ``held`` rows are kept while those of the columns stream past, ``step`` at a
    time; the columns' features are computed again for every ``held`` rows.

    Args:
        x1: Samples of the rows, first axis.
        x2: Samples of the columns. None means those of the rows: then the tiles cover the diagonal
            by squares and all that lies above it; the caller mirrors the others.
        features: Samples to their features, first axis kept.
        product: Features of rows and of columns to one tile.

    Yields:
        Rows, columns and their tile, each pair of samples once.
    """
    for panel in spans(0, len(x1), held):
        rows = torch.cat([features(x1[s]) for s in spans(panel.start, panel.stop, step)])
        if x2 is None:
            for s in spans(panel.start, panel.stop, step):  # columns that are among the rows held
                above, mine = rows[: s.start - panel.start], rows[_shifted(s, panel.start)]
                yield s, s, product(mine, mine)
                if len(above):
                    yield slice(panel.start, s.start), s, product(above, mine)
        columns = x1 if x2 is None else x2
        for s in spans(panel.stop if x2 is None else 0, len(columns), step):
            yield panel, s, product(rows, features(columns[s]))


def spans(start: int, stop: int, step: int) -> Iterator[slice]:
    """Consecutive slices of at most ``step``."""
    return (slice(i, min(i + step, stop)) for i in range(start, stop, step))


def _shifted(span: slice, origin: int) -> slice:
    return slice(span.start - origin, span.stop - origin)
