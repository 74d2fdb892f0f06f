"""Types of command-line arguments, and operating-system errors as one line of text."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

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

# How values of the command line are read where tyro's own errors would not help: numbers, and
# what may be left out, whose choices tyro would list in an order that changes.
REGISTRY = ConstructorRegistry()
NUMBERS: dict[Any, str] = {int: "integer: use one such as 3", float: "number: use one such as 0.5"}


@REGISTRY.primitive_rule
def optional_value(info: PrimitiveTypeInfo) -> PrimitiveConstructorSpec | None:
    """How ``int``, ``float`` and ``Literal[...]`` are read, and these with ``| None``."""
    optional = NoneType in get_args(info.type)
    kinds = set(get_args(info.type)) - {NoneType} if optional else {info.type}
    kind: Any = kinds.pop() if len(kinds) == 1 else None
    words = get_args(kind) if optional and get_origin(kind) is Literal else ()
    if kind not in NUMBERS and not words:
        return None
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{{{','.join(words)}}}" if words else kind.__name__.upper(),
        instance_from_str=(lambda given: given[0]) if words else partial(_number, kind),
        is_instance=lambda value: value is None or value in words or isinstance(value, int | float),
        str_from_instance=lambda value: [str(value)],
        choices=tuple(words) or None,
    )


def _number(kind: Callable[[str], float], arguments: list[str]) -> float:
    try:
        return kind(arguments[0])
    except ValueError:
        raise ValueError(f"{arguments[0]!r} is no {NUMBERS[kind]}.") from None


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
