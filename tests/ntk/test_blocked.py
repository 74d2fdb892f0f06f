"""Solving with tiles is solving: the same model, the same jitter, whoever was killed between."""

import os
import signal
import subprocess
import sys
import time
import weakref
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from closeness import close
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import stored
from unchecked import unchecked

from multiview import stream
from multiview.ntk import (
    TileError,
    TileStore,
    factor_tiles,
    predict,
    predict_tiles,
    solve,
    solve_tiles,
)
from multiview.ntk.solve import FIRST_JITTER, LAST_JITTER

MODULE = import_module("multiview.ntk.blocked")
HERE = Path(__file__).parent


def randn(*shape):
    return torch.randn(*shape, generator=stream(0, *shape)).double()


@st.composite
def problems(draw):
    """(kernel, test kernel, targets, ridge, tile): one kernel, or one for each output."""
    k, n, t = draw(st.integers(1, 3)), draw(st.integers(1, 9)), draw(st.integers(1, 5))
    generator = stream(draw(st.integers(0, 2**31)), "blocked")
    train, test = (torch.randn(k, r, 12, generator=generator).double() for r in (n, t))
    sets = draw(st.sampled_from([(), (2,), (2, 2)]))
    targets = torch.randn(*sets, n, k, generator=generator).double()
    kernel, cross = train @ train.mT, test @ train.mT
    if draw(st.booleans()):
        kernel, cross = kernel.sum(0), cross.sum(0)
    return kernel, cross, targets, 10 ** draw(st.floats(-3, 1)), draw(st.integers(2, 10))


@given(problems())
def test_tiles_solve_and_predict_as_the_whole_kernel_does(drawn):
    kernel, cross, targets, ridge, tile = drawn
    expected = solve(kernel, targets, ridge)
    with TemporaryDirectory() as directory:
        store = stored(kernel, f"{directory}/train", tile)
        solution = solve_tiles(store, targets, ridge)
        close(solution.dual, expected.dual)
        close(solution.scale, expected.scale)
        assert torch.equal(solution.jitter, expected.jitter)
        assert (solution.ridge, solution.layout) == (expected.ridge, expected.layout)
        k_test = stored(cross, f"{directory}/test", tile, "rectangular")
        close(predict_tiles(k_test, solution), predict(cross, expected))


@given(problems())
def test_factors_are_those_of_the_kernel_and_triangular(drawn):
    kernel, _, _, ridge, tile = drawn
    with TemporaryDirectory() as directory:
        factor = factor_tiles(stored(kernel, directory, tile), ridge=ridge)
        upper = factor.tiles.dense().view(-1, *kernel.shape[-2:])
        assert torch.equal(upper, upper.triu())
        matrices = kernel.view(upper.shape) / factor.scale[:, None, None]
        close(upper.mT @ upper, matrices + ridge * torch.eye(kernel.shape[-1]).double())


def nearly_singular():
    """Three kernels, of which the second has an eigenvalue below zero by 1e-7 of its scale."""
    features = randn(3, 20, 20)
    kernel = features @ features.mT
    values, vectors = torch.linalg.eigh(kernel[1])
    values[0] = -1e-7 * kernel[1].diagonal().mean()
    kernel[1] = vectors @ values.diag() @ vectors.T
    return kernel


def test_each_kernel_gets_the_jitter_it_needs_as_it_does_whole(tmp_path, monkeypatch):
    kernel, targets = nearly_singular(), randn(20, 3)
    store = stored(kernel, tmp_path / "kernel", 6)
    solution = solve_tiles(store, targets, 0.0, directory=tmp_path / "factors")
    expected = solve(kernel, targets, 0.0)
    assert torch.equal(solution.jitter, expected.jitter)
    assert solution.jitter[0] == solution.jitter[2] == 0 < solution.jitter[1]
    close(solution.dual, expected.dual, 1e-6)
    # What failed is remembered, and takes no room.
    kept = [path.parent for path in (tmp_path / "factors").glob("*/tile-0-0.npz")]
    assert len(kept) == 1
    assert len(list((tmp_path / "factors").glob("*/failed.json"))) > 3
    monkeypatch.setattr(MODULE, "_factor_tile", None)
    again = solve_tiles(store, 2 * targets, 0.0, directory=tmp_path / "factors")
    close(again.dual, 2 * solution.dual, 1e-12)


