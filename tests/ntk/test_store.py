"""A kernel in tiles is the kernel, and a tile that was damaged is never taken for one."""

import io
import json
import shutil
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import stored
from unchecked import unchecked

from multiview import stream
from multiview.ntk import TileError, TileStore, Tiling, descend


def randn(*shape):
    return torch.randn(*shape, generator=stream(0, *shape)).double()


def tiling(**changes):
    settings: dict[str, Any] = {"form": "symmetric", "n1": 7, "n2": 7, "num_outputs": None}
    return Tiling(**settings | {"tile": 3, "dtype": "float64", "key": "k"} | changes)


@st.composite
def kernels(draw):
    """A symmetric or rectangular kernel or stack, and a tile that need not divide it."""
    k, n, m = draw(st.none() | st.integers(1, 3)), *(draw(st.integers(1, 9)) for _ in range(2))
    rows, columns = (randn(*(() if k is None else (k,)), r, 4) for r in (n, m))
    symmetric = draw(st.booleans())
    kernel = rows @ (rows if symmetric else columns).mT
    kernel = kernel.to(draw(st.sampled_from([torch.float64, torch.float32])))
    if symmetric:
        kernel = kernel.triu() + kernel.triu(1).mT  # to the bit, which a product need not be
    return kernel, draw(st.integers(2, 10)), "symmetric" if symmetric else "rectangular"


@given(kernels(), st.integers(1, 3))
def test_a_store_is_the_kernel_and_multiplies_as_it_does(drawn, s):
    kernel, tile, form = drawn
    with TemporaryDirectory() as directory:
        store = TileStore.open(stored(kernel, directory, tile, form).directory)
        assert store.shape == kernel.shape
        assert store.missing() == store.damaged() == []
        assert store.dense().dtype == kernel.dtype
        assert torch.equal(store.dense(), kernel)
        kernel = kernel.double().view(-1, *kernel.shape[-2:])
        k, n, m = kernel.shape
        columns = randn(k, m, s)
        torch.testing.assert_close(store.matmul(columns), kernel @ columns)
        entries = sum(store.read(*at).numel() for at in store.tiling.places())
        if form == "rectangular" or n <= tile:
            assert entries == kernel.numel()
        else:
            assert entries < kernel.numel()  # one triangle only
        assert store.nbytes >= entries * store.dense().element_size()


def test_a_store_stands_for_its_kernel_where_products_suffice(tmp_path):
    kernel, targets = randn(7, 9), randn(7, 2)
    kernel = kernel @ kernel.T
    options = {"loss": "squared", "steps": 5, "learning_rate": 0.01}
    dense = descend(kernel, targets, **options)
    streamed = descend(stored(kernel, tmp_path, 3), targets, **options)
    torch.testing.assert_close(streamed.dual, dense.dual)


def test_a_triangular_store_is_zero_below_its_diagonal(tmp_path):
    upper = randn(2, 7, 7).triu()
    store = TileStore.create(tmp_path, tiling(form="triangular", num_outputs=2))
    for i, j in store.tiling.places():
        store.write(i, j, upper[:, store.tiling.rows[i], store.tiling.columns[j]])
    assert torch.equal(store.dense(), upper)
    torch.testing.assert_close(store.matmul(randn(2, 7, 3)), upper @ randn(2, 7, 3))


def test_what_is_missing_is_told_and_temporary_files_are_no_tiles(tmp_path):
    store = TileStore.create(tmp_path, tiling())
    assert store.missing() == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    store.write(0, 1, torch.ones(3, 3))
    store.write(2, 2, torch.ones(1, 1))
    shutil.copy(store.path(0, 1), tmp_path / ".tile-1-1.npz.0123.tmp")
    assert store.missing() == [(0, 0), (0, 2), (1, 1), (1, 2)]
    with pytest.raises(TileError, match=r"tile-0-0\.npz is missing: compute it again"):
        store.read(0, 0)
    for use in (store.dense, lambda: store.matmul(torch.ones(1, 7, 1).double())):
        with pytest.raises(TileError, match="missing"):
            use()


def test_any_damaged_byte_is_found_or_without_effect(tmp_path):
    store = TileStore.create(tmp_path, tiling(n1=2, n2=2))
    tile = randn(2, 2)
    store.write(0, 0, tile)
    path = store.path(0, 0)
    whole, refused = path.read_bytes(), 0
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            assert torch.equal(store.read(0, 0), tile)
        except TileError:
            refused += 1
    assert refused > len(whole) // 2
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(TileError, match=rf"{path} is damaged .*: compute it again"):
            store.read(0, 0)


