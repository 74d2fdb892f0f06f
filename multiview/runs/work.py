"""Work: one cell becomes a row, in whatever process and on whatever machine."""

import errno
import platform
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Literal, get_args

import multiview
from multiview.runs.experiment import C, Context, Row
from multiview.runs.leases import Lease, claim
from multiview.runs.rows import (
    PART_OF,
    DamagedRow,
    check_no_clash,
    check_tidy,
    plain_cell,
    read_row,
    row_path,
    split_result,
    write_row,
)

Stored = Literal["ok", "failed", "lost"]  # of rows
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # of disks, which no cell can go on with
# Instructions as torch.cpu.get_capabilities calls them: with others, numbers round otherwise.
RECORDED = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "neon", "bf16", "sve", "sve_bf16")
MOST_DEATHS = 3  # processes that may be killed while they compute a cell, before it is lost


@dataclass(frozen=True, kw_only=True)
class Job(Generic[C]):
    """One cell to compute, with all a worker on any machine must know.

    Attributes:
        stamp: What the row says beside its cell and result.
        done: Rows of this status are not computed again.
        fresh: Forget what a killed attempt left.
        threads: Of torch; None: as many as the process has. The bits of results depend on them.
        memory: Estimate of the bytes that the process takes; None where nobody knows.
        owner: Of the leases that are taken: a name of the sweep.
        after: Keys of the rows of its parts, without which it is not computed.
    """

    run: Callable[[C, Context], Row]
    cell: C
    context: Context
    directory: Path
    stamp: dict[str, Any]
    done: tuple[Stored, ...] = get_args(Stored)
    fresh: bool = False
    threads: int | None = None
    memory: int | None = None
    owner: str = ""
    after: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name of the row."""
        return self.stamp["key"]

    @property
    def scratch(self) -> Path:
        """Where this cell keeps what it can go on with."""
        return self.directory / f"{self.key}.unfinished"

    @property
    def lease(self) -> Path:
        """Path of the cell's lease, without its number."""
        return self.directory / "leases" / self.key


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a job.

    Attributes:
        status: "ok"; "failed", a row that records that the settings were bad; "lost", processes
            that computed it were killed; "error", no row; "busy", another process computes it;
            "unwritten", the row could not be stored; "stored", there is a row that was not read.
        computed: Whether it was computed for this job, and not found.
    """

    key: str
    cell: object
    status: Literal["ok", "failed", "lost", "error", "busy", "unwritten", "stored"]
    message: str = ""
    computed: bool = True


def work(job: Job) -> Outcome:
    """Compute a cell and store its row, wherever the engine has put us, unless another has.

    A loss that stopped being a number (FloatingPointError) belongs to the settings, so it is a
    row, "failed", and not tried again; any other exception leaves no row, and the cell's scratch
    folder for the next attempt. A cell whose processes were killed too often is not tried, and
    stored as lost.
    """
    return _leased(job, lambda lease: _compute(job, lease))


def lose(job: Job, reason: str) -> Outcome:
    """Store a cell as lost, unless it is computed or stored by now."""
    return _leased(job, lambda lease: _lost(job, reason))


def take(job: Job, row: Mapping[str, Any]) -> Outcome:
    """Store a row of this cell that comes from elsewhere, unless it is computed or stored by now.

    Args:
        row: As ``read_row`` gives it.
    """

    def taken(lease: Lease) -> Outcome:
        write_row(job.directory, {k: v for k, v in row.items() if k != "arrays"}, row["arrays"])
        return _outcome(job, row["status"], row["failure"])

    return _leased(job, taken)


def fail(job: Job, reason: str) -> Outcome:
    """Store a cell as failed, unless it is computed or stored by now."""

    def failed(lease: Lease) -> Outcome:
        write_row(job.directory, _row(job) | {"status": "failed", "failure": reason}, {})
        return _outcome(job, "failed", reason)

    return _leased(job, failed)


def _leased(job: Job, settle: Callable[[Lease], Outcome]) -> Outcome:
    """What is stored of a job, or what ``settle`` makes of it while its lease is held."""
    try:
        if found := stored(job):
            return found
        lease = claim(job.lease, job.owner)
        if lease is None:
            return _outcome(job, "busy")
        with lease:
            return stored(job) or settle(lease)
    except OSError as error:
        return _outcome(job, "unwritten", str(error))


def stored(job: Job) -> Outcome | None:
    """What the store knows of a job; None if it is still to be computed."""
    row = _read(job) if job.done else None
    if row is None or row["status"] not in job.done:
        return None
    return replace(_outcome(job, row["status"], row["failure"]), computed=False)


def _seconds_of_parts(job: Job) -> float:
    """What the parts of a cell took, each in a process of its own; a part has none."""
    keys = () if PART_OF in job.stamp else job.after
    return sum(row["seconds"] for key in keys if (row := _read(job, key)) is not None)


def _read(job: Job, key: str | None = None) -> dict[str, Any] | None:
    """The row that is there and whole, of this job or of another in its folder."""
    try:
        return read_row(row_path(job.directory, key or job.key))
    except (FileNotFoundError, DamagedRow):
        return None


def _compute(job: Job, lease: Lease) -> Outcome:
    """Compute and store a cell whose lease is held."""
    if lease.strikes >= MOST_DEATHS:
        return _lost(job, f"{lease.deaths} processes that computed it were killed")
    import torch

    if job.threads is not None:
        torch.set_num_threads(job.threads)
    begin = time.perf_counter()
    if job.fresh:
        shutil.rmtree(job.scratch, ignore_errors=True)
    context = replace(job.context, progress=lease.tell, scratch=job.scratch)
    row, arrays = _row(job), {}
    try:
        result = job.run(job.cell, context)
        check_tidy(result)
        check_no_clash(row["cell"], result)
        row["result"], arrays = split_result(result)
    except FloatingPointError as error:
        row |= {"status": "failed", "failure": str(error) or type(error).__name__}
    except Exception as error:
        if isinstance(error, OSError) and error.errno in FULL:
            raise
        # If another took this process for dead, it may have removed what it had in scratch.
        return stored(job) or _outcome(job, "error", traceback.format_exc())
    if found := stored(job):  # another took this process for dead: the row that is there stays
        return found
    row |= {"threads": torch.get_num_threads(), "torch_version": torch.__version__}
    seconds = time.perf_counter() - begin + _seconds_of_parts(job)
    row |= {"seconds": round(seconds, 6), "finished": _now()}
    row |= {"peak_memory": peak_memory(), "instructions": _instructions()}
    write_row(job.directory, row, arrays)
    shutil.rmtree(job.scratch, ignore_errors=True)
    return _outcome(job, row["status"], row["failure"])


def _lost(job: Job, reason: str) -> Outcome:
    """Store a cell as lost; a result that is there stays."""
    there = _read(job)
    if there is None or there["status"] == "lost":
        write_row(job.directory, _row(job) | {"status": "lost", "failure": reason}, {})
    return _outcome(job, "lost", reason)


def _row(job: Job) -> dict[str, Any]:
    """A row without a result."""
    return {
        **job.stamp,
        "status": "ok",
        "failure": "",
        "cell": plain_cell(job.cell),
        "result": {},
        "package_version": multiview.__version__,
        "torch_version": "",
        "python_version": platform.python_version(),
        "device": job.context.device,
        "threads": 0,
        "instructions": "",
        "seconds": 0.0,
        "peak_memory": 0,
        "finished": _now(),
    }


def peak_memory() -> int:
    """Most bytes that this process has held so far; 0 where the system does not say."""
    try:
        import resource  # which Windows does not have
    except ImportError:
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _instructions() -> str:
    """Those of the processor by which torch may multiply matrices."""
    import torch

    known = getattr(torch.cpu, "get_capabilities", dict)()
    return " ".join(name for name in RECORDED if known.get(name, False))


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _outcome(job: Job, status: Any, message: str = "") -> Outcome:
    return Outcome(key=job.key, cell=job.cell, status=status, message=message)