def test_jitter_begins_small_and_is_bounded(tmp_path):
    kernel = torch.eye(3).double()
    for name, corner, jitter in (("a", 1.0, FIRST_JITTER), ("b", 1 + 0.9 * LAST_JITTER, 1e-4)):
        kernel[0, 1] = kernel[1, 0] = corner
        factor = factor_tiles(stored(kernel, tmp_path / name, 1), ridge=0.0)
        assert factor.jitter.item() == pytest.approx(jitter)
    kernel[0, 1] = kernel[1, 0] = 1.1
    with pytest.raises(np.linalg.LinAlgError, match=r"kernel \[0\] is not positive definite"):
        factor_tiles(stored(kernel, tmp_path / "c", 1), ridge=0.0)


def test_what_another_process_found_not_positive_is_believed(tmp_path, monkeypatch):
    compute, told = MODULE._factor_tile, []

    def beaten(store, factor, i, j):
        if (i, j) == (1, 1) and not told:  # the other one removes the tiles
            told.append((factor.tiles.directory / "failed.json").write_text("[0]"))
            raise TileError("missing")
        return compute(store, factor, i, j)

    monkeypatch.setattr(MODULE, "_factor_tile", beaten)
    assert factor_tiles(problem(tmp_path)).jitter.tolist() == [FIRST_JITTER]


def problem(directory, tile=2):
    features = randn(17, 20)
    return stored(features @ features.T, directory, tile)


def tiles_of(store):
    return {path.name: path.read_bytes() for path in store.directory.glob("tile-*.npz")}


def counted(monkeypatch):
    computed, compute = [], MODULE._factor_tile

    def counting(store, factor, i, j):
        computed.append((i, j))
        return compute(store, factor, i, j)

    monkeypatch.setattr(MODULE, "_factor_tile", counting)
    return computed


def test_a_factor_is_used_again_and_its_damaged_tiles_are_not(tmp_path, monkeypatch, caplog):
    store, targets = problem(tmp_path), randn(17, 2)
    computed = counted(monkeypatch)
    first = solve_tiles(store, targets)
    assert len(computed) == 45
    tiles = factor_tiles(store).tiles
    whole = tiles_of(tiles)
    assert len(computed) == 45
    damaged = tiles.path(3, 5)
    damaged.write_bytes(damaged.read_bytes()[:-30])
    tiles.path(4, 4).unlink()
    assert torch.equal(solve_tiles(store, targets).dual, first.dual)
    assert computed[45:] == [(4, 4), (3, 5)]
    assert str(damaged) in caplog.text
    damaged.write_bytes(b"")
    tiles.path(5, 5).unlink()
    factor_tiles(store)
    assert computed[47:] == [(5, 5), (3, 5)]
    assert tiles_of(tiles) == whole
    factor_tiles(store, ridge=1e-2)
    assert len(computed) == 49 + 45
    monkeypatch.setattr(MODULE, "CODE", "of another day")
    factor_tiles(store)
    assert len(computed) == 49 + 2 * 45


@pytest.mark.parametrize("size", [40, 80])
def test_a_factor_holds_few_tiles_however_many_there_are(tmp_path, monkeypatch, size):
    features = randn(size, size)
    store = stored(features @ features.T, tmp_path, 10)
    alive, most = set(), [0]
    read = TileStore.read

    def watched(self, i, j):
        tile = read(self, i, j)
        token = object()
        alive.add(token)
        most[0] = max(most[0], len(alive))
        weakref.finalize(tile, alive.discard, token)
        return tile

    monkeypatch.setattr(TileStore, "read", watched)
    solve_tiles(store, randn(size, 1))
    assert 1 < most[0] <= 3