def test_tiles_of_another_kernel_place_or_shape_are_refused(tmp_path):
    mine, other = (TileStore.create(tmp_path / key, tiling(key=key)) for key in ("mine", "other"))
    for store in (mine, other):
        store.write(0, 1, torch.ones(3, 3))
    shutil.copy(mine.path(0, 1), mine.path(1, 1))
    with pytest.raises(TileError, match=r"it is the tile mine \(0, 1\)"):
        mine.read(1, 1)
    shutil.copy(other.path(0, 1), mine.path(0, 1))
    with pytest.raises(TileError, match=r"it is the tile other \(0, 1\)"):
        mine.read(0, 1)
    for wrong in (np.ones((3, 2)), np.ones((3, 3), np.float32)):
        buffer = io.BytesIO()
        np.savez(buffer, tile=wrong, name=np.array("mine (0, 1)"))
        mine.path(0, 1).write_bytes(buffer.getvalue())
        with pytest.raises(TileError, match="it has shape"):
            mine.read(0, 1)


def test_repair_names_and_removes_what_is_damaged_and_nothing_else(tmp_path, caplog):
    kernel = randn(7, 7) + randn(7, 7).T
    store = stored(kernel, tmp_path, 3)
    kept = store.path(0, 0).read_bytes()
    store.path(0, 2).write_bytes(store.path(0, 2).read_bytes()[:-9])
    store.path(1, 1).write_bytes(b"")
    assert store.damaged() == [(0, 2), (1, 1)]
    assert store.missing() == []
    assert store.repair() == store.missing() == [(0, 2), (1, 1)]
    assert [path in caplog.text for path in map(str, (store.path(0, 2), store.path(1, 1)))] == [
        True,
        True,
    ]
    assert str(store.path(0, 0)) not in caplog.text
    assert store.path(0, 0).read_bytes() == kept
    assert store.repair() == []


def test_a_directory_holds_one_kernel(tmp_path, caplog):
    store = TileStore.create(tmp_path, tiling())
    store.write(0, 0, torch.ones(3, 3))
    assert TileStore.create(tmp_path, tiling()) == store
    for change in ({"key": "other"}, {"tile": 4}, {"num_outputs": 1}, {"dtype": "float32"}):
        with pytest.raises(ValueError, match=r"another kernel.*use a new directory"):
            TileStore.create(tmp_path, tiling(**change))
    (tmp_path / "kernel.json").write_text("{")
    with pytest.raises(TileError, match=r"kernel\.json does not describe"):
        TileStore.open(tmp_path)
    assert not caplog.text
    assert TileStore.open(TileStore.create(tmp_path, tiling()).directory) == store
    assert "written again" in caplog.text
    described = json.loads((tmp_path / "kernel.json").read_text())
    (tmp_path / "kernel.json").write_text(json.dumps(described | {"version": 0}))
    with pytest.raises(TileError, match="version=0 of the files is not 1"):
        TileStore.open(tmp_path)
    with pytest.raises(TileError, match="compute it with fill_tiles"):
        TileStore.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tile": 0}, "tile=0"),
        ({"n1": 0}, "n1=0"),
        ({"num_outputs": 0}, "num_outputs=0"),
        ({"n1": 8}, 'n1=8, n2=7: use form="rectangular"'),
        ({"n1": 8, "form": "triangular"}, "a triangular kernel is square"),
        ({"form": "round"}, "form='round'"),
        ({"dtype": "int64"}, "dtype='int64'"),
    ],
)
def test_bad_tilings_are_refused(change, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        tiling(**change)


@pytest.mark.parametrize(
    ("at", "tile", "message"),
    [
        ((0, 2), torch.ones(3, 3), r"tile \(0, 2\) must be \(3, 1\), got \(3, 3\)"),
        ((1, 0), torch.ones(3, 3), r"tile \(1, 0\) is not kept.*i <= j"),
        ((0, 3), torch.ones(3, 3), r"tile \(0, 3\) is not kept"),
        ((-1, 0), torch.ones(3, 3), r"tile \(-1, 0\) is not kept"),
        ((0, 0), torch.ones(3, 3) / 0, "NaN or infinite"),
        (
            (0, 0),
            torch.full((3, 3), 1e300, dtype=torch.float64),
            "NaN or infinite.*compute in float64",
        ),
    ],
)
def test_bad_tiles_are_refused(tmp_path, at, tile, message):
    store = TileStore.create(tmp_path, tiling(dtype="float32"))
    with pytest.raises(ValueError, match=message):
        store.write(at[0], at[1], tile)
    assert len(store.missing()) == 6


@pytest.mark.parametrize("shape", [(7, 1), (1, 6, 1), (2, 7, 1)])
def test_misshapen_columns_are_refused(tmp_path, shape):
    store = stored(torch.eye(7).double(), tmp_path, 3)
    with unchecked(), pytest.raises(ValueError, match=r"must be \(1, 7, 's'\)"):
        store.matmul(torch.ones(shape).double())
