"""Shapes and types of every call into multiview are checked while its tests run."""

import os
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # Many tests compute at the same time: each on one thread, and so do the programs they start.
    # Before torch is imported, which reads it then.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import typechecking
from hypothesis import settings

typechecking.install("multiview")

# Programs that tests start find this tree, whatever is installed, and what lies beside the tests.
HERE = Path(__file__).parent
GIVEN = os.environ.get("PYTHONPATH")
OWN = [str(HERE.parent), str(HERE)]
os.environ["PYTHONPATH"] = os.pathsep.join([*OWN, GIVEN] if GIVEN else OWN)

# Fixed examples: a statistical law either always passes or always fails on given code, so that its
# false-alarm rate is paid once. New ones: pytest --hypothesis-profile=random.
settings.register_profile("fixed", deadline=None, max_examples=30, derandomize=True)
settings.register_profile("random", deadline=None, max_examples=200)
settings.load_profile("fixed")
