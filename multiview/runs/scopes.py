"""Which global names a statement uses, in whatever scope inside it."""

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef
OWN_SCOPE = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)
DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


def in_scope(body: Iterable[ast.AST]) -> list[ast.AST]:
    """These and all below them, short of the insides of functions, classes and comprehensions."""
    waiting, found = list(body), []
    while waiting:
        node = waiting.pop()
        found.append(node)
        if not isinstance(node, OWN_SCOPE):
            waiting += ast.iter_child_nodes(node)
    return found


def stored(nodes: Iterable[ast.AST]) -> set[str]:
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


def targets(statement: ast.stmt) -> list[ast.expr]:
    """The items and attributes that a statement assigns to, as in "rules[1] = f"."""
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


def chain(node: ast.AST) -> tuple[str, ...]:
    """``a.b.c`` as its names; of items and calls their root; empty where there is no name."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=attr):
            names = chain(value)
            return (*names, attr) if names else ()
        case ast.Subscript(value=value):
            return chain(value)[:1]
    return ()


Found = tuple[str, ...] | ast.Import | ast.ImportFrom | ast.Constant


@dataclass(frozen=True)
class Scopes:
    """A walk through a statement and the scopes inside it.

    Attributes:
        annotations: Whether names count that stand in annotations alone.
    """

    annotations: bool

    def uses(self, statement: ast.stmt) -> Iterator[Found]:
        """What a statement needs of its module and of others.

        Returns:
            Names that are global where they stand, followed by their attributes; import statements
            inside functions and classes; strings that may name a module.
        """
        yield from self.of(statement, frozenset())

    def of(self, node: ast.AST | None, local: frozenset[str]) -> Iterator[Found]:
        """The uses in ``node``, in a scope where the names ``local`` hide globals."""
        match node:
            case None:
                return
            case ast.Name(id=name, ctx=ast.Load()) if name not in local:
                yield (name,)
            case ast.Attribute() if _names_only(node):
                names = chain(node)
                if names[0] not in local:
                    yield names
            case ast.Constant(value=str(text)) if DOTTED.fullmatch(text):
                yield node  # perhaps for import_module
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                yield from self.of_function(node, local)
            case ast.ClassDef():
                for child in ast.iter_child_nodes(node):
                    yield from self.of(child, local)
                yield from _imports(in_scope(node.body))
            case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
                yield from self.of(node.generators[0].iter, local)
                inner = local | stored(in_scope(each.target for each in node.generators))
                for child in ast.iter_child_nodes(node):
                    yield from self.of(child, inner)
            case ast.AnnAssign():
                children = (node.target, node.value, *self.annotation(node.annotation))
                for child in children:
                    yield from self.of(child, local)
            case _:
                for child in ast.iter_child_nodes(node):
                    yield from self.of(child, local)

    def of_function(self, node: Function | ast.Lambda, local: frozenset[str]) -> Iterator[Found]:
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
        here = in_scope(body)
        shared = {name for each in here if isinstance(each, ast.Global) for name in each.names}
        yield from ((name,) for name in sorted(shared))
        own = {each.arg for each in parameters} | stored(here)
        for each in body:
            yield from self.of(each, (local | own) - shared)
        yield from _imports(here)

    def annotation(self, node: ast.expr | None) -> list[ast.expr]:
        return [node] if self.annotations and node is not None else []


def _names_only(node: ast.expr) -> bool:
    """Whether this is a name and attributes of it, and nothing else."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _imports(nodes: Iterable[ast.AST]) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
