"""Titles and presets of experiments for ``multiview list``, read from their scripts' source.

Importing all scripts takes seconds, most of them for torch.
"""

import ast
import importlib.util
from pathlib import Path

from multiview.runs import find

Names = dict[str, ast.expr]  # what a module assigns at its top level


def listed(name: str) -> tuple[str, tuple[str, ...]]:
    """Title and presets of the experiment ``name``; imports the script if its source is unclear."""
    spec = importlib.util.find_spec(f"{find.PACKAGE}.{name}")
    if spec is not None and spec.origin is not None:
        tree = ast.parse(Path(spec.origin).read_bytes())
        title, presets = ast.get_docstring(tree), presets_in(tree)
        if title and presets is not None:
            return title.splitlines()[0], presets
    experiment = find.find(name)
    return experiment.title, tuple(experiment.presets)


def presets_in(tree: ast.Module) -> tuple[str, ...] | None:
    """The names of ``EXPERIMENT``'s presets; None if only running the script would tell them."""
    names: Names = {}
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign | ast.Assign) and statement.value is not None:
            many = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names |= {ast.unparse(target): statement.value for target in many}
    experiment = names.get("EXPERIMENT")
    if isinstance(experiment, ast.Call):
        for keyword in experiment.keywords:
            if keyword.arg == "presets":
                return _keys(keyword.value, names)
    return None


def _keys(node: ast.expr, names: Names) -> tuple[str, ...] | None:
    """The keys of a dict that is written out, named, or made from another one key by key."""
    match node:
        case ast.Name(id=name) if name in names:
            return _keys(names[name], {k: v for k, v in names.items() if k != name})
        case ast.Call(func=ast.Attribute(value=value, attr="items"), args=[]):
            return _keys(value, names)
        case ast.DictComp(key=key, generators=[ast.comprehension(target=target, ifs=[]) as loop]):
            first = target.elts[0] if isinstance(target, ast.Tuple) else target
            return _keys(loop.iter, names) if ast.unparse(first) == ast.unparse(key) else None
        case ast.Dict(keys=keys):
            found = [key.value for key in keys if isinstance(key, ast.Constant)]
            texts = tuple(key for key in found if isinstance(key, str))
            return texts if len(texts) == len(keys) else None
    return None
