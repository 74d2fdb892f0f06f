"""Types of command-line arguments, and operating-system errors as one line of text."""

from pathlib import Path
from typing import Annotated, TypeAlias

from tyro.constructors import PrimitiveConstructorSpec


def _named(arguments: list[str]) -> Path:
    if not arguments[0]:
        raise ValueError("the path is empty: use . for the current directory.")
    return Path(arguments[0])


# A path that is not empty: ``--out "$UNSET"`` must not write into the current directory.
Folder: TypeAlias = Annotated[
    Path,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="PATH",
        instance_from_str=_named,
        is_instance=lambda value: isinstance(value, Path),
        str_from_instance=lambda value: [str(value)],
    ),
]
OptionalFolder: TypeAlias = Folder | None


def in_words(error: OSError) -> str:
    """What could not be read or written, and why."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"Cannot read or write {error.filename}: {error.strerror}"
