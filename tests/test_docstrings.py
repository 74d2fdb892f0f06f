"""Names that docstrings put between backticks exist, and what is refused is said."""

import ast
import builtins
import importlib
import inspect
import re
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest
from public_calls import MODULES, public_names

from multiview import checks, shapes

ROOT = Path(__file__).parents[1]
PACKAGES = ("multiview", "theory_experiments", "figures")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
REFERENCE = re.compile(r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\(.*\))?", re.DOTALL)
# Symbols of formulas that are no names of the code.
SYMBOLS = {"scale_i"}


def references(tree):
    """Dotted names between double backticks, calls without their arguments; no other formulas."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            for text in re.findall(r"``([^`]+)``", ast.get_docstring(node) or ""):
                if found := REFERENCE.fullmatch(text):
                    yield found.group(1)


@cache
def names(path):
    """Every identifier of a file's code, and what its texts consist of, e.g. names of columns."""
    found = set()
    tree = ast.parse(path.read_text())
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                found.add(name)
            case ast.keyword(arg=str(name)):
                found.add(name)
            case ast.alias(name=name, asname=other):
                found |= {*name.split("."), other or name}
            case ast.Constant(value=str(text)) if id(node) not in docstrings:
                found |= {text, *re.findall(r"\w+", text)}
    return found


@cache
def everything():
    """The names of all files, and of the files themselves."""
    parts = {part for path in FILES for part in path.relative_to(ROOT).with_suffix("").parts}
    return parts.union(dir(builtins), SYMBOLS, *map(names, FILES))


def module_of(parts):
    """The file whose dotted name ends in ``parts``, where there is one."""
    for path in FILES:
        if path.relative_to(ROOT).with_suffix("").parts[-len(parts) :] == tuple(parts):
            return path
    return None


def is_imported(reference):
    """Whether the name is one of another package, or of torch.nn without its prefix."""
    for name in (reference, f"torch.{reference}", f"torch.nn.{reference}"):
        place, _, last = name.rpartition(".")
        try:
            if hasattr(importlib.import_module(place), last):
                return True
        except (ImportError, ValueError):
            continue
    return False


def is_column(reference):
    """Whether a name is composed, as those of columns are: what stands around a ``_`` exists."""
    cuts = [match.start() for match in re.finditer("_", reference)]
    known = everything()
    return any(
        all(
            {piece, piece.strip("_"), f"_{piece.strip('_')}"} & known
            for piece in (reference[a:b] for a, b in pairwise([0, *chosen, len(reference)]))
            if piece
        )
        for chosen in [[cut] for cut in cuts] + list(map(list, pairwise(cuts)))
    )


def exists(reference, in_rows):
    parts = reference.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        if (path := module_of(parts[:cut])) is not None:
            return parts[cut] in names(path)
    if reference in everything() or all(part in everything() for part in parts):
        return True
    return is_imported(reference) or (in_rows and is_column(reference))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_names_between_backticks_exist(path):
    in_rows = path.is_relative_to(ROOT / "theory_experiments")
    found = list(references(ast.parse(path.read_text())))
    missing = [reference for reference in found if not exists(reference, in_rows)]
    assert missing == [], "there is no such name"


@pytest.mark.parametrize(
    "reference", ["RECIPES_OF", "fit_network", "multiview.train.loop.fitted", "loop.sparsify"]
)
def test_a_name_that_does_not_exist_is_found(reference):
    tree = ast.parse(f'def f():\n    """See ``{reference}``, or ``{reference}(1, 2)``."""')
    assert list(references(tree)) == [reference] * 2
    assert not exists(reference, in_rows=False)


def test_every_package_has_an_api_page():
    """pdoc would leave out, without a word, a package that ``.ci/api_pages`` does not name."""
    text = (ROOT / ".ci" / "api_pages").read_text()
    (named,) = re.findall(r'^packages="(.*)"$', text, re.MULTILINE)
    assert named.split() == sorted(
        path.parent.name for path in (ROOT / "multiview").glob("*/__init__.py")
    )


def public_functions():
    """By public name, each function and method that the package defines, and what is said of it."""
    packages = {
        f"multiview.{path.parent.name}" for path in (ROOT / "multiview").glob("*/__init__.py")
    }
    for module in map(importlib.import_module, sorted(packages.union(MODULES))):
        for name in sorted(public_names(module)):
            value, label = getattr(module, name), f"{module.__name__}.{name}"
            if inspect.isclass(value):
                for method, member in inspect.getmembers_static(value):
                    if is_ours(function := function_of(member)) and is_public(method):
                        yield f"{label}.{method}", function, said_of(value, method)
            elif is_ours(function := function_of(value)):
                yield label, function, inspect.getdoc(value) or ""


def function_of(member):
    """The function behind a method, a property or what a decorator made of it."""
    inner = {property: "fget", cached_property: "func", classmethod: "__func__"}
    member = getattr(member, inner.get(type(member), ""), member)
    return inspect.unwrap(member) if callable(member) else member


def is_ours(function):
    """Whether it stands in a file of the package: methods that a dataclass is given do not."""
    if not inspect.isfunction(function):
        return False
    return Path(function.__code__.co_filename).is_relative_to(Path(checks.__file__).parent)


def is_public(method):
    return not method.startswith("_") or is_special(method)


def is_special(method):
    """Whether Python or torch calls it: then the docstring of its class may speak for it."""
    return method == "forward" or (method.startswith("__") and method.endswith("__"))


def said_of(owner, method):
    """A method's docstring, with that of the class where it may speak for the method."""
    own = inspect.getdoc(getattr(owner, method)) or ""
    return own + (inspect.getdoc(owner) or "") if is_special(method) else own


def refuses(function):
    """Whether a function itself raises an error, or names one of the checks or their module."""

    def is_check(name):
        value = function.__globals__.get(name)
        module = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
        return module in (checks.__name__, shapes.__name__)

    return any(
        isinstance(node, ast.Raise) or (isinstance(node, ast.Name) and is_check(node.id))
        for node in ast.walk(ast.parse(dedent(inspect.getsource(function))))
    )


REFUSING = [
    pytest.param(said, id=label)
    for label, function, said in public_functions()
    if refuses(function)
]


@pytest.mark.parametrize("said", REFUSING)
def test_a_public_function_that_refuses_says_so(said):
    assert "Raises:" in said, "name the exception, and when it is raised"


def test_what_refuses_is_found():
    def raises():
        raise ValueError

    def checks_it(number):
        return checks.count("number", number)

    assert refuses(raises)
    assert refuses(checks_it)
    assert not refuses(is_public)
    found = {param.id for param in REFUSING}
    assert found > {
        "multiview.theory.mixed_error",  # a function of a module without __all__
        "multiview.train.OptimSpec.__post_init__",
        "multiview.measures.Views.check",  # inherited from a class that is not public
        "multiview.models.PatchNet.single",
    }
