"""The version of the code that makes a row: a hash of the science and of the script."""

import hashlib
import inspect
from pathlib import Path

import multiview
from multiview.experiment import Experiment

# What may change without changing any result. Everything else in the package counts.
BOOKKEEPING = frozenset(
    f"{name}.py"
    for name in (
        *("__init__", "atomic", "claims", "cli", "code_version", "engines", "experiment"),
        *("find", "intervals", "progress", "report", "results", "rows", "runner", "script"),
    )
)


def science_files() -> list[Path]:
    """The package's source files on which results depend, sorted."""
    root = Path(multiview.__file__).parent
    files = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(root / path for path in files if path.as_posix() not in BOOKKEEPING)


def code_version(experiment: Experiment) -> str:
    """Sixteen hexadecimal digits that change with the science's source or the script's."""
    root = Path(multiview.__file__).parent
    digest = hashlib.sha256()
    for path in science_files():
        digest.update(f"{path.relative_to(root).as_posix()}\0{path.read_text()}\0".encode())
    digest.update(Path(inspect.getfile(experiment.run)).read_text().encode())
    return digest.hexdigest()[:16]
