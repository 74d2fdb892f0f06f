"""A source file as its top-level statements: what each binds, and which names it uses."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef
OWN_SCOPE = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
SKIPPED = re.compile(r"(typing\.)?TYPE_CHECKING|__name__ == '__main__'")
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
# Statements that do something when the module is imported, whoever asks for one of its names.
ACTIONS = (
    *(ast.If, ast.Try, ast.For, ast.While, ast.With, ast.Match),
    *(ast.Assert, ast.Raise, ast.Delete),
)


class Imported(NamedTuple):
    """A module, or one of its names, that an import statement asks for."""

    module: str
    name: str | None = None


Use = tuple[str, ...] | Imported  # ("nets", "kernel") is the global nets and its attribute


class Source:
    """The top-level statements of a module.

    Attributes:
        statements: What runs on import, in order; blocks of ``TYPE_CHECKING`` and ``__main__``
            are left out.
        bindings: Of each global name, the numbers of the statements that bind or change it.
        imports: Of each imported name, what it may be: more than one where a block chooses.
        loads: What importing this module imports.
        actions: Numbers of the statements that do something on import beside binding names.
        decorated: Number of a definition and the name its decorator begins with, if it has one.
    """

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self.statements = list(_run_on_import(ast.parse(path.read_bytes(), str(path)).body))
        self.bindings: dict[str, list[int]] = {}
        self.imports: dict[str, list[Imported]] = {}
        self.actions: list[int] = []
        self.decorated: list[tuple[int, tuple[str, ...]]] = []
        self.loads: list[Imported] = []
        for statement in self.statements:
            here = _in_scope([statement])
            self.loads += self.imported_by(here)
            for bound, imported in (pair for node in here for pair in self._imported(node)):
                self.imports.setdefault(bound, []).append(imported)
        for number, statement in enumerate(self.statements):
            self._sort(number, statement)

    @property
    def package(self) -> str:
        """The package the module lies in, or is."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    def imported_by(self, nodes: Iterable[ast.AST]) -> Iterator[Imported]:
        """What import statements among ``nodes`` import: modules by their full name."""
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from (Imported(alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (imported for _, imported in self._imported(node))

    def _imported(self, node: ast.AST) -> Iterator[tuple[str, Imported]]:
        """The names an import statement binds, and what they are."""
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.asname or alias.name.partition(".")[0]
                yield bound, Imported(alias.name if alias.asname else bound)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = self.package.split(".")
                base = ".".join([*parts[: len(parts) + 1 - node.level], *filter(None, [base])])
            for alias in node.names:
                if alias.name == "*":
                    raise ValueError(
                        f"{self.path}:{node.lineno} imports * from {base}, so nobody can tell on "
                        "what a result depends: import names."
                    )
                yield alias.asname or alias.name, Imported(base, alias.name)

    def uses(self, number: int, *, annotations: bool = True) -> set[Use]:
        """Globals, with their attributes, and imports that a statement names anywhere in it.

        Args:
            annotations: Whether names count that stand in annotations alone.
        """
        return set(_Uses(self, annotations).of(self.statements[number], frozenset()))

    def _sort(self, number: int, statement: ast.stmt) -> None:
        """Note what a statement binds, changes and does."""
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return
        changed = [_chain(target)[:1] for target in _targets(statement)]
        foreign = any(not root or root[0] in self.imports for root in changed)
        names = {root[0] for root in changed if root} - self.imports.keys()
        for name in sorted(_stored(_in_scope([statement])) | names):
            self.bindings.setdefault(name, []).append(number)
        calls = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
        if calls or foreign or isinstance(statement, ACTIONS):
            self.actions.append(number)
        for decorator in getattr(statement, "decorator_list", ()):
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            self.decorated.append((number, _chain(function)[:1]))


def _run_on_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements, without blocks for type checkers and for ``python script.py``."""
    for statement in body:
        if isinstance(statement, ast.If) and SKIPPED.fullmatch(ast.unparse(statement.test)):
            yield from _run_on_import(statement.orelse)
        else:
            yield statement


def _in_scope(body: Iterable[ast.AST]) -> list[ast.AST]:
    """These and all below them, short of the insides of functions, classes and comprehensions."""
    waiting, found = list(body), []
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, OWN_SCOPE):
            waiting += ast.iter_child_nodes(node)
    return found


def _stored(nodes: Iterable[ast.AST]) -> set[str]:
    """The names that nodes of one scope bind."""
    names: set[str] = set()
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                names.add(name)
            case ast.ClassDef(name=name) | ast.ExceptHandler(name=str(name)):
                names.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case ast.MatchMapping(rest=str(name)):
                names.add(name)
            case ast.alias(name=name, asname=asname):
                names.add(asname or name.partition(".")[0])
    return names


def _targets(statement: ast.stmt) -> list[ast.expr]:
    """The items and attributes that a statement assigns to: ``rules`` in ``rules["a"] = f``."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, ast.AugAssign | ast.AnnAssign):
        targets = [statement.target]
    else:
        return []
    nodes = (node for target in targets for node in ast.walk(target))
    return [
        node
        for node in nodes
        if isinstance(node, ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Store)
    ]


def _chain(node: ast.AST) -> tuple[str, ...]:
    """``a.b.c`` as its names; of items and calls their root; empty where there is no name."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=attr):
            chain = _chain(value)
            return (*chain, attr) if chain else ()
        case ast.Subscript(value=value):
            return _chain(value)[:1]
    return ()


class _Uses:
    """Walks through a statement and its scopes."""

    def __init__(self, source: Source, annotations: bool) -> None:
        self.source = source
        self.annotations = annotations

    def of(self, node: ast.AST | None, local: frozenset[str]) -> Iterator[Use]:
        """The uses in ``node``, in a scope where the names ``local`` hide globals."""
        match node:
            case None:
                return
            case ast.Name(id=name, ctx=ast.Load()) if name not in local:
                yield (name,)
            case ast.Attribute() if _names_only(node):
                chain = _chain(node)
                if chain[0] not in local:
                    yield chain
            case ast.Constant(value=str(text)) if DOTTED.fullmatch(text):
                yield Imported(text)  # perhaps a module for import_module
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from self.of_function(node, local)
            case ast.ClassDef():
                for child in ast.iter_child_nodes(node):
                    yield from self.of(child, local)
                yield from self.source.imported_by(_in_scope(node.body))
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                yield from self.of(node.generators[0].iter, local)
                inner = local | _stored(_in_scope(each.target for each in node.generators))
                for child in ast.iter_child_nodes(node):
                    yield from self.of(child, inner)
            case ast.AnnAssign():
                children = (node.target, node.value, *self.annotation(node.annotation))
                for child in children:
                    yield from self.of(child, local)
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from self.of(child, local)

    def of_function(self, node: Function | ast.Lambda, local: frozenset[str]) -> Iterator[Use]:
        """What a definition evaluates at once, then what its body names."""
        arguments = node.args
        parameters = [
            *(*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs),
            *filter(None, [arguments.vararg, arguments.kwarg]),
        ]
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        outer = [*arguments.defaults, *arguments.kw_defaults, *getattr(node, "type_params", ())]
        for each in parameters:
            outer += self.annotation(each.annotation)
        if not isinstance(node, ast.Lambda):
            outer += [*node.decorator_list, *self.annotation(node.returns)]
        for each in outer:
            yield from self.of(each, local)
        here = _in_scope(body)
        shared = {name for each in here if isinstance(each, ast.Global) for name in each.names}
        yield from ((name,) for name in sorted(shared))
        own = {each.arg for each in parameters} | _stored(here)
        for each in body:
            yield from self.of(each, (local | own) - shared)
        yield from self.source.imported_by(here)

    def annotation(self, node: ast.expr | None) -> list[ast.expr]:
        return [node] if self.annotations and node is not None else []


def _names_only(node: ast.expr) -> bool:
    """Whether this is a name and attributes of it, and nothing else."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


@cache
def _read(name: str, path: Path, stamp: tuple[int, int]) -> Source:
    return Source(name, path)


def read(name: str, path: Path) -> Source:
    """The module ``name`` as it is in ``path`` now; parsed again only when the file changes."""
    stat = path.stat()
    return _read(name, path, (stat.st_mtime_ns, stat.st_size))
