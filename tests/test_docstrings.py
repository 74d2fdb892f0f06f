"""Names that docstrings put between backticks exist."""

import ast
import builtins
import importlib
import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

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
