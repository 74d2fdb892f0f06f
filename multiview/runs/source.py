"""A source file as its top-level statements: what each binds, does and uses."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from multiview.runs.scopes import Scopes, chain, in_scope, stored, targets

SKIPPED = re.compile(r"(typing\.)?TYPE_CHECKING|__name__ == '__main__'")
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
            here = in_scope([statement])
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
        found: set[Use] = set()
        for each in Scopes(annotations).uses(self.statements[number]):
            match each:
                case tuple():
                    found.add(each)
                case ast.Constant(value=str(module)):
                    found.add(Imported(module))
                case _:
                    found.update(self.imported_by([each]))
        return found

    def _sort(self, number: int, statement: ast.stmt) -> None:
        """Note what a statement binds, changes and does."""
        if isinstance(statement, ast.Import | ast.ImportFrom):
            return
        changed = [chain(target)[:1] for target in targets(statement)]
        foreign = any(not root or root[0] in self.imports for root in changed)
        names = {root[0] for root in changed if root} - self.imports.keys()
        for name in sorted(stored(in_scope([statement])) | names):
            self.bindings.setdefault(name, []).append(number)
        calls = isinstance(statement, ast.Expr) and not isinstance(statement.value, ast.Constant)
        if calls or foreign or isinstance(statement, ACTIONS):
            self.actions.append(number)
        for decorator in getattr(statement, "decorator_list", ()):
            function = decorator.func if isinstance(decorator, ast.Call) else decorator
            self.decorated.append((number, chain(function)[:1]))


def _run_on_import(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements, without blocks for type checkers and for ``python script.py``."""
    for statement in body:
        if isinstance(statement, ast.If) and SKIPPED.fullmatch(ast.unparse(statement.test)):
            yield from _run_on_import(statement.orelse)
        else:
            yield statement


@cache
def _read(name: str, path: Path, stamp: tuple[int, int]) -> Source:
    return Source(name, path)


def read(name: str, path: Path) -> Source:
    """The module ``name`` as it is in ``path`` now; parsed again only when the file changes."""
    stat = path.stat()
    return _read(name, path, (stat.st_mtime_ns, stat.st_size))
