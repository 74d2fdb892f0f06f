"""Kill sweeps at random moments, and count what it costs.

    python tests/faults.py --kills 200 --seed 1 [--fault WORDS ...] [--at-once 2]

Sweeps of the toy experiment are killed (SIGKILL) again and again: in start-up, in a cell, in the
write of a row. After each kill every row that was there is there, with the same bytes and time of
writing, and every row is whole. What was killed is started again until nothing is left to do; in
the end each row is, bit for bit and times aside, that of a sweep nobody disturbed. Prints a table
of faults and exits with 1 if anything of this was not so.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from killed_sweep import (
    CELLS,
    FAULTS,
    LONG,
    NAP,
    SEEDS,
    START,
    WRITE,
    Broken,
    Fault,
    Sweep,
    wait,
    workers,
)
from toy_runs import contents, run_toy

from multiview.runs.options import ENGINES
from multiview.runs.rows import read_row, row_paths

PHASES = {"start-up": 0.25, "cell": 0.4, "write": 0.35}  # what is aimed at, and how often


def aim(sweep: Sweep, program: subprocess.Popen) -> str:
    """Wait for a random moment; returns what was aimed at, nothing if the program ended before."""
    (phase,) = sweep.rng.choices(list(PHASES), list(PHASES.values()))
    until: Callable[[], bool] = lambda: True  # noqa: E731
    delay = sweep.rng.uniform(0, START)
    if phase != "start-up":
        enough = sweep.begun() + sweep.rng.randint(1, 3)
        if not wait(lambda: sweep.begun() >= enough, program):
            return ""
        delay = sweep.rng.uniform(0, NAP)
    if phase == "write":
        until, delay = lambda: any(sweep.folder.glob(".*.tmp")), sweep.rng.uniform(0, 3 * WRITE)
    if not wait(until, program, pause=0.001):
        return ""
    end = time.monotonic() + delay
    return phase if wait(lambda: time.monotonic() >= end, program, pause=0.001) else ""


def strike(sweep: Sweep, program: subprocess.Popen, phase: str) -> None:
    """Kill somebody, as the fault says, and look at what is left."""
    sweep.look()
    if sweep.fault.whom == "worker":
        there = sorted(workers(program))
        if not there or program.poll() is not None:
            return
        try:
            os.kill(sweep.rng.choice(there), signal.SIGKILL)
        except ProcessLookupError:
            return
    elif program.poll() is not None:
        return
    else:
        (os.killpg if sweep.fault.whom == "group" else os.kill)(program.pid, signal.SIGKILL)
        program.wait()
        sweep.programs.remove(program)
    sweep.count["kills"] += 1
    sweep.count[phase] += 1
    if sweep.fault.whom == "group" and any(sweep.folder.rglob(".*.tmp")):
        sweep.count["left a temporary file"] += 1
    sweep.look()


def disturb(sweep: Sweep) -> None:
    """Start programs, kill at random moments, and start again, until the rows are there."""
    while sweep.count["kills"] < sweep.limit:
        while len(sweep.programs) < sweep.fault.programs:
            sweep.start()
        program = sweep.rng.choice(sweep.programs)
        if phase := aim(sweep, program):
            strike(sweep, program, phase)
        elif program.poll() is not None:
            break  # it has ended by itself, so nothing is left to compute
    for program in sweep.programs:
        program.wait(LONG)
    sweep.look()


def complete(sweep: Sweep) -> None:
    """Let the command do the rest, once more if the engine gave up or cells were lost."""
    for options in ((), ("--retry",)):
        code = sweep.start(*options).wait(LONG)
        lost = [path for path in row_paths(sweep.folder) if read_row(path)["status"] == "lost"]
        sweep.look()
        if code == 0 and not lost:
            return
        if code != 1 or not lost:
            raise Broken(f"exit code {code}, {len(lost)} cells lost:\n{sweep.said()[-3000:]}")
        sweep.count["lost cells, computed by --retry"] += len(lost)
    raise Broken(f"--retry left lost cells:\n{sweep.said()[-3000:]}")


def judge(sweep: Sweep, undisturbed: Path) -> None:
    """Compare with the rows of a sweep that nobody disturbed, and with what the programs said."""
    if contents(sweep.folder) != contents(undisturbed):
        raise Broken("other rows than undisturbed")
    for path in undisturbed.glob("*.npz"):
        if (sweep.folder / path.name).read_bytes() != path.read_bytes():
            raise Broken(f"{path.name} has other bits than undisturbed")
    if "Traceback" in (said := sweep.said()):
        raise Broken(f"a traceback was printed:\n{said[-3000:]}")
    if left := [*sweep.folder.rglob(".*.tmp")]:
        raise Broken(f"{left} were left")
    sweep.count["leases left"] += len([*(sweep.folder / "leases").iterdir()])
    sweep.count["gave up"] += said.count("takes no more cells")
    sweep.count["begun again"] += sweep.begun() - CELLS
    # The pool ends the other workers when it loses one.
    each = 2 if "--workers" in sweep.fault.options else 1
    sweep.count["beyond kills"] += max(0, sweep.begun() - CELLS - each * sweep.count["kills"])


def sweep_killed(fault: Fault, undisturbed: Path, seed: str, limit: int) -> Counter[str]:
    """One sweep from nothing to all rows, with at most ``limit`` kills; what was counted."""
    with tempfile.TemporaryDirectory(prefix="faults_") as folder:
        sweep = Sweep(fault, Path(folder), random.Random(seed), limit=limit)
        try:
            disturb(sweep)
            complete(sweep)
            judge(sweep, undisturbed)
        except Broken as broken:
            sweep.count["broken"] += 1
            print(f"BROKEN, {fault.name}, seed {seed}: {broken}", flush=True)
        finally:
            for program in sweep.programs:
                if program.poll() is None:
                    os.killpg(program.pid, signal.SIGKILL)
                    program.wait()
        sweep.count["sweeps"] += 1
        return sweep.count


def kill_sweeps(fault: Fault, undisturbed: Path, seed: int, kills: int) -> Counter[str]:
    """Sweep after sweep until there were so many kills."""
    count: Counter[str] = Counter()
    while count["kills"] < kills and not count["broken"]:
        if count["sweeps"] > kills:
            raise RuntimeError(f"{fault.name}: there is nobody to kill")
        left = kills - count["kills"]
        count += sweep_killed(fault, undisturbed, f"{seed} {fault.name} {left}", left)
        print(f"{fault.name}: {count['kills']} of {kills} kills", flush=True)
    return count


COLUMNS = ("kills", *PHASES, "left a temporary file", "sweeps", "vanished", "changed", "damaged")
COLUMNS += (
    "begun again",
    "beyond kills",
    "lost cells, computed by --retry",
    "gave up",
    "leases left",
    "broken",
)


def table(counts: dict[str, Counter[str]]) -> str:
    """What was counted, as Markdown: one line a fault and their sum."""
    rows = [*counts.items(), ("all", sum(counts.values(), Counter()))]
    lines = [("killed", *COLUMNS), ("---", *["---:"] * len(COLUMNS))]
    lines += [(name, *(str(count[column]) for column in COLUMNS)) for name, count in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill as the command line says, print the table and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="in all")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--fault", nargs="*", default=[""], help="only those with such names")
    parser.add_argument("--at-once", type=int, default=2, help="sweeps that run at a time")
    settings = parser.parse_args(arguments)
    known = [fault for fault in FAULTS if "dask" not in fault.name or "dask" in ENGINES]
    faults = [fault for fault in known if any(word in fault.name for word in settings.fault)]
    print(f"seed {settings.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(settings.at_once) as threads:
        undisturbed = run_toy(Path(folder), "laptop", seeds=SEEDS)[0].directory
        share = -(-settings.kills // len(faults))
        work = partial(kill_sweeps, undisturbed=undisturbed, seed=settings.seed, kills=share)
        counts = dict(zip([f.name for f in faults], threads.map(work, faults), strict=True))
    print(table(counts))
    return int(any(count["broken"] for count in counts.values()))


if __name__ == "__main__":
    sys.exit(main())
