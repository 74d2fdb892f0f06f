"""A whole Slurm of one node, started by a test in a folder and on ports of its own.

It needs the Debian packages slurm-wlm and munge, and root; neither systemd nor control groups.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "setpriv")
PATIENCE = 60.0  # seconds for the daemons to come up, and for tasks to end
MOST_TASKS = 6  # of an array

CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
ReturnToService=2
SlurmdParameters=config_overrides
DefMemPerCPU=100
MaxArraySize={most_tasks}
KillWait=5
NodeName=node NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=all Nodes=node Default=YES MaxTime=INFINITE State=UP
"""


def why_not() -> str:
    """Why no Slurm can be started here; nothing if one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"no {', '.join(missing)} here: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "Slurm's daemons must be started as root"
    return ""


@contextlib.contextmanager
def running(folder: Path) -> Iterator[None]:
    """Within, Slurm's commands speak to a cluster whose files are all in ``folder``."""
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(128))
    (folder / "munge.key").chmod(0o600)
    controller, node = _free_ports(2)
    ours = folder / "slurm.conf"
    ours.write_text(
        CONFIGURATION.format(controller=controller, node=node, folder=folder, most_tasks=MOST_TASKS)
    )
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(ours)
    try:
        with _daemon(_munged(folder), folder):
            _wait_for(lambda: (folder / "munge.socket").exists(), folder)
            with (
                _daemon(["slurmctld", "-D", "-f", str(ours)], folder),
                _daemon(["slurmd", "-D", "-N", "node", "-f", str(ours)], folder),
            ):
                _wait_for(lambda: _said("sinfo", "--noheader", "--format=%T") == "idle", folder)
                try:
                    yield
                finally:
                    end_tasks()
    finally:
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before


def end_tasks() -> None:
    """End whatever runs or waits on the cluster."""
    subprocess.run(["scancel", "--full", "--user=root"], check=False)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and _said("squeue", "--noheader"):
        time.sleep(0.1)


def _munged(folder: Path) -> list[str]:
    files = {"socket": "socket", "key-file": "key", "log-file": "log", "pid-file": "pid"}
    options = [f"--{name}={folder}/munge.{end}" for name, end in files.items()]
    # By force, for somebody else may write to /tmp.
    return ["munged", "--foreground", "--force", f"--seed-file={folder}/munge.seed", *options]


@contextlib.contextmanager
def _daemon(command: Sequence[str], folder: Path) -> Iterator[None]:
    """Within, a program runs that ends with us, however we end."""
    with (folder / f"{command[0]}.out").open("wb") as out:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # Ctrl-C is for the tests
        )
        try:
            yield
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for(condition, folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            said = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.out"))
            raise AssertionError(f"Slurm did not start:\n{said}")
        time.sleep(0.1)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _free_ports(number: int) -> list[int]:
    """Ports that nobody uses at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
