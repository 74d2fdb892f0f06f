"""The code version: it changes with what may be executed for a cell, and with nothing else."""

import ast
import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from enum import StrEnum
from functools import partial, wraps
from pathlib import Path
from typing import Any

import pytest
import toy_experiment

from multiview.measures import Views
from multiview.methods import Student
from multiview.runs import find
from multiview.runs.experiment import Experiment
from multiview.runs.places import BOOKKEEPING, Places
from multiview.runs.reach import Reach
from multiview.runs.source import read
from multiview.runs.version import canonical, code_version, reach, reached, version_of

ROOT = Path(__file__).parents[2]
OURS = ("multiview", "theory_experiments")


def roots(experiment: Experiment) -> tuple:
    """What the runner hands to ``code_version``: the one place here that knows an experiment."""
    return experiment.run, *experiment.makers()


# Runs smoke cells, one of each type and the last, and prints where executed functions begin.
EXECUTED = """
import importlib, json, sys
from multiview.runs.experiment import Context

found = set()

def note(frame, event, argument):
    if event == "call":
        found.add((frame.f_code.co_filename, frame.f_code.co_firstlineno, frame.f_code.co_name))

experiment = importlib.import_module(sys.argv[1]).EXPERIMENT
cells = experiment.cells("smoke", experiment.options())
chosen = {repr(type(cell)): cell for cell in reversed(cells)} | {"last": cells[-1]}
sys.setprofile(note)
for cell in chosen.values():
    experiment.run(cell, Context())
sys.setprofile(None)
print(json.dumps(sorted(found)))
"""


def spans(found: Reach) -> dict[str, list[range]]:
    """Of each file, the lines of the reached statements."""
    lines = {}
    for module, numbers in found.statements.items():
        source = found.sources[module]
        for node in (source.statements[number] for number in numbers):
            first = min(
                [node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))]
            )
            lines.setdefault(str(source.path), []).append(range(first, (node.end_lineno or 0) + 1))
    return lines


def followed(file: str) -> bool:
    """Whether a file is code of ours that is not bookkeeping."""
    path = Path(file)
    if not path.is_relative_to(ROOT) or "site-packages" in path.parts:  # an environment in a clone
        return False
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return not any(f"{module}.".startswith(f"{each}.") for each in BOOKKEEPING)


@pytest.mark.parametrize(
    "module",
    [
        "toy_experiment",
        *("theory_experiments." + name for name in ("theorems", "coverage_of_methods")),
        *("theory_experiments." + name for name in ("l0_gates", "cifar_ensembles")),
    ],
)
def test_whatever_a_cell_executes_counts(module):
    experiment = importlib.import_module(module).EXPERIMENT
    counted = spans(reach(*roots(experiment)))
    done = subprocess.run(
        [sys.executable, "-c", EXECUTED, module], capture_output=True, text=True, check=True
    )
    executed = [
        (file, line, name)
        for file, line, name in json.loads(done.stdout.splitlines()[-1])
        if followed(file) and name != "<module>"
    ]
    assert executed
    for file, line, name in executed:
        assert any(line in each for each in counted.get(file, ())), f"{file}:{line} {name}"


@pytest.mark.parametrize("name", find.names())
def test_no_experiment_depends_on_its_claims_and_tables(name):
    found = reach(*roots(find.find(name)))
    for module, numbers in found.statements.items():
        assert not module.startswith(BOOKKEEPING)
        for node in (found.sources[module].statements[number] for number in numbers):
            for inner in ast.walk(node):
                if isinstance(inner, ast.FunctionDef):
                    kinds = [ast.unparse(each.annotation or node) for each in inner.args.args]
                    assert not any("DataFrame" in kind for kind in kinds), (module, inner.name)


