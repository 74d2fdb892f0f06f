"""A valid call of every public name, and what is right of its result."""

from calls_of_data import CALLS as DATA
from calls_of_distill import CALLS as DISTILL
from calls_of_models import CALLS as MODELS
from calls_of_ntk import CALLS as NTK
from calls_of_probes import CALLS as PROBES
from calls_of_sparsity import CALLS as SPARSITY
from calls_of_testing import CALLS as TESTING
from calls_of_train import CALLS as TRAIN
from one_call import Call

PARTS = (
    *("data", "models", "train", "ensemble", "distill", "sparsity"),
    *("probes", "theory", "rng", "ntk", "testing"),
)
MODULES = ("multiview", *(f"multiview.{part}" for part in PARTS))
CALLS: dict[str, Call] = DATA | MODELS | TRAIN | DISTILL | SPARSITY | PROBES | NTK | TESTING
