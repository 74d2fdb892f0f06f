"""Where the packages of scripts and of figures are: in a clone, or within the installed package.

A clone has them beside ``multiview``. An installed package has them in a folder of its own, so that
to install it adds nothing but ``multiview`` to what can be imported; programs that need them put
that folder behind all others on the path. Their modules have the same names in both places, and
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

    A folder of that name that is no package, such as one of pictures where somebody works, does not
    count: on a path any package comes before it.
    """
    spec = importlib.util.find_spec(package)
    if (spec is None or spec.origin is None) and (FOLDER / package).is_dir():
        sys.path.append(str(FOLDER))
        importlib.invalidate_caches()
        spec = importlib.util.find_spec(package)
    return spec
