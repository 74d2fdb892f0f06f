"""A kernel filled by processes: seconds, bytes of the tasks, and the module's file beside them.

    python tests/benchmarks/fill_tiles.py

Two networks, of which one has few parameters and one many for the work that a tile is; two workers
of one thread each, started beforehand.
"""

import pickle
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from multiview import stream
from multiview.ntk import fill_tiles
from multiview.runs.engines import ProcessEngine

SAMPLES, TILE, WORKERS, REPEATS = 224, 32, 2, 3
WIDTHS = {"small": 64, "large": 2048}


class Counted(ProcessEngine):
    """An engine that counts the bytes of its tasks."""

    sent = 0

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        self.sent += len(pickle.dumps((fn, args, kwargs)))
        return super().submit(fn, *args, **kwargs)


def network(width: int) -> nn.Module:
    """Three linear layers."""
    layers = [nn.Linear(32, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(width, 1))
    for parameter in net.parameters():
        parameter.data = torch.randn(parameter.shape, generator=stream(0)) / width**0.5
    return net


def main() -> None:
    """Print a line for each fill."""
    x = torch.randn(SAMPLES, 32, generator=stream(0, "x"))
    for name, width in WIDTHS.items():
        net = network(width)
        parameters = sum(each.numel() for each in net.parameters())
        for _ in range(REPEATS):
            with Counted(WORKERS) as engine, tempfile.TemporaryDirectory() as folder:
                list(engine.map(abs, range(4 * WORKERS)))  # they import torch
                engine.sent = 0
                start = time.perf_counter()
                store = fill_tiles(folder, net, x, tile=TILE, executor=engine)
                seconds = time.perf_counter() - start
                (file,) = Path(store.directory).glob("module*")
                tiles = len(list(store.tiling.places()))
                print(
                    f"{name}: {parameters:,} parameters, {tiles} tiles, {seconds:.2f} s, tasks of "
                    f"{engine.sent / 1e3:.1f} kB, {file.name[:6]} file of "
                    f"{file.stat().st_size / 1e6:.2f} MB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
