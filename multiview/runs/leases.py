"""Leases: who computes what, among processes and machines that share nothing but a folder.

A lease is a file ``NAME.lease-G``. Whoever creates it holds it, and rewrites it every ``BEAT``
seconds until it is released. A holder that was killed leaves it behind; whoever finds it creates
``NAME.lease-(G + 1)``, so the number in the name says how many holders died. Both are decided by
creating a file that must not exist, of which one of many succeeds on any file system.

A lease only spares work: what is computed must be right if two compute it at once, which a frozen
holder or a clock that jumps can bring about.
"""

import contextlib
import errno
import glob
import json
import os
import threading
import uuid
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multiview.process import is_alive, process_space

BEAT = 2.0  # seconds between two heartbeats
PATIENCE = 30.0  # seconds without one, after which a holder that cannot be asked is dead
SILENT = 0.3  # of a death that was seen: a machine that falls silent is seldom its cell's victim
LENGTH = 512  # bytes of a lease, written in one go


@dataclass
class Lease:
    """A lease that is held; use it in a ``with``.

    It is then released, with those of holders that died before. After an exception other than an
    ``Exception``, such as a Ctrl-C, the deaths stay counted.

    Attributes:
        stem: Path of its files without ``.lease-G``.
        deaths: How many holders died before.
        strikes: The same, those of other machines, which fell silent, counted ``SILENT`` each.
        owner: What ``withdraw`` knows it by.
        token: Of this holder alone.
    """

    stem: Path
    deaths: int
    owner: str = ""
    strikes: float = 0.0
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    _said: tuple[str, float | None] = ("", None)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def path(self) -> Path:
        """Its file."""
        return _file(self.stem, self.deaths)

    def tell(self, message: str, fraction: float | None = None) -> None:
        """Say how far the work is; others can read it from the next heartbeat on."""
        self._said = message, fraction

    def __enter__(self) -> "Lease":
        threading.Thread(target=self._beat, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exception: Any) -> None:
        self._over.set()
        self.release(forgive=kind is None or issubclass(kind, Exception))

    def release(self, forgive: bool = True) -> None:
        """Let others have it.

        Args:
            forgive: Forget the deaths of earlier holders.
        """
        if read(self.path).get("token", self.token) != self.token:
            return  # it was taken for dead, and others have come and gone
        # Upwards: while its own file is there, nobody can succeed one that is removed.
        for number in range(0 if forgive else self.deaths, self.deaths + 1):
            with contextlib.suppress(OSError):
                _file(self.stem, number).unlink()

    def record(self) -> bytes:
        """What its file holds."""
        message, fraction = self._said
        holder = {"space": process_space(), "process": os.getpid(), "owner": self.owner}
        holder |= {"token": self.token, "strikes": self.strikes}
        while len(text := json.dumps(holder | {"fraction": fraction, "message": message})) > LENGTH:
            message = message[: len(message) // 2]
        return text.encode().ljust(LENGTH)

    def beat(self) -> None:
        """Say that its holder lives."""
        if read(self.path).get("token", self.token) != self.token:
            return  # it was taken for dead, and another has a lease of this number
        # Not created anew: it may just have been released, or withdrawn.
        with contextlib.suppress(OSError), self.path.open("r+b", buffering=0) as file:
            file.write(self.record())

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            self.beat()


def claim(stem: Path, owner: str = "") -> Lease | None:
    """The lease of this name, or None while a living process holds it.

    Raises:
        OSError: If its file cannot be written.
    """
    there = _files(stem)
    if not all(map(is_dead, there.values())):
        return None
    lease = Lease(stem, max(there, default=-1) + 1, owner, count_strikes(stem))
    stem.parent.mkdir(parents=True, exist_ok=True)
    try:
        _create(lease.path, lease.record())
    except FileExistsError:
        return None
    others = [path for number, path in _files(stem).items() if number != lease.deaths]
    # Since they were looked at, holders may have come or gone, and others come after them.
    if (lease.deaths and not others) or not all(map(is_dead, others)):
        lease.release(forgive=False)
        return None
    return lease


def _create(path: Path, data: bytes) -> None:
    """Write a file that must not be there; nothing is left of it if the disk is full."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        if os.write(descriptor, data) < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except BaseException as error:
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        os.close(descriptor)


def count_deaths(stem: Path) -> int:
    """How many holders of this lease died since it was last released."""
    return max((number + is_dead(path) for number, path in _files(stem).items()), default=0)


def count_strikes(stem: Path) -> float:
    """The same, those of other machines, which fell silent, counted ``SILENT`` each."""
    there = _files(stem)
    if not there:
        return 0.0
    last = max(there)
    before = read(there[last]).get("strikes")
    known = before if isinstance(before, int | float) else SILENT * last
    return known + (death_of(there[last]) or 0.0)


def forget(stem: Path) -> None:
    """Forget the deaths of a lease that nobody holds."""
    there = _files(stem).values()
    if all(map(is_dead, there)):
        for path in there:
            with contextlib.suppress(OSError):
                path.unlink()


def is_held(stem: Path) -> bool:
    """Whether a living process holds the lease."""
    return not all(map(is_dead, _files(stem).values()))


def withdraw(stem: Path, owner: str, processes: Collection[int] | None = None) -> bool:
    """Release a lease of processes that were ended on purpose, and say whether there was one.

    It counts no death.

    Args:
        processes: Their numbers; None: whatever the owner has begun was ended.
    """
    withdrawn = False
    for path in _files(stem).values():
        record = read(path)
        ended = processes is None or record.get("process") in processes
        if record.get("owner") == owner and ended:
            with contextlib.suppress(OSError):
                path.unlink()
                withdrawn = True
    return withdrawn


def told(folder: Path) -> Iterator[tuple[str, str, float | None]]:
    """Name, message and fraction of each lease in a folder whose holder has told something."""
    for path in folder.glob("*.lease-*"):
        record = read(path)
        process, here = record.get("process"), record.get("space") == process_space()
        gone = here and isinstance(process, int) and not is_alive(process)
        if record.get("message") and not gone:
            yield path.name.partition(".lease-")[0], record["message"], record.get("fraction")


def read(path: Path) -> dict[str, Any]:
    """What a lease's file says; nothing if it is gone, or its holder was killed in writing it."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def is_dead(path: Path) -> bool:
    """Whether a lease is there whose holder lives no more."""
    return death_of(path) is not None


def death_of(path: Path) -> float | None:
    """1 for a lease whose holder was seen to be dead, ``SILENT`` for a silent one; else None.

    A process of this machine is asked for by its number, so that its work is taken up at once. Of
    others the last heartbeat is held against the clock of the file system, as its age: clocks of
    machines differ. A heartbeat that lies in the future was before the clock was set back.
    """
    record = read(path)
    process: Any = record.get("process")
    try:
        known = record.get("space") == process_space() and isinstance(process, int)
        if known and not is_alive(process):
            return 1.0
        silent = abs(_now_at(path.parent) - path.stat().st_mtime) > PATIENCE
        return SILENT if silent else None
    except FileNotFoundError:
        return None


def _now_at(folder: Path) -> float:
    """The time by the clock of the file system."""
    writer = f"{process_space()}-{os.getpid()}"  # as of ``write_atomically``, for ``remove_stale``
    probe = folder / f".clock.{writer}.{uuid.uuid4().hex}.tmp"
    try:
        probe.write_bytes(b"")
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _files(stem: Path) -> dict[int, Path]:
    """The files of a lease, by how many holders had died before."""
    found = stem.parent.glob(f"{glob.escape(stem.name)}.lease-*")
    numbers = {path.name.rpartition("-")[2]: path for path in found}
    return {int(number): numbers[number] for number in numbers if number.isdecimal()}


def _file(stem: Path, deaths: int) -> Path:
    return stem.with_name(f"{stem.name}.lease-{deaths}")
