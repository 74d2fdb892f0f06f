"""The toy experiment on a computer that is slow, impatient or short of memory, by environment.

FAULT_WRITE: seconds that each write of a file to the disk takes, so that kills come to lie in it.
FAULT_PATIENCE: seconds without a heartbeat, after which a holder of a lease is dead.
FAULT_CLOCK: seconds by which the clock of each process may be wrong.
FAULT_MEMORY: bytes a process may take, TOY_SEED_n=memory asks for more.

The module is imported by the workers too, so all this holds for them.
"""

import os
import random
import resource
import time

from toy_experiment import EXPERIMENT

from multiview.runs import leases
from multiview.runs.script import main

SYNC, CLOCK = os.fsync, time.time

if seconds := float(os.environ.get("FAULT_WRITE", "0")):

    def slow(descriptor: int) -> None:
        """Write to the disk, slowly."""
        time.sleep(seconds)
        SYNC(descriptor)

    os.fsync = slow

if patience := os.environ.get("FAULT_PATIENCE"):
    leases.PATIENCE, leases.BEAT = float(patience), float(patience) / 10

if jump := float(os.environ.get("FAULT_CLOCK", "0")):
    time.time = lambda: CLOCK() + random.SystemRandom().uniform(-jump, jump)

if memory := int(os.environ.get("FAULT_MEMORY", "0")):
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

if __name__ == "__main__":
    main(EXPERIMENT)
