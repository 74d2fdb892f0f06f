"""Imports point one way: rng <- checks <- data|models|train <- methods.

The bookkeeping knows no science.
"""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted((ROOT / "theory_experiments").rglob("*.py"))
FIGURES = sorted((ROOT / "figures").glob("*.py"))
SOURCES = sorted((ROOT / "multiview").rglob("*.py"))

# What each part of the science may import of the others.
CHECKS = {"checks", "shapes"}  # of arguments
BASE = {"rng"} | CHECKS
MATERIAL = BASE | {"data", "models", "train"}
SCIENCE = {
    "checks": {"rng"},  # an integer in the place of a generator
    "shapes": CHECKS,
    "rng": set(),
    "data": BASE,
    "models": BASE | {"atomic", ""},  # whole files, which say the version of the package
    "train": BASE | {"models", "atomic"},  # whole files: trainings on disk survive kills
    "theory": MATERIAL,
    "ensemble": MATERIAL,
    "distill": MATERIAL | {"ensemble"},
    "ntk": MATERIAL | {"ensemble", "atomic"},  # whole files: kernels on disk survive kills
    "probes": MATERIAL | {"ensemble", "theory"},
    "sparsity": MATERIAL,
    "testing": BASE,  # of losses and loops that are not ours
}
METHODS = MATERIAL | {"ensemble", "theory", "distill", "ntk", "probes", "sparsity"}
SCIENCE |= {
    "bench": METHODS,
    "methods": METHODS | {"bench"},
    "measures": METHODS | {"bench"},
}
# What puts the science and the bookkeeping together.
TOP = {"comparison", "diagnosis"}
BOOKS = {"runs", "results", "atomic", "process", "__main__"}
REEXPORT = ("__all__", "__version__")
ASKS_SCIENCE = {
    ("multiview.runs.cli", "multiview.data.images"),  # multiview data verify
    ("multiview.runs.cli", "multiview.diagnosis.command"),  # multiview diagnose
}


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


def imports(path):
    """Every module that a file imports, wherever in it, as far as it is a file of ours."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            base = node.module or ""
            found |= {
                f"{base}.{alias.name}"
                if f"{base}.{alias.name}" in MODULES or base == "theory_experiments"
                else base
                for alias in node.names
            }
    return found


def part(module):
    """The layer of a module: the name below multiview."""
    return f"{module}.".split(".")[1]


def tops(path):
    return {module.split(".")[0] for module in imports(path)}


def test_every_module_has_its_place():
    parts = {part(module) for module in MODULES} - {""}
    assert parts <= set(SCIENCE) | BOOKS | TOP, "say in this file what the new module may import"


@pytest.mark.parametrize("module", [m for m in MODULES if part(m) in SCIENCE])
def test_science_imports_one_way(module):
    allowed = SCIENCE[part(module)] | {part(module)}
    for other in imports(MODULES[module]):
        if other.split(".")[0] == "multiview":
            assert part(other) in allowed, f"{module} imports {other}"
        assert other.split(".")[0] not in ("theory_experiments", "figures", "matplotlib", "pandas")


@pytest.mark.parametrize("module", sorted(m for m in MODULES if part(m) in BOOKS))
def test_bookkeeping_knows_no_science(module):
    for other in imports(MODULES[module]):
        if other.split(".")[0] == "multiview" and (module, other) not in ASKS_SCIENCE:
            assert part(other) in BOOKS | {""}, f"{module} imports {other}"
        assert other.split(".")[0] not in ("theory_experiments", "figures", "matplotlib")
        if other == "torch":
            assert module.rpartition(".")[2] in ("engines", "work", "artefacts")


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_experiments_import_one_way(path):
    """Scripts, then what several or large ones share in ``views``, then ``settings``."""
    assert not tops(path) & {"figures", "matplotlib", "seaborn"}
    floor = "views" if path.parent.name == "views" else path.stem
    for module in imports(path):
        if module.split(".")[0] == "theory_experiments":
            other = part(module)
            assert floor != "settings", "settings import no experiment"
            assert other in ("views", "settings"), f"{floor} imports {module}"


@pytest.mark.parametrize("path", FIGURES, ids=lambda path: path.stem)
def test_figures_know_the_store_and_plotting_only(path):
    assert not tops(path) & {"torch", "theory_experiments"}
    books = {"multiview.results", "multiview.atomic"} if path.stem == "make" else set()
    for module in imports(path):
        if module.split(".")[0] == "multiview":
            assert module.startswith("multiview.runs.") or module in books


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_packages_only_reexport(path):
    if path.name == "__init__.py":
        for node in ast.parse(path.read_text()).body:
            docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0])
            assert docstring or isinstance(node, ast.ImportFrom) or names in REEXPORT
    assert path.stem not in ("utils", "helpers", "misc", "common")


def test_there_are_no_cycles():
    graph = {
        module: {other for other in imports(path) if other in MODULES and other != module}
        for module, path in MODULES.items()
    }
    done, walking = set(), []

    def visit(module):
        assert module not in walking, f"cycle: {' -> '.join([*walking, module])}"
        if module not in done:
            walking.append(module)
            for other in graph[module]:
                visit(other)
            walking.pop()
            done.add(module)

    for module in graph:
        visit(module)


def test_importing_multiview_imports_no_plotting():
    code = "import sys, multiview; print(*({'matplotlib', 'seaborn', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