def test_science_hides_nothing_from_the_search():
    """No module is imported by a name that is computed, and no global found by one."""
    paths = [path for top in OURS for path in (ROOT / top).rglob("*.py")]
    for path in (path for path in paths if path.parent.name != "runs"):
        for node in ast.walk(ast.parse(path.read_text())):
            name = node.id if isinstance(node, ast.Name) else getattr(node, "module", None)
            hidden = ("importlib", "__import__", "globals", "exec", "eval", "pkgutil", "runpy")
            assert name not in hidden, path
            assert not (isinstance(node, ast.FunctionDef) and node.name == "__init_subclass__")


class Tree:
    """Source files, and the version of a function in one of them."""

    def __init__(self, root: Path, tops=("package",)) -> None:
        self.root, self.tops = root, tops

    def write(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / "package" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            (path.parent / "__init__.py").touch()
            path.write_text(text)

    def reach(
        self,
        module="package.script",
        maker: str | None = None,
        held: tuple[tuple[str, str], ...] = (),
    ) -> Reach:
        """What the function ``run`` of a module reaches; cells are made in package.script.

        Args:
            held: Modules and names of classes that cells hold.
        """
        places = Places({top: self.root / top for top in self.tops})
        made, found = Reach(places, makers=True), Reach(places)
        found.start(module, "run")
        for each in held:
            found.start(*each)
        if maker is not None:
            made.start("package.script", maker)
        found.join(made)
        return found

    def version(self, **places: Any) -> str:
        return version_of(self.reach(**places))


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


SCRIPT = '''
"""A script."""
import math
import numpy as np
from typing import TYPE_CHECKING
from package import maths, other as alias
from package.face import shown
from package.rules import Rule

if TYPE_CHECKING:
    from package.unused import Kind

LIMIT = 3

class Square(Rule):
    """A rule."""
    power: int = maths.TWO

def unused():
    return LEFT

LEFT = 5

def run(cell: "Kind", context):
    """Compute."""
    from package.late import lazy
    unused = math.sqrt(4)  # hides the function
    return shown(Square(), lazy, [alias.used for _ in range(LIMIT)], np.zeros(3))
'''
FILES = {
    "script": SCRIPT,
    "maths": "TWO = 2\nTHREE = 3\n",
    "other": "def used():\n    return helper()\ndef helper():\n    return 1\ndef not_used(): ...\n",
    "face/__init__": "from package.face.inner import shown\n",
    "face/inner": "def shown(*values):\n    return len(values) + 1\ndef hidden(): ...\n",
    "rules": "RULES = {}\nclass Rule:\n    def apply(self): return RULES\nclass Other: ...\n",
    "late": "def lazy(): ...\ndef eager(): ...\n",
    "unused": "class Kind: ...\n",
}


def test_only_what_is_named_counts(tree):
    tree.write(**FILES)
    found = tree.reach()
    names = {
        module: {
            name for name, bound in found.sources[module].bindings.items() if numbers & set(bound)
        }
        for module, numbers in found.statements.items()
    }
    assert names == {
        "package.script": {"run", "Square", "LIMIT"},
        "package.maths": {"TWO"},
        "package.other": {"used", "helper"},
        "package.face.inner": {"shown"},
        "package.rules": {"Rule", "RULES"},
        "package.late": {"lazy"},
    }


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script", '"""Compute."""', '"""Another docstring."""'),
        ("script", "  # hides the function", ""),
        ("script", "LEFT = 5", "LEFT = 6"),
        ("script", "class Square", "GREATER = 7\n\nclass Square"),
        ("script", "import Kind", "import Kind as Other"),
        ("script", "from package.face import", "from package.face.inner import"),
        ("maths", "THREE = 3", "THREE = 4"),
        ("other", "not_used(): ...", "not_used(): return 2"),
        ("face/inner", "def hidden(): ...", ""),
        ("face/inner", "len(values) + 1", "( len(values)\n    + 1)"),
        ("rules", "class Other: ...", "class Other(Rule): ..."),
        ("late", "def eager(): ...", "def eager(): return LEFT"),
        ("unused", "...", "kind = 1"),
    ],
)
def test_what_changes_no_result_changes_no_version(tree, name, old, new):
    assert changed(tree, name, old, new) == 1


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("script", "LIMIT = 3", "LIMIT = 4"),
        ("script", "LIMIT = 3", "LIMIT = 3.0"),
        ("script", "math.sqrt(4)", "math.sqrt(4.5)"),
        ("script", "import numpy as np", "import jax.numpy as np"),
        ("script", "class Square(Rule)", "class Square"),
        ("script", "import maths, other as alias", "import other as maths, maths as alias"),
        ("script", "LEFT = 5", "LIMIT += 1"),
        ("script", "LEFT = 5", "print(LIMIT)"),
        ("script", "LEFT = 5", "import package.registers"),
        ("maths", "TWO = 2", "TWO = -2"),
        ("other", "return 1", "return 2"),
        ("face/__init__", "import shown", "import hidden as shown"),
        ("face/inner", "+ 1", "- 1"),
        ("rules", "return RULES", "return None"),
        ("rules", "class Other", "RULES['other'] = 1\nclass Other"),
        ("rules", "class Other", "if RULES: RULES = None\nclass Other"),
        ("late", "lazy(): ...", "lazy(): return 1"),
    ],
)
def test_what_may_change_a_result_changes_the_version(tree, name, old, new):
    tree.write(registers="from package.rules import RULES\nRULES['new'] = 1\n")
    assert changed(tree, name, old, new) == 2


def changed(tree, name, old, new):
    """The number of versions before and after an edit."""
    tree.write(**FILES)
    first = tree.version()
    assert FILES[name].count(old) == 1
    tree.write(**{name: FILES[name].replace(old, new)})
    return len({first, tree.version()})


def test_registrations_count_without_being_named(tree):
    rules = "from functools import singledispatch\n@singledispatch\ndef rule(value): ...\n"
    tree.write(
        rules=rules,
        script="import package.more\nfrom package.rules import rule\ndef run(): rule(1)\n",
        more="from package.rules import rule\n@rule.register(int)\ndef _(value): return 1\n",
    )
    assert set(tree.reach().statements) == {"package.script", "package.rules", "package.more"}


def test_the_order_of_definitions_does_not_count_and_that_of_changes_does(tree):
    versions = []
    for first, second in ("ab", "ba"):
        tree.write(script=f"def {first}(): ...\ndef {second}(): ...\ndef run(): a(b)\n")
        versions.append(tree.version())
        tree.write(script=f"x = []\nx += {first!r}\nx += {second!r}\ndef run(): x\n")
        versions.append(tree.version())
    assert versions[0] == versions[2]
    assert versions[1] != versions[3]


@pytest.mark.parametrize(
    "use",
    [
        "from package import part\ndef run(name): return getattr(part, name)",
        "def run(): import package.part as part",
        "import importlib\ndef run(): return importlib.import_module('package.part')",
        "import package\ndef run(): return vars(package)",
        "from package.part import anything\ndef run(): return anything",
    ],
)
def test_a_module_that_is_handed_on_counts_as_a_whole(tree, use):
    tree.write(script=use, part="def f(): return g\ndef __getattr__(name): ...\n", other="")
    assert len(tree.reach().statements["package.part"]) == 2


def test_globals_bring_in_the_whole_module(tree):
    tree.write(script="def f(): ...\nA = 1\ndef run(name): return globals()[name]")
    assert tree.reach().statements == {"package.script": {0, 1, 2}}


def test_relative_imports_are_followed_and_stars_refused(tree):
    tree.write(script="from .part import f\nfrom . import other\ndef run(): f(other.g)")
    tree.write(part="def f(): ...", other="def g(): ...")
    assert set(tree.reach().statements) == {"package.script", "package.part", "package.other"}
    tree.write(script="from package.part import *\ndef run(): f()")
    with pytest.raises(ValueError, match=r"script.py:1 imports \* from package.part"):
        tree.reach()


def test_classes_that_cells_may_hold_count_and_how_cells_are_chosen_does_not(tree):
    script = (
        "from package.nets import Small, Large\n"
        "WIDTH = 3\n"
        "def cells(seed: 'int'): return [Small(WIDTH)]\n"
        "def run(cell): return cell.build()\n"
    )
    nets = "class Small:\n    def build(self): return f(1)\nclass Large: ...\ndef f(x): ...\n"
    tree.write(script=script, nets=nets)
    first = tree.version(maker="cells")
    tree.write(script=script.replace("WIDTH = 3", "WIDTH = 4"))
    assert tree.version(maker="cells") == first
    tree.write(nets=nets.replace("class Large: ...", "class Large: size = 1"))
    assert tree.version(maker="cells") == first
    tree.write(nets=nets.replace("def f(x): ...", "def f(x): return x"))
    assert tree.version(maker="cells") != first


def test_what_the_makers_modules_register_counts(tree):
    script = "from package.generic import RULES\ndef cells(): ...\ndef rule(): return 1\n"
    tree.write(generic="RULES = {}\ndef run(cell): return RULES[cell.rule]()\n", script=script)
    places = {"module": "package.generic", "maker": "cells"}
    assert "package.script" not in tree.reach(**places).statements
    tree.write(script=f"{script}RULES['one'] = rule\n")
    assert len(tree.reach(**places).statements["package.script"]) == 2


def imported(path: Path, name="__main__"):
    """The function ``run`` of a file, as ``python file`` has it."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.run


def test_a_script_of_ones_own_counts_with_the_modules_beside_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "beside_it.py").write_text("def f(): ...\ndef g(): ...\n")
    path = tmp_path / "own_script.py"
    path.write_text("from beside_it import f\nimport numpy\ndef run(cell, context): f(numpy)\n")
    run = imported(path)
    assert reached(run) == {"own_script": {"run"}, "beside_it": {"f"}}
    assert code_version(run) == code_version(imported(path, "own_script"))
    (tmp_path / "beside_it.py").write_text("def f(): return 1\n")
    assert code_version(run) != code_version(toy_experiment.run)


