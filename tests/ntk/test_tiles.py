"""Every pair of samples is formed exactly once."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from multiview.ntk.tiles import gram_tiles

sizes = st.integers(1, 12)


def empty(n):
    return torch.empty(n), torch.empty(n)


def root(x, out):
    out[0][:], out[1][:] = x.sqrt(), -x


def outer(rows, columns):
    """Of the first features; the second must be those of the same samples."""
    for root, minus in (rows, columns):
        torch.testing.assert_close(root**2, -minus)
    return rows[0][:, None] * columns[0][None, :]


def outer_of_roots(x1, x2):
    return x1.sqrt()[:, None] * x2.sqrt()


@given(sizes, sizes, sizes, sizes)
def test_tiles_of_two_sets_cover_each_pair_once(n1, n2, held, step):
    x1, x2 = torch.arange(1.0, n1 + 1), torch.arange(20.0, 20 + n2)
    total, seen = torch.zeros(n1, n2), torch.zeros(n1, n2)
    for rows, cols, tile in gram_tiles(x1, x2, empty, root, outer, held=held, step=step):
        total[rows, cols] += tile
        seen[rows, cols] += 1
    assert (seen == 1).all()
    torch.testing.assert_close(total, outer_of_roots(x1, x2))


@given(sizes, sizes, sizes)
def test_tiles_of_one_set_are_squares_on_the_diagonal_and_all_above(n, held, step):
    x = torch.arange(1.0, n + 1)
    seen, mirrored = torch.zeros(n, n), torch.zeros(n, n)
    for rows, cols, tile in gram_tiles(x, None, empty, root, outer, held=held, step=step):
        seen[rows, cols] += 1
        mirrored[rows, cols] = tile
        if rows != cols:
            assert rows.stop <= cols.start
            seen[cols, rows] += 1
            mirrored[cols, rows] = tile.T
    assert (seen == 1).all()
    torch.testing.assert_close(mirrored, outer_of_roots(x, x))


@given(sizes, sizes, sizes)
def test_features_are_held_and_taken_in_steps(n, held, step):
    sizes_seen = []

    def fill(x, out):
        sizes_seen.append(len(x))
        root(x, out)

    for rows, cols, _ in gram_tiles(torch.ones(n), None, empty, fill, outer, held=held, step=step):
        assert rows.stop - rows.start <= held
        assert cols.stop - cols.start <= step
    assert max(sizes_seen) <= step
    if held >= n:
        assert sum(sizes_seen) == n  # columns among the rows held cost nothing
