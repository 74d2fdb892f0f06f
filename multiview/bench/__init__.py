"""Settings, and the benches on which methods are trained and measured."""

from multiview.bench.bench import Bench
from multiview.bench.cell import Cell, check
from multiview.bench.curve import Curve
from multiview.bench.entry import Entry, adds, averaged, constant, like
from multiview.bench.flow import Flow
from multiview.bench.method import Classifier, Logits, Measure, Method
from multiview.bench.patches import PatchBench, PatchSetting
from multiview.bench.setting import Setting
from multiview.bench.sgd import Sgd
from multiview.bench.split import Training, run, trainings_of
from multiview.bench.types import Context, Fitted, SoftTargets

__all__ = [
    "Bench",
    "Cell",
    "Classifier",
    "Context",
    "Curve",
    "Entry",
    "Fitted",
    "Flow",
    "Logits",
    "Measure",
    "Method",
    "PatchBench",
    "PatchSetting",
    "Setting",
    "Sgd",
    "SoftTargets",
    "Training",
    "adds",
    "averaged",
    "check",
    "constant",
    "like",
    "run",
    "trainings_of",
]
