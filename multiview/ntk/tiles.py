"""A Gram matrix in tiles: bounded memory, and half the work where it is symmetric."""

from collections.abc import Callable, Iterator

from torch import Tensor

Features = tuple[Tensor, ...]  # of the same samples, which are the first axis of each


def gram_tiles(
    x1: Tensor,
    x2: Tensor | None,
    empty: Callable[[int], Features],
    fill: Callable[[Tensor, Features], None],
    product: Callable[[Features, Features], Tensor],
    *,
    held: int,
    step: int,
) -> Iterator[tuple[slice, slice, Tensor]]:
    """Products of the features of every pair of samples, tile by tile.

    The features of ``held`` rows are kept while those of the columns stream past, ``step`` at a
    time; the columns' features are computed again for every ``held`` rows. All are written to the
    same memory, allocated once.

    Args:
        x1: Samples of the rows, first axis.
        x2: Samples of the columns. None means those of the rows: then the tiles cover the diagonal
            by squares and all that lies above it; the caller mirrors the others.
        empty: Features of so many samples, not yet computed.
        fill: Computes the features of samples into such memory.
        product: Features of rows and of columns to one tile.

    Yields:
        Rows, columns and their tile, each pair of samples once.
    """
    columns = x1 if x2 is None else x2
    kept = empty(min(held, len(x1)))
    passing: Features | None = None
    for panel in spans(0, len(x1), held):
        for s in spans(panel.start, panel.stop, step):
            fill(x1[s], _part(kept, s, panel.start))
        if x2 is None:
            for s in spans(panel.start, panel.stop, step):  # columns that are among the rows held
                mine = _part(kept, s, panel.start)
                yield s, s, product(mine, mine)
                if s.start > panel.start:
                    above = slice(panel.start, s.start)
                    yield above, s, product(_part(kept, above, panel.start), mine)
        rows = _part(kept, panel, panel.start)
        for s in spans(panel.stop if x2 is None else 0, len(columns), step):
            passing = passing or empty(min(step, len(columns)))
            theirs = _part(passing, s, s.start)
            fill(columns[s], theirs)
            yield panel, s, product(rows, theirs)


def spans(start: int, stop: int, step: int) -> Iterator[slice]:
    """Consecutive slices of at most ``step``."""
    return (slice(i, min(i + step, stop)) for i in range(start, stop, step))


def _part(features: Features, samples: slice, first: int) -> Features:
    """The features of some samples, where those of sample ``first`` come first."""
    return tuple(tensor[samples.start - first : samples.stop - first] for tensor in features)
