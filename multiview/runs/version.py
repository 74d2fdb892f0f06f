"""The version of the code that makes a row: a hash of the science and of the script."""

import hashlib
import inspect
from pathlib import Path

import multiview

# What may change without changing any result. Everything else in the package counts.
BOOKKEEPING = frozenset({"__init__.py", "__main__.py", "atomic.py", "results.py"})


def science_files() -> list[Path]:
    """The package's source files on which results depend, sorted."""
    root = Path(multiview.__file__).parent
    files = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(
        root / path
        for path in files
        if path.as_posix() not in BOOKKEEPING and path.parts[0] != "runs"
    )


def code_version(run) -> str:
    """Sixteen hexadecimal digits that change with the source of science and script.

    The script is the file that defines ``run``; the modules beside it whose names begin with one
    underscore are what scripts share, and count as well.
    """
    root = Path(multiview.__file__).parent
    script = Path(inspect.getfile(run))
    digest = hashlib.sha256()
    for path in [*science_files(), *sorted(script.parent.glob("_[!_]*.py")), script]:
        name = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        digest.update(f"{name.as_posix()}\0{path.read_text()}\0".encode())
    return digest.hexdigest()[:16]
