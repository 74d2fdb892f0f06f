"""Types of command-line arguments, and operating-system errors as one line of text."""

from collections.abc import Sequence
from pathlib import Path
from types import NoneType
from typing import Annotated, Literal, TypeAlias, get_args, get_origin

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo


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

# How values of the command line are read where tyro's own errors would not help: integers, and
# what may be left out, whose choices tyro would list in an order that changes.
REGISTRY = ConstructorRegistry()


@REGISTRY.primitive_rule
def optional_value(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    """How ``int``, ``int | None`` and ``Literal[...] | None`` are read."""
    kinds = set(get_args(info.type)) - {NoneType} if get_origin(info.type) else {info.type}
    (kind,) = kinds if len(kinds) == 1 else (None,)
    words = get_args(kind) if get_origin(kind) is Literal else ()
    if kind is not int and not (words and NoneType in get_args(info.type)):
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{{{','.join(words)}}}" if words else "INT",
        instance_from_str=(lambda given: given[0]) if words else _integer,
        is_instance=lambda value: value is None or value in words or isinstance(value, int),
        str_from_instance=lambda value: [str(value)],
        choices=tuple(words) or None,
    )


def _integer(arguments: list[str]) -> int:
    try:
        return int(arguments[0])
    except ValueError:
        raise ValueError(f"{arguments[0]!r} is no integer: use one such as 3.") from None


def in_words(error: OSError) -> str:
    """What could not be read or written, and why."""
    if error.filename is None or error.strerror is None:
        return str(error)
    return f"Cannot read or write {error.filename}: {error.strerror}"


def joined(arguments: Sequence[str], option: str) -> list[str]:
    """Arguments with an option and its value in one word: the value may look like an option."""
    words, found = iter(arguments), []
    for word in words:
        value = next(words, None) if word == option else None
        found.append(word if value is None else f"{word}={value}")
    return found
