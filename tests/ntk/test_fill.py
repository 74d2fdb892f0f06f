"""Tiles make the kernel gram makes, on any executor; after a kill only the rest is computed."""

import io
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ntk_strategies import Napping, modules_with_data
from torch import nn
from unchecked import unchecked

from multiview import stream
from multiview.ntk import TileStore, fill_tiles, fingerprint, gram
from multiview.runs.engines import LocalEngine, ProcessEngine

MODULE = import_module("multiview.ntk.fill")
HERE = Path(__file__).parent


def randn(*shape):
    return torch.randn(*shape, generator=stream(0, *shape))


def napping():
    """The same in every process."""
    module = Napping()
    for parameter in module.parameters():
        parameter.data = randn(*parameter.shape).double()
    return module


def samples():
    return randn(11, 3).double()


def files(store):
    return {path.name: path.read_bytes() for path in store.directory.glob("tile-*.npz")}


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened for a minute"
        time.sleep(0.005)


def counted(monkeypatch):
    """Every tile that is computed in this process from now on."""
    computed = []

    def counting(task, module=None):
        computed.append(task.at)
        return compute(task, module)

    compute = MODULE.compute_tile
    monkeypatch.setattr(MODULE, "compute_tile", counting)
    return computed


@settings(max_examples=20)
@given(modules_with_data(), st.sampled_from(["trace", "per_class"]), st.integers(2, 7))
def test_tiles_make_the_kernel_of_gram(drawn, outputs, tile):
    module, x1, x2 = drawn
    with TemporaryDirectory() as directory:
        for columns in (None, x2):
            store = fill_tiles(directory, module, x1, columns, outputs, tile=tile)
            expected = gram(module, x1, columns, outputs)
            assert store.shape == expected.shape
            assert store.tiling.form == ("symmetric" if columns is None else "rectangular")
            tolerance = 1e-12 * expected.abs().max().item()
            torch.testing.assert_close(store.dense(), expected, rtol=1e-12, atol=tolerance)
        assert len(list(Path(directory).iterdir())) == 2  # two kernels


@pytest.mark.parametrize("method", ["jacobian", "layerwise"])
def test_a_tile_is_gram_of_its_samples_to_the_bit(tmp_path, monkeypatch, method):
    halved = []

    def watched(module, x1, x2, *args, **options):
        halved.append(x2 is None)
        return gram(module, x1, x2, *args, **options)

    monkeypatch.setattr(MODULE, "gram", watched)
    module, x = napping().float(), samples().float()
    options = {"dtype": torch.float64, "accumulate": torch.float32, "method": method}
    store = fill_tiles(tmp_path, module, x, outputs="per_class", tile=4, **options)
    assert store.directory == tmp_path / fingerprint(
        module, x, outputs="per_class", tile=4, **options
    )
    assert store.read(0, 1).dtype == torch.float32
    assert sorted(halved) == 3 * [False] + 3 * [True]  # of the diagonal's, half is computed
    for i, j in store.tiling.places():
        rows, columns = x[store.tiling.rows[i]], x[store.tiling.columns[j]]
        expected = gram(module, rows, None if i == j else columns, "per_class", **options)
        assert torch.equal(store.read(i, j), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.int64])
def test_samples_of_any_type_reach_the_workers(tmp_path, dtype):
    net = nn.Embedding(5, 2) if dtype == torch.int64 else napping().to(dtype)
    x = torch.arange(5) if dtype == torch.int64 else samples().to(dtype)
    store = fill_tiles(tmp_path, net, x, tile=2, dtype=torch.float64)
    torch.testing.assert_close(store.dense(), gram(net, x, outputs="trace", dtype=torch.float64))


def test_every_executor_makes_the_same_bits(tmp_path):
    module, x = napping(), samples()
    executors = {"here": None, "local": LocalEngine(), "threads": ThreadPoolExecutor(2)}
    found = {}
    for name, executor in (executors | {"processes": ProcessEngine(1)}).items():
        told = []
        store = fill_tiles(
            tmp_path / name,
            module,
            x,
            tile=4,
            executor=executor,
            progress=lambda done, total, told=told: told.append((done, total)),
        )
        assert told == [(done, 6) for done in range(7)]
        found[name] = files(store)
        if executor is not None:
            executor.shutdown()
    assert len(found["here"]) == 6
    assert all(other == found["here"] for other in found.values())


class Counting(LocalEngine):
    """An engine that notes the bytes of each task."""

    def __init__(self):
        super().__init__()
        self.sizes = []

    def submit(self, fn, /, *args, **kwargs):
        self.sizes.append(len(pickle.dumps((args, kwargs))))
        return super().submit(fn, *args, **kwargs)


def wide():
    return nn.Sequential(nn.Linear(3, 2000), nn.Linear(2000, 1)).double()


