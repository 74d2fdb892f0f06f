"""A thousand workers on a hundred thousand cells: what the store's operations cost, simulated.

    python tests/benchmarks/scale.py [--folder DIR] [--seed N]

measures the operations of one worker in DIR (a folder of the file system in question) and simulates
sharing processes that lose their machines now and then. Nothing is chosen: a worker takes a random
cell of those it does not know to be done, as ``--share`` does, and pays for each look at one that
is stored or held.
"""

import argparse
import heapq
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from multiview.runs.leases import BEAT, PATIENCE, claim
from multiview.runs.rows import make_subfolders, read_row, row_path, stored_keys, write_row
from multiview.runs.sweep import FOUND, POLL


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds that one operation takes."""

    write: float  # of a row with arrays
    lease: float  # taken and released
    look: float  # at a cell whose row is there
    list: float  # of the folder with all rows


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """Workers, cells and what befalls them.

    Attributes:
        seconds: Mean of a cell, log-normal with a standard deviation of half of it.
        preempted: Fraction of the workers that is killed in an hour.
        back: Seconds until a worker that was killed is started again.
        start: Seconds of a start: imports, and reading the rows that are stored.
    """

    workers: int = 1000
    cells: int = 100_000
    seconds: float = 60.0
    preempted: float = 0.01
    back: float = 120.0
    start: float = 5.0


@dataclass(kw_only=True)
class Result:
    """What a simulated sweep took."""

    makespan: float
    begun_twice: int  # cells whose worker was killed
    looks: int  # at cells that others had stored or held
    listings: int


def measured(folder: Path, rows: int = 2000) -> tuple[Costs, float]:
    """Medians of the operations in a folder of this many rows, and bytes a row takes."""
    make_subfolders(folder)
    keys = [f"{i * 2654435761 % 2**128:032x}" for i in range(rows)]
    arrays = {"net/logits": np.zeros((20, 10))}
    result = {"net": {"error": 0.5, "steps": 300.0}}
    row = {"status": "ok", "cell": {"seed": 0, "text": "x" * 600}, "result": result}

    def timed(what: Callable[[str], object]) -> float:
        took = []
        for key in keys:
            begin = time.perf_counter()
            what(key)
            took.append(time.perf_counter() - begin)
        return statistics.median(took)

    def lease(key: str) -> None:
        held = claim(folder / "leases" / key)
        assert held is not None
        with held:
            pass

    (folder / "leases").mkdir()
    write = timed(lambda key: write_row(folder, {"key": key, **row}, arrays))
    costs = Costs(
        write=write,
        lease=timed(lease),
        look=timed(lambda key: read_row(row_path(folder, key))),
        list=0.0,
    )
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / rows
    listing = timed_once(lambda: stored_keys(folder)) / rows
    return replace(costs, list=listing * 100_000), size


def timed_once(what: Callable[[], object]) -> float:
    """Seconds it takes: the median of five."""
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        what()
        took.append(time.perf_counter() - begin)
    return statistics.median(took)


def simulate(fleet: Fleet, costs: Costs, seed: int) -> Result:
    """Run the fleet, event by event: the end of a cell, or the death of a worker."""
    draw = np.random.default_rng(seed)
    spread = np.sqrt(np.log(1.25))
    lengths = draw.lognormal(np.log(fleet.seconds) - spread**2 / 2, spread, fleet.cells)
    left = np.arange(fleet.cells)  # cells that nobody holds and none has stored, first ``number``
    number, done = fleet.cells, 0
    known = np.zeros(fleet.workers, int)  # cells that were done when a worker last listed them
    found = np.zeros(fleet.workers, int)  # rows it has found since
    result = Result(makespan=0.0, begun_twice=0, looks=0, listings=0)
    rate = fleet.preempted / 3600
    freed: list[tuple[float, int]] = []  # cells of the dead, and when their leases are stale
    events = [(float(draw.uniform(0, fleet.start)), w, -1, False) for w in range(fleet.workers)]
    heapq.heapify(events)
    while done < fleet.cells:
        now, worker, cell, died = heapq.heappop(events)
        if died:
            heapq.heappush(freed, (now + PATIENCE + BEAT, cell))
            result.begun_twice += 1
            known[worker] = found[worker] = 0
            heapq.heappush(events, (now + fleet.back + fleet.start, worker, -1, False))
            continue
        if cell >= 0:
            done += 1
            result.makespan = now
        while freed and freed[0][0] <= now:
            left[number] = heapq.heappop(freed)[1]
            number += 1
        if number == 0:  # what is left is in others' hands
            if done < fleet.cells:
                heapq.heappush(events, (now + POLL + costs.look, worker, -1, False))
            continue
        # Of those it does not know to be done it draws until one is free.
        looks = int(draw.geometric(number / (fleet.cells - known[worker]))) - 1
        result.looks += looks
        found[worker] += looks
        spent = looks * costs.look + costs.lease + costs.write
        if found[worker] >= FOUND:
            known[worker], found[worker] = done, 0
            spent += costs.list
            result.listings += 1
        place = int(draw.integers(number))
        number -= 1
        taken = int(left[place])
        left[place] = left[number]
        end = now + spent + lengths[taken]
        death = now + draw.exponential(1 / rate) if rate else np.inf
        heapq.heappush(events, (min(end, death), worker, taken, bool(death < end)))
    return result


def main() -> None:
    """Measure, simulate and print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None, help="of the file system to measure")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        costs, size = measured(Path(folder))
    print(f"row {costs.write * 1e3:.2f} ms, lease {costs.lease * 1e3:.2f} ms,", end=" ")
    print(f"look {costs.look * 1e3:.3f} ms, list of 100,000 {costs.list:.2f} s, {size:.0f} bytes\n")
    print("| file system | s a cell | preempted an hour | ideal | makespan | of ideal |", end=" ")
    print("begun twice | looks | listings |")
    print("|---" * 9 + "|")
    slow = Costs(**{name: 20 * value for name, value in vars(costs).items()})
    for name, each in (("as measured", costs), ("20 times slower", slow)):
        for seconds in (6.0, 60.0, 600.0):
            for preempted in (0.0, 0.01, 0.2):
                fleet = Fleet(seconds=seconds, preempted=preempted)
                found = simulate(fleet, each, given.seed)
                ideal = fleet.cells * seconds / fleet.workers
                print(
                    f"| {name} | {seconds:.0f} | {preempted:.0%} | {ideal / 3600:.2f} h "
                    f"| {found.makespan / 3600:.2f} h | {found.makespan / ideal:.3f} "
                    f"| {found.begun_twice} | {found.looks / 1e6:.1f} M | {found.listings} |"
                )


if __name__ == "__main__":
    main()