@dataclass(frozen=True)
class Held:
    """What a cell may hold."""

    inner: object = None


@dataclass(frozen=True)
class Unheld:
    """What none holds."""


class Kind(StrEnum):
    """A plain value of a class of our own."""

    ONE = "one"


def compute(cell, context):
    return cell


def make(value):
    return lambda options: [value]


def make_held(options):
    return [Held()]


def decorated(function):
    @wraps(function)
    def wrapper(*given):
        return function(*given)

    return wrapper


@decorated
def wrapped(cell, context):
    return cell


def test_what_cells_hold_is_found_in_values_closures_and_partials():
    def names(*cells):
        (module,) = reached(compute, *cells).values()
        return set(module) - {"wrapped", "decorated"}  # a decorator of ours may register

    assert names() == names([{}, 1, "a", None]) == {"compute"}
    for cells in (Held(), [Held()], {"a": (Held(),)}, make(Held()), partial(make(Held()), 3)):
        assert names(cells) == {"compute", "Held"}
    assert names(make_held) == {"compute", "Held"}
    assert names([Kind.ONE]) == {"compute", "Kind"}
    assert names(Held(Unheld())) == {"compute", "Held", "Unheld"}
    assert names(Held(make_held)) == {"compute", "Held", "make_held"}
    assert set(*reached(wrapped).values()) == {"wrapped", "decorated"}