MEMORY = """
import re, sys, torch
from pathlib import Path
from multiview.ntk import TileStore, factor_tiles
store = TileStore.open(Path(sys.argv[1]))
torch.linalg.cholesky_ex(torch.eye(64).double())  # the libraries' own memory
def peak():  # ru_maxrss would begin with that of the process that started this one
    return 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
factor_tiles(store)
print(peak() - before)
"""


def test_memory_is_that_of_few_tiles(tmp_path):
    n, tile = 4000, 400
    kernel = torch.eye(n).double() + 1 / n
    store = stored(kernel, tmp_path, tile)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, store.directory], capture_output=True, text=True, check=True
    )
    used = int(done.stdout) / (8 * tile**2)
    assert 2 < used < 30, "tiles' worth of memory, the libraries' buffers included, out of 100"


PROGRAM = """
import sys, time
from pathlib import Path
from multiview.ntk import TileStore, blocked, factor_tiles
compute = blocked._factor_tile
def slow(*arguments):
    time.sleep(0.02)
    return compute(*arguments)
blocked._factor_tile = slow
factor_tiles(TileStore.open(Path(sys.argv[1])))
"""


def test_after_a_kill_the_rest_is_factorised_to_the_same_bits(tmp_path, monkeypatch):
    undisturbed = tiles_of(factor_tiles(problem(tmp_path / "undisturbed")).tiles)
    store = problem(tmp_path / "killed")
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, store.directory],
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
    )
    end = time.monotonic() + 60
    while len(list(store.directory.glob("factors/*/tile-*.npz"))) < 10:
        assert time.monotonic() < end, "nothing happened for a minute"
        time.sleep(0.005)
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    finished = len(list(store.directory.glob("factors/*/tile-*.npz")))
    assert 10 <= finished < 45
    computed = counted(monkeypatch)
    tiles = factor_tiles(store).tiles
    assert len(computed) == 45 - finished
    assert tiles_of(tiles) == undisturbed


def test_what_cannot_be_solved_is_refused(tmp_path):
    store = problem(tmp_path / "kernel")
    for targets, message in ((randn(16, 2), "n=17 rows"), (randn(17, 2) / 0, "NaN or infinite")):
        with unchecked(), pytest.raises(ValueError, match=message):
            solve_tiles(store, targets)
    with pytest.raises(ValueError, match="ridge=-1"):
        factor_tiles(store, ridge=-1.0)
    with pytest.raises(ValueError, match="rectangular kernel: only a symmetric one"):
        factor_tiles(stored(randn(3, 4), tmp_path / "cross", 2, "rectangular"))
    kernel = torch.stack([torch.eye(3), torch.zeros(3, 3)]).double()
    with pytest.raises(ValueError, match=r"kernel \[1\] has mean diagonal <= 0"):
        factor_tiles(stored(kernel, tmp_path / "dead", 2))
    store.path(2, 4).write_bytes(b"")
    with pytest.raises(TileError, match=r"tile-2-4\.npz is damaged"):
        factor_tiles(store)
    store.path(2, 4).unlink()
    with pytest.raises(TileError, match=r"lacks 1 tiles, \(2, 4\) the first"):
        factor_tiles(store)


@pytest.mark.parametrize("shape", [(5, 16), (17, 5), (2, 5, 17)])
def test_a_test_kernel_unlike_the_fit_is_refused(tmp_path, shape):
    solution = solve(torch.eye(17).double(), randn(17, 2))
    with pytest.raises(ValueError, match="as in the fit"):
        predict_tiles(stored(randn(*shape), tmp_path, 4, "rectangular"), solution)
