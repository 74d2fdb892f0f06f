"""A valid call of every public name, and what is right of its result."""

from types import ModuleType

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


def public_names(module: ModuleType) -> set[str]:
    """What a module gives to its users: its ``__all__``, or what it defines itself."""
    if hasattr(module, "__all__"):
        return set(module.__all__)
    own = {name for name, value in vars(module).items() if callable(value) and name[0] != "_"}
    return {name for name in own if vars(module)[name].__module__ == module.__name__}
