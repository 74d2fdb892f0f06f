"""The experiments there are: the modules of the package ``theory_experiments``."""

import difflib
import importlib
import pkgutil
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from multiview.runs.bundled import importable

if TYPE_CHECKING:
    from multiview.runs.experiment import Experiment

PACKAGE = "theory_experiments"
# What is run as experiments are, and is none: it has no claims.
OTHERS = {"compare": "multiview.comparison"}
SETTINGS = "settings"  # the module that experiments share


def package_folder() -> Path:
    """The folder of the experiments' package."""
    return Path(next(iter(_package().__path__)))


def names() -> list[str]:
    """Names of all experiments, sorted, without importing their scripts."""
    package = _package()
    modules = [each.name for each in pkgutil.iter_modules(package.__path__) if not each.ispkg]
    return sorted(name for name in modules if not name.startswith("_") and name != SETTINGS)


def _package() -> ModuleType:
    importable(PACKAGE)
    return importlib.import_module(PACKAGE)


def drawing(name: str) -> ModuleType:
    """The module of figures that draws an experiment, imported once it is asked for."""
    importable("figures", ours_first=True)
    return importlib.import_module(f"figures.{name}")


def find(name: str) -> "Experiment":
    """The ``EXPERIMENT`` of the script ``name``.

    Raises:
        UnknownName: If there is none; the message names those there are.
        ValueError: If its experiment has another name.
    """
    from multiview.runs.experiment import UnknownName  # here: names are listed without it

    if name in OTHERS:
        return importlib.import_module(OTHERS[name]).EXPERIMENT
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UnknownName(f"no experiment {name!r}: there are {', '.join(names())}.{hint}")
    experiment = importlib.import_module(f"{PACKAGE}.{name}").EXPERIMENT
    if experiment.name != name:
        raise ValueError(f"{PACKAGE}/{name}.py names its experiment {experiment.name!r}.")
    return experiment