def test_tasks_are_small_and_the_modules_numbers_lie_in_the_store(tmp_path):
    module, engine = wide(), Counting()
    here = fill_tiles(tmp_path / "here", module, samples(), tile=4)
    assert not list(here.directory.glob("module*"))
    store = fill_tiles(tmp_path / "sent", module, samples(), tile=4, executor=engine)
    assert len(engine.sizes) == 6
    assert max(engine.sizes) < 1000
    (path,) = store.directory.glob("module*")
    assert np.load(path, allow_pickle=False).nbytes == sum(
        each.nbytes for each in module.parameters()
    )
    for damage in (b"damaged", path.read_bytes()[:-8] + bytes(8)):  # the second is of its shape
        store.path(0, 0).unlink()
        path.write_bytes(damage)
        again = fill_tiles(tmp_path / "sent", module, samples(), tile=4, executor=Counting())
        assert files(again) == files(here)


class Trap:
    """Leaves a file named "run" when it is unpickled."""

    def __init__(self, folder):
        self.path = folder / "run"

    def __reduce__(self):
        return self.path.touch, ()


@pytest.mark.parametrize("form", ["plain", "torch"])
def test_no_pickle_lies_in_the_folder_and_none_that_does_is_opened(tmp_path, form):
    module, x = wide(), samples()
    store = fill_tiles(tmp_path, module, x, tile=4, executor=Counting())
    whole, found = files(store), list(store.directory.iterdir())
    assert {path.suffix for path in found} == {".json", ".npy", ".npz"}
    for path in store.directory.glob("*.npy"):
        np.load(path, allow_pickle=False)  # of anything else it is an error
    trap, poison = Trap(tmp_path), io.BytesIO()
    (pickle.dump if form == "plain" else torch.save)(trap, poison)
    module_file = store.directory / "module.pt"
    for path in (module_file, *store.directory.glob("*.np[yz]")):
        path.write_bytes(poison.getvalue())
    fill_tiles(tmp_path, module, x, tile=4, executor=Counting())
    assert files(store) == whole
    assert module_file.read_bytes() == poison.getvalue()
    assert not trap.path.exists()
    pickle.loads(pickle.dumps(trap))
    assert trap.path.exists()  # it does spring


def test_only_what_is_missing_or_damaged_is_computed(tmp_path, monkeypatch, caplog):
    module, x = napping(), samples()
    store = fill_tiles(tmp_path, module, x, tile=4)
    whole = files(store)
    computed, told = counted(monkeypatch), []
    fill_tiles(tmp_path, module, x, tile=4)
    assert computed == []
    store.path(0, 2).unlink()
    store.path(1, 1).write_bytes(whole["tile-1-1.npz"][:-20])
    (store.directory / "x1.npy").write_bytes(b"damaged")
    leftover = store.path(0, 2).with_name(".tile-0-2.npz.0123.tmp")
    leftover.write_bytes(whole["tile-0-2.npz"])
    fill_tiles(tmp_path, module, x, tile=4, progress=lambda *of: told.append(of))
    assert sorted(computed) == [(0, 2), (1, 1)]
    assert told == [(4, 6), (5, 6), (6, 6)]
    assert str(store.path(1, 1)) in caplog.text
    assert files(store) == whole
    store.path(0, 1).unlink()
    np.save(store.directory / "x1.npy", np.zeros((11, 3)))  # of the right shape
    fill_tiles(tmp_path, module, x, tile=4)
    assert files(store) == whole
    computed.clear()
    fill_tiles(tmp_path, module, x + 1, tile=4)
    assert len(computed) == 6


def test_two_who_fill_one_store_share_the_work(tmp_path, monkeypatch):
    monkeypatch.setenv("NAP", "0.002")
    x, gramed = samples(), []
    original = MODULE.gram

    def slow(*args, **options):
        gramed.append(1)
        return original(*args, **options)

    monkeypatch.setattr(MODULE, "gram", slow)
    with ThreadPoolExecutor(2) as pair:
        stores = list(pair.map(lambda _: fill_tiles(tmp_path, napping(), x, tile=1), range(2)))
    assert stores[0] == stores[1]
    assert stores[0].missing() == stores[0].damaged() == []
    assert 66 <= len(gramed) < 110  # of 132 if neither looked what the other had done


class Failing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        if (x == 7).any():
            raise OSError("seven")
        return self.layer(x)


@pytest.mark.parametrize("executor", [None, LocalEngine, lambda: ThreadPoolExecutor(1)])
def test_a_failing_tile_is_named_and_the_others_stay(tmp_path, executor, monkeypatch):
    x, module = samples(), Failing().double()
    x[5] = 7
    given_one = executor and executor()
    monkeypatch.setattr(MODULE, "plan_gram", lambda *args, **options: None)
    with pytest.raises(OSError, match="seven") as caught:
        fill_tiles(tmp_path, module, x, tile=4, executor=given_one)
    (note,) = caught.value.__notes__
    assert any(f"the tile {at}" in note for at in [(0, 1), (1, 1), (1, 2)])
    assert str(tmp_path) in note


