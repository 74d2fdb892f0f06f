"""A Gram matrix in tiles: bounded memory, and half the work where it is symmetric."""

from collections.abc import Callable, Iterable, Iterator

from torch import Tensor

Features = tuple[Tensor, ...]  # of the same samples, which are the first axis of each


def gram_tiles(
    x1: Tensor,
    x2: Tensor | None,
    features: Callable[[Tensor], Features],
    product: Callable[[Features, Features], Tensor],
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
        features: Samples to their features.
        product: Features of rows and of columns to one tile.

    Yields:
        Rows, columns and their tile, each pair of samples once.
    """
    for panel in spans(0, len(x1), held):
        parts = (features(x1[s]) for s in spans(panel.start, panel.stop, step))
        rows = joined(parts, panel.stop - panel.start)
        if x2 is None:
            for s in spans(panel.start, panel.stop, step):  # columns that are among the rows held
                begin, end = s.start - panel.start, s.stop - panel.start
                mine = tuple(tensor[begin:end] for tensor in rows)
                yield s, s, product(mine, mine)
                if begin:
                    above = tuple(tensor[:begin] for tensor in rows)
                    yield slice(panel.start, s.start), s, product(above, mine)
        columns = x1 if x2 is None else x2
        for s in spans(panel.stop if x2 is None else 0, len(columns), step):
            yield panel, s, product(rows, features(columns[s]))


def joined(parts: Iterable[Features], n: int) -> Features:
    """Features of consecutive samples as those of all ``n``; one part is never held twice."""
    whole: Features = ()
    begin = 0
    for part in parts:
        end = begin + len(part[0])
        if end == n and not begin:
            return part
        if not whole:
            whole = tuple(tensor.new_empty(n, *tensor.shape[1:]) for tensor in part)
        for buffer, tensor in zip(whole, part, strict=True):
            buffer[begin:end] = tensor
        begin = end
    return whole


def spans(start: int, stop: int, step: int) -> Iterator[slice]:
    """Consecutive slices of at most ``step``."""
    return (slice(i, min(i + step, stop)) for i in range(start, stop, step))
