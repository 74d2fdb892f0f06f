"""A valid call of every public name, and what is right of its result."""

from calls_of_data import CALLS as DATA
from calls_of_distill import CALLS as DISTILL
from calls_of_models import CALLS as MODELS
from calls_of_probes import CALLS as PROBES
from calls_of_sparsity import CALLS as SPARSITY
from calls_of_train import CALLS as TRAIN
from calls_of_train import FURTHER as MINIBATCH
from one_call import Call

PARTS = ("data", "models", "train", "ensemble", "distill", "sparsity", "probes", "theory", "rng")
MODULES = ("multiview", *(f"multiview.{part}" for part in PARTS), "multiview.ntk")
CALLS: dict[str, Call] = DATA | MODELS | TRAIN | DISTILL | SPARSITY | PROBES
# Not re-exported, and every minibatch training rests on them.
FURTHER: dict[str, Call] = MINIBATCH
# Of multiview.ntk: no calls yet.
LATER = {
    *("Descent", "Factor", "Flow", "KernelModel", "KernelOutputs", "Solution", "Spectrum"),
    *("TileError", "TileStore", "Tiling", "centred_one_hot", "decompose", "descend"),
    *("descent_methods", "factor_tiles", "fill_tiles", "fingerprint", "gradient_flow", "gram"),
    *("kernel_methods", "patch_net_gram", "plan_gram", "predict", "predict_tiles", "ridge_path"),
    *("sketch", "soft_targets", "solve", "solve_tiles"),
}
