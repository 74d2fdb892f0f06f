"""Types and shapes of every call into a package, checked by beartype while its tests run.

An import hook like jaxtyping's own, which checks all arguments twice and works out anew what is to
be checked whenever a closure is made: with this one, trainings in small steps take half the time.
"""

import ast
import dataclasses
import functools
import inspect
import sys
import typing
from collections.abc import Callable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

from beartype import BeartypeConf
from beartype.door import is_bearable
from jaxtyping import TypeCheckError, config, jaxtyped

# As in PEP 484 and pyright, an int is accepted where a float is expected.
CONF = BeartypeConf(is_pep484_tower=True)
RESULT = "return"


def install(package: str) -> None:
    """Check functions and dataclasses of a package's modules that are imported from now on."""
    sys.meta_path.insert(0, _Finder(package))


def checked(given: Any) -> Any:
    """A function that checks its arguments and result, or a dataclass that checks its fields.

    Raises:
        TypeCheckError: In a call, if a value is not what its annotation says, or if an axis that
            the function's annotations name more than once has different sizes.
    """
    if not inspect.isclass(given):
        return _checked(given)
    if dataclasses.is_dataclass(given) and "__init__" in vars(given):
        given.__init__ = _checked(given.__init__)
    return given


def says_anything(function: Callable) -> bool:
    """Whether there is something to check: an annotation other than Any."""
    return any(annotation is not Any for annotation in function.__annotations__.values())


def _checked(function: Callable) -> Callable:
    if hasattr(function, "__wrapped__") or not says_anything(function):  # checked already
        return function
    positional, extra, keywords = _parameters(function.__code__)
    hints: dict[str, Any] = {}

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if config.jaxtyping_disable:
            return function(*args, **kwargs)
        if not hints:  # only now do names exist that the module defines further below
            hints.update(_hints(function))
        with jaxtyped("context"):  # an axis has one size in one call
            for name, value in zip(positional, args, strict=False):
                _check(function, hints.get(name, Any), name, value)
            for value in args[len(positional) :]:
                _check(function, hints.get(extra, Any), extra, value)
            for name, value in kwargs.items():
                _check(function, hints.get(name, hints.get(keywords, Any)), name, value)
            result = function(*args, **kwargs)
            _check(function, hints.get(RESULT, Any), RESULT, result)
        return result

    return call


def _parameters(code: CodeType) -> tuple[Sequence[str], str, str]:
    """Names of the positional parameters, and those after one and after two stars, or ""."""
    named = code.co_argcount + code.co_kwonlyargcount
    starred = list(code.co_varnames[named:])
    extra = starred.pop(0) if code.co_flags & inspect.CO_VARARGS else ""
    keywords = starred.pop(0) if code.co_flags & inspect.CO_VARKEYWORDS else ""
    return code.co_varnames[: code.co_argcount], extra, keywords


def _hints(function: Callable) -> dict[str, Any]:
    """The annotations of a function, without those whose names only type checkers import."""
    found = {}
    for name, annotation in function.__annotations__.items():
        holder = ModuleType("holder")
        holder.__annotations__ = {name: annotation}
        try:
            found |= typing.get_type_hints(holder, function.__globals__, include_extras=True)
        except NameError:
            continue
    return {name: _of_value(hint) for name, hint in found.items()}


def _of_value(hint: Any) -> Any:
    """What an annotation that is about more than one value says of that value."""
    # A test of a type returns a bool; **settings: Unpack[...] is left to pyright.
    special = {typing.TypeGuard: bool, typing.Unpack: Any}
    return special.get(typing.get_origin(hint), hint)


def _check(function: Callable, hint: Any, name: str, value: Any) -> None:
    if hint is Any or is_bearable(value, hint, conf=CONF):
        return
    shown = f"shape {tuple(value.shape)}" if hasattr(value, "shape") else repr(value)
    raise TypeCheckError(
        f"{function.__module__}.{function.__qualname__}: {name} is not {hint}, but "
        f"{type(value).__name__}, {shown}; or its axes are not those of the other arguments."
    )


class _Loader(SourceFileLoader):
    """Puts the decorator ``checked`` on all functions and classes of a module."""

    def get_code(self, fullname: str) -> CodeType:
        # Not from or to __pycache__, which other programs read.
        path = self.get_filename(fullname)
        tree = ast.parse(self.get_data(path), path)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                call = f"__import__({__name__!r}).{checked.__name__}"
                decorator = ast.copy_location(ast.parse(call, mode="eval").body, node)
                # Functions get it before, classes after what decorates them, e.g. dataclass.
                place = 0 if isinstance(node, ast.ClassDef) else len(node.decorator_list)
                node.decorator_list.insert(place, decorator)
        return compile(ast.fix_missing_locations(tree), path, "exec", dont_inherit=True)


class _Finder(MetaPathFinder):
    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> ModuleSpec | None:
        if f"{fullname}.".startswith(f"{self.package}."):
            spec = PathFinder.find_spec(fullname, path, target)
            if spec is not None and isinstance(spec.loader, SourceFileLoader):
                spec.loader = _Loader(spec.loader.name, spec.loader.path)
                return spec
        return None