def test_after_a_failure_no_tile_is_begun(tmp_path, monkeypatch):
    begun = []

    def failing(task):
        begun.append(task.at)
        time.sleep(0.1)
        raise OSError("disk full")

    monkeypatch.setattr(MODULE, "compute_tile", failing)
    with ThreadPoolExecutor(1) as executor, pytest.raises(OSError, match="disk full"):
        fill_tiles(tmp_path, napping(), samples(), tile=4, executor=executor)
    assert len(begun) < 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outputs": "full"}, r"outputs='full'.*\(n k\)\^2 entries.*use gram"),
        ({"outputs": "mean"}, "outputs='mean'"),
        ({"tile": 0}, "tile=0"),
        ({"x2": torch.ones(2, 4)}, r"\(11, 3\) and x2 \(2, 4\)"),
        ({"x1": torch.ones(0, 3)}, "at least one each"),
        ({"x2": torch.ones(2, 3)}, "float64 and x2 torch.float32"),
        ({"method": "magic"}, "method='magic'"),
        ({"accumulate": torch.float16}, "accumulate=torch.float16"),
        ({"module": nn.Linear(3, 2).requires_grad_(False)}, "no parameter"),
        ({"module": nn.Sequential(nn.Linear(3, 2), nn.Dropout())}, "draws at random"),
    ],
)
def test_bad_arguments_are_refused_before_any_work(tmp_path, change, message):
    arguments = {"module": nn.Linear(3, 2).double(), "x1": samples()} | change
    with unchecked(), pytest.raises(ValueError, match=message):
        fill_tiles(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_a_module_that_cannot_be_sent_is_refused_before_any_work(tmp_path):
    module = nn.Linear(3, 2).double()
    module.register_forward_hook(lambda module, inputs, output: output)
    with pytest.raises(ValueError, match="cannot be sent to the executor's workers"):
        fill_tiles(tmp_path, module, samples(), executor=ThreadPoolExecutor(1))
    assert not list(tmp_path.iterdir())
    assert fill_tiles(tmp_path, module, samples()).missing() == []  # here it need not be sent


@pytest.fixture
def undisturbed(tmp_path_factory):
    return files(fill_tiles(tmp_path_factory.mktemp("undisturbed"), napping(), samples(), tile=2))


def finish(directory, monkeypatch, undisturbed):
    """Fill what a kill has left; the kernel must be the one nobody disturbed."""
    monkeypatch.delenv("NAP")
    (root,) = directory.iterdir()
    before = {path: path.stat().st_mtime_ns for path in root.glob("tile-*.npz")}
    assert 2 <= len(before) < 21
    assert all(path.read_bytes() == undisturbed[path.name] for path in before)
    computed = counted(monkeypatch)
    store = fill_tiles(directory, napping(), samples(), tile=2)
    assert len(computed) == 21 - len(before)
    assert files(store) == undisturbed
    assert {path: path.stat().st_mtime_ns for path in before} == before


def tiles_in(directory):
    return len(list(directory.glob("*/tile-*.npz")))


def test_a_killed_worker_is_reported_and_the_rest_follows(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setenv("NAP", "0.02")
    engine = ProcessEngine(2)
    pool: Any = engine.inner

    def kill():
        wait_for(lambda: tiles_in(tmp_path) >= 2)
        os.kill(next(iter(pool._processes)), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(BrokenExecutor) as caught:
        fill_tiles(tmp_path, napping(), samples(), tile=2, executor=engine)
    killer.join()
    assert not hasattr(caught.value, "__notes__")  # which tile it was nobody knows
    engine.shutdown()
    finish(tmp_path, monkeypatch, undisturbed)


PROGRAM = """
import sys
from test_fill import napping, samples
from multiview.runs.engines import ProcessEngine
from multiview.ntk import fill_tiles
with ProcessEngine(1) as engine:
    fill_tiles(sys.argv[1], napping(), samples(), tile=2, executor=engine)
"""


def test_after_a_kill_of_all_the_rest_is_computed(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setenv("NAP", "0.02")
    path = os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1])))
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path],
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # a process group of its own, workers included
    )
    wait_for(lambda: tiles_in(tmp_path) >= 2)
    os.killpg(program.pid, signal.SIGKILL)
    program.wait()
    finish(tmp_path, monkeypatch, undisturbed)


def test_a_store_that_was_filled_is_opened_without_the_module(tmp_path):
    x = samples()
    directory = fill_tiles(tmp_path, napping(), x, tile=4).directory
    store = TileStore.open(directory)
    expected = gram(napping(), x, outputs="trace").numpy()
    np.testing.assert_allclose(store.dense().numpy(), expected, rtol=1e-12)
