"""Where the packages of scripts and of figures are: in a clone, or within the installed package.

A clone has them beside ``multiview``. An installed package has them in a folder of its own, so that
to install it adds nothing but ``multiview`` to what can be imported; programs that need them put
that folder behind all others on the path. Their modules have the same names in both places, and
rows made in one are rows of the other. Somebody's own package of experiments takes the place of
ours; a package of figures, which is a common name, does not.
"""

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import multiview

FOLDER = Path(multiview.__file__).parent / "_bundled"
CLONE = Path(multiview.__file__).parents[1]
INSTALLED = {"site-packages", "dist-packages"}  # what lies there beside multiview is not ours


def importable(package: str, *, ours_first: bool = False) -> ModuleSpec | None:
    """Where a package of scripts or figures is, from now on importable; None if there is none.

    A folder of that name that is no package, such as one of pictures where somebody works, does not
    count: on a path any package comes before it.

    Args:
        ours_first: Whether ours, if there is one, is meant wherever others of that name lie.

    Raises:
        ValueError: If ours is meant and another of that name has been imported already: one process
            has room for one.
    """
    spec, ours = importlib.util.find_spec(package), _ours(package)
    found = spec is not None and spec.origin is not None
    if ours is None or (found and (not ours_first or _is(spec, ours))):
        return spec
    if found and package in sys.modules:
        other = getattr(sys.modules[package], "__file__", None) or "somewhere without a file"
        raise ValueError(
            f"a package {package!r} of somebody else has been imported from {other}, in the place "
            f"of {ours}: rename it, or do not import both in one program."
        )
    importlib.invalidate_caches()
    if found:  # ours is imported from the front, where it hides nothing else afterwards
        sys.path.insert(0, str(ours.parent))
        try:
            importlib.import_module(package)
        finally:
            sys.path.remove(str(ours.parent))
    sys.path.append(str(ours.parent))
    return importlib.util.find_spec(package)


def _ours(package: str) -> Path | None:
    """The folder of our package of this name; None if there is none."""
    places = [] if INSTALLED & set(CLONE.parts) else [CLONE]
    folders = [place / package for place in (*places, FOLDER)]
    return next((each for each in folders if (each / "__init__.py").is_file()), None)


def _is(spec: ModuleSpec | None, folder: Path) -> bool:
    """Whether a package is the one in a folder."""
    if spec is None or spec.origin is None:
        return False
    return Path(spec.origin).resolve().parent == folder.resolve()
