"""Where the packages of scripts and of figures are: in a clone, or within the installed package.

A clone has them beside ``multiview``. An installed package has them in a folder of its own, so that
to install it adds nothing but ``multiview`` to what can be imported; programs that need them put
that folder before all others on the path. Their modules have the same names in both places, and
rows made in one are rows of the other.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import multiview

FOLDER = Path(multiview.__file__).parent / "_bundled"


def importable(package: str) -> ModuleSpec | None:
    """Where a package of scripts or figures is, from now on importable; None if there is none.

    What an installed package brings goes before all others of that name, such as a folder of
    pictures in the directory where somebody works.
    """
    if (FOLDER / package).is_dir() and str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
        importlib.invalidate_caches()
    return importlib.util.find_spec(package)
