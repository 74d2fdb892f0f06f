"""The version of the code that makes a row: a hash of the definitions it depends on."""

import ast
import gc
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import fields, is_dataclass
from functools import cache, partial
from types import FunctionType, MethodType
from typing import Any

from multiview.runs.places import (
    is_bookkeeping,
    is_source_of_a_user,
    place_of,
    places_of,
)
from multiview.runs.reach import Reach
from multiview.runs.source import Source

PLAIN = {str, bytes, bool, int, float, complex, type(None)}
DOCUMENTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
OMITTED = {"ctx", "kind", "type_comment"}  # follows from the rest, or means nothing


def code_version(run: Callable[..., Any], *cells: Any) -> str:
    """Sixteen hexadecimal digits that change with whatever ``run`` may do with these cells.

    They are a hash of definitions rather than files: of ``run``, of every function, class and
    constant of this package, of the experiments and of the script's own folder that it names,
    of what these name in turn, and of what modules do when they are imported. Comments,
    docstrings and the order of definitions do not count, nor do the bookkeeping and other
    packages.

    Args:
        run: A function of a source file.
        cells: Cells, or functions that make them: ``run`` may call whatever a cell holds without
            naming its class, so classes found in cells, and those that their makers name, count.

    Raises:
        ValueError: If ``run`` is no function of a source file, or a file it needs imports ``*``.
    """
    return version_of(reach(run, *cells))


def version_of(found: Reach) -> str:
    """The hash of what has been reached."""
    digest = hashlib.sha256()
    for text in sorted(_texts(found)):
        digest.update(f"{text}\0".encode())
    return digest.hexdigest()[:16]


def reached(run: Callable[..., Any], *cells: Any) -> dict[str, frozenset[str]]:
    """The names whose definitions ``code_version`` counts, by module.

    A statement that binds no name stands as the line it begins in.
    """
    found = reach(run, *cells)
    return {
        module: frozenset(
            name for number in numbers for name in _names(found.sources[module], number)
        )
        for module, numbers in found.statements.items()
    }


def reach(run: Callable[..., Any], *cells: Any) -> Reach:
    """The statements that ``code_version`` counts."""
    with _no_collector():
        return _reach(run, cells)


@contextmanager
def _no_collector() -> Iterator[None]:
    """Keep the garbage collector from searching syntax trees as they grow: four times the speed."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _reach(run: Any, cells: Iterable[Any]) -> Reach:
    run = inspect.unwrap(run)
    if not isinstance(run, FunctionType):
        raise ValueError(f"run={run!r} is no function: define one in a script.")
    seen: dict[tuple[int, bool], Any] = {}
    parts = dict.fromkeys(_parts(run, True, seen))
    for value in cells:
        parts |= dict.fromkeys(_parts(value, not callable(value), seen))
    # What cells hold may be a user's own, defined beside a script that only uses this package.
    own = [part for part, _ in parts if is_source_of_a_user(part)]
    places = places_of([run, *filter(inspect.isfunction, cells), *own])
    found, made = Reach(places), Reach(places, makers=True)
    found.start(*place_of(run))
    for part, may_call in parts:
        module, name = place_of(part)
        if places.ours(module) and not is_bookkeeping(module):
            (found if may_call else made).start(module, name)
    found.join(made)
    return found


def _parts(
    value: Any, may_call: bool, seen: dict[tuple[int, bool], Any]
) -> Iterator[tuple[type | FunctionType, bool]]:
    """The functions and classes in a value, and whether whoever computes a cell may call them.

    What a dataclass holds may be called; what a function that makes cells needs for it is not.
    """
    if type(value) in PLAIN or (id(value), may_call) in seen:
        return
    seen[id(value), may_call] = value  # kept, lest another value gets its id
    yield type(value), True
    inner: list[Any] = []
    match value:
        case FunctionType():
            yield value, may_call
            inner = [*_contents(value), *(value.__defaults__ or ())]
            inner += (value.__kwdefaults__ or {}).values()
        case MethodType():
            inner = [value.__func__, value.__self__]
        case partial():
            inner = [value.func, *value.args, *value.keywords.values()]
        case type():
            yield value, True
        case Mapping():
            inner = [*value.keys(), *value.values()]
        case list() | tuple() | set() | frozenset():
            inner = list(value)
        case _ if is_dataclass(value):
            may_call = True
            kept = [each for each in fields(value) if each.metadata.get("stored", True)]
            inner = [getattr(value, each.name, None) for each in kept]  # a digest tells the rest
    for each in inner:
        yield from _parts(each, may_call, seen)


def _contents(function: FunctionType) -> Iterator[Any]:
    """What a function has from the function that made it."""
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not yet filled
            yield cell.cell_contents


def _names(source: Source, number: int) -> list[str]:
    """The names that a statement binds."""
    bound = [name for name, numbers in source.bindings.items() if number in numbers]
    return bound or [f"line {source.statements[number].lineno}"]


def _texts(found: Reach) -> Iterator[str]:
    """What has been reached, without what changes no result."""
    for module, numbers in found.statements.items():
        source = found.sources[module]
        changed = {n for each in source.bindings.values() if len(each) > 1 for n in each}
        in_order = numbers & (changed | set(source.actions))
        yield "\0".join([module, *(_text(source, number) for number in sorted(in_order))])
        for number in numbers - in_order:
            yield f"{module}\0{_text(source, number)}"
    for module, links in found.links.items():
        for name, end in links:
            yield f"{module}\0{name} is {end}"


@cache
def _text(source: Source, number: int) -> str:
    return canonical(source.statements[number])


def canonical(node: Any) -> str:
    """A syntax tree as text, without docstrings, comments and places; of any Python the same."""
    if isinstance(node, list):
        return f"[{','.join(map(canonical, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    parts = []
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, DOCUMENTED) and is_text(value[0]):
            value = value[1:]
        if value is not None and value != [] and name not in OMITTED:
            parts.append(f"{name}={canonical(value)}")
    return f"{type(node).__name__}({','.join(parts)})"


def is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else: at the top of a body, its docstring."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