@pytest.mark.parametrize("run", [list, partial(compute, 1), eval("lambda cell, context: 1")])
def test_what_is_no_function_of_a_file_is_refused(run):
    with pytest.raises(ValueError, match=r"is no function|not a source file"):
        code_version(run)


def test_the_search_imports_nothing():
    code = (
        "import sys, toy_experiment\n"
        "from multiview.runs.version import code_version\n"
        "before = set(sys.modules)\n"
        "print(code_version(toy_experiment.run), set(sys.modules) - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"{code_version(toy_experiment.run)} set()"


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the science and the scripts."""
    root = tmp_path_factory.mktemp("tree")
    for top in OURS:
        shutil.copytree(ROOT / top, root / top, ignore=shutil.ignore_patterns("__pycache__"))
    return Tree(root, OURS)


THEOREMS = {  # where its ``run`` is defined, and some of what its cells hold
    "module": "multiview.bench.split",
    "held": (("multiview.methods.students", "Student"), ("multiview.measures.patches", "Views")),
}


def test_a_copy_of_the_tree_has_the_same_version(copied):
    experiment = find.find("theorems")
    held = [Student(), Views(probes_per_view=20)]
    assert copied.version(**THEOREMS) == code_version(experiment.run, *held)


class Reworded(ast.NodeTransformer):
    """Another docstring everywhere."""

    def generic_visit(self, node):
        super().generic_visit(node)
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Expr(ast.Constant("Other words."))
        return node


def test_a_tree_without_comments_in_other_words_and_format_has_the_same_version(copied):
    first = copied.version(**THEOREMS)
    texts = {path: path.read_text() for path in copied.root.rglob("*.py")}
    try:
        for path, text in texts.items():
            path.write_text(ast.unparse(Reworded().visit(ast.parse(text))) + "\n# A comment.\n")
        assert copied.version(**THEOREMS) == first
    finally:
        for path, text in texts.items():
            path.write_text(text)


def edited(path: Path, node: ast.stmt) -> str:
    """The text of a file with a harmless line at the end of a definition."""
    lines = path.read_text().splitlines()
    last = node.body[-1]  # type: ignore[attr-defined]
    lines.insert(last.end_lineno, " " * last.col_offset + "another = 1")
    return "\n".join(lines)


def definitions(copied):
    """Every definition at the top of a module with its file, and whether it was reached."""
    found = copied.reach(**THEOREMS)
    for path in sorted(copied.root.rglob("*.py")):
        module = ".".join(path.relative_to(copied.root).with_suffix("").parts)
        source = read(module, path)
        for number, node in enumerate(source.statements):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                yield path, node, number in found.statements.get(module, ())


def test_one_line_in_what_an_experiment_uses_changes_its_version(copied):
    first = copied.version(**THEOREMS)
    used = [(path, node) for path, node, reached in definitions(copied) if reached]
    assert len(used) > 50
    for path, node in used[::10]:
        text = path.read_text()
        path.write_text(edited(path, node))
        assert copied.version(**THEOREMS) != first, (path, node)
        path.write_text(text)
    assert copied.version(**THEOREMS) == first


def test_no_line_in_what_an_experiment_does_not_use_changes_its_version(copied):
    """Claims, tables, methods of other experiments: all are edited at once."""
    first = copied.version(**THEOREMS)
    texts = {path: path.read_text() for path in copied.root.rglob("*.py")}
    unused = [(path, node) for path, node, reached in definitions(copied) if not reached]
    assert {"claims", "summary"} & {node.name for _, node in unused}
    try:
        for path, node in sorted(unused, key=lambda each: -each[1].lineno):
            path.write_text(edited(path, node))
        assert copied.version(**THEOREMS) == first
    finally:
        for path, text in texts.items():
            path.write_text(text)


def test_the_text_of_a_tree_says_everything_but_words_and_places():
    def said(text):
        return canonical(ast.parse(text).body[0])

    assert said('def f():\n    "a"\n    return 1') == said("def f():  # b\n\n  return 1")
    texts = ["1", "True", "1.0", "'1'", "None", "...", "{**a}", "{None: a}", "f'{a!r}'", "f'{a}'"]
    assert len({said(text) for text in texts}) == len(texts)
