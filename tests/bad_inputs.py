"""The table of bad inputs, by group: what is given, and the whole of what must be said of it."""

from collections.abc import Mapping
from typing import get_args

import torch
from bad_artefacts import ARTEFACTS
from bad_commands import SCRIPTS
from bad_comparisons import COMPARISONS
from bad_diagnoses import DIAGNOSES
from bad_files import FILES
from bad_kernels import KERNELS
from bad_methods import EXPERIMENTS, METHODS
from bad_pickles import PICKLES
from bad_samples import NETS, SAMPLES
from bad_settings import SETTINGS
from bad_specs import SPECS
from bad_stores import PACKS, ROWS
from bad_teaching import TEACHING
from bad_testing import TESTING
from bad_tiles import CHECKPOINTS, TILES
from bad_trainings import TRAININGS
from bad_verbs import VERBS
from one_bad_input import BadInput

from multiview.comparison.experiment import EVERY
from multiview.methods.catalogue import CATALOGUE, PATCHES_ONLY
from multiview.runs.find import names
from multiview.runs.options import OPTIONS

TABLE: Mapping[str, list[BadInput]] = {
    "scripts": SCRIPTS,
    "multiview": VERBS,
    "multiview compare": COMPARISONS,
    "multiview diagnose": DIAGNOSES,
    "specs": SPECS,
    "settings": SETTINGS,
    "methods": METHODS,
    "experiments": EXPERIMENTS,
    "data files": FILES,
    "hostile pickles": PICKLES,
    "samples": SAMPLES,
    "networks": NETS,
    "trainings": TRAININGS,
    "teaching": TEACHING,
    "testing": TESTING,
    "kernels": KERNELS,
    "rows": ROWS,
    "published rows": PACKS,
    "kernels on disk": TILES,
    "checkpoints": CHECKPOINTS,
    "artefacts": ARTEFACTS,
}


def torch_says(device: str) -> str:
    """What torch says of a device that there is not."""
    try:
        torch.zeros(1, device=device)
    except RuntimeError as error:
        return str(error).splitlines()[0]
    raise AssertionError(f"there is a device {device}")


# What stands in messages for names that are added to, and for what is torch's to say.
PLACEHOLDERS = {
    "{methods}": ", ".join(EVERY),
    "{image_methods}": ", ".join(PATCHES_ONLY | CATALOGUE),
    "{experiments}": ", ".join(names()),
    "{torch_says}": torch_says("abacus"),
    "{engines}": str(get_args(next(kind for name, kind, *_ in OPTIONS if name == "engine"))),
}
