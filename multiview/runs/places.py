"""Where the source lies that a result may depend on, and where something is defined."""

import inspect
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from multiview.runs.bundled import importable
from multiview.runs.source import Source, read

EXPERIMENTS = "theory_experiments"
LIBRARY = Path(sysconfig.get_path("stdlib"))
INSTALLED = {"site-packages", "dist-packages"}  # modules there do not belong together
# The bookkeeping changes no result: what is imported from it is not followed.
BOOKKEEPING = ("multiview.runs", "multiview.results", "multiview.__main__", "figures")


@dataclass(frozen=True)
class Places:
    """Where the source lies that is followed; all else is somebody else's.

    Attributes:
        packages: Folder or file of each package or module at the top.
        beside: Folders whose modules are ours too, as a script's own is.
    """

    packages: Mapping[str, Path]
    beside: tuple[Path, ...] = ()
    _found: dict[str, Source | None] = field(default_factory=dict)

    def ours(self, module: str) -> bool:
        """Whether a module is one of ours."""
        return self._top(module.partition(".")[0]) is not None

    def find(self, module: str) -> Source | None:
        """The source of one of our modules; None if there is no such file."""
        if module not in self._found:
            self._found[module] = self._find(module)
        return self._found[module]

    def _find(self, module: str) -> Source | None:
        top, *rest = module.split(".")
        root = self._top(top)
        if root is None:
            return None
        if root.suffix == ".py":
            return None if rest else read(module, root)
        path = root.joinpath(*rest)
        for file in (path / "__init__.py", path.with_suffix(".py")):
            if file.is_file():
                return read(module, file)
        return None

    def within(self, package: Source) -> Iterable[str]:
        """Names of the modules of a package."""
        if package.path.name == "__init__.py":
            for file in sorted(package.path.parent.glob("*.py")):
                if file != package.path:
                    yield f"{package.name}.{file.stem}"
            for file in sorted(package.path.parent.glob("*/__init__.py")):
                yield f"{package.name}.{file.parent.name}"

    def _top(self, name: str) -> Path | None:
        if name in self.packages:
            return self.packages[name]
        for folder in self.beside:
            if (folder / name / "__init__.py").is_file():
                return folder / name
            if (folder / f"{name}.py").is_file():
                return folder / f"{name}.py"
        return None


def is_bookkeeping(*names: str) -> bool:
    """Whether a module, or a name in it, belongs to the bookkeeping."""
    dotted = ".".join(names) + "."
    return any(dotted.startswith(f"{each}.") for each in BOOKKEEPING)


def places_of(functions: Iterable[Callable[..., Any]]) -> Places:
    """This package, the experiments, and where the functions are defined."""
    packages = {"multiview": Path(__file__).parents[1]}
    spec = importable(EXPERIMENTS)
    for folder in (spec and spec.submodule_search_locations) or ():
        packages[EXPERIMENTS] = Path(folder)
    beside = []
    for path in map(_file, functions):
        module, root = module_of(path)
        if "." in module:
            packages[module.partition(".")[0]] = root
        elif INSTALLED & set(path.parts):
            packages[module] = path
        else:
            beside.append(path.parent)
    return Places(packages, tuple(dict.fromkeys(beside)))


def is_source_of_a_user(part: Any) -> bool:
    """Whether something is defined in a file of neither an installed package nor of Python."""
    path = _file(part)
    installed = bool(INSTALLED & set(path.parts)) or path.is_relative_to(LIBRARY)
    return path.is_file() and not installed


def place_of(part: Any) -> tuple[str, str]:
    """Module and name of the definition at the top of a file in which something is defined."""
    return module_of(_file(part))[0], part.__qualname__.partition(".")[0]


def _file(part: Any) -> Path:
    try:
        return Path(inspect.getfile(part)).absolute()
    except (TypeError, OSError):  # a class written in C, or typed at a prompt
        return Path("/nowhere.py")


def module_of(path: Path) -> tuple[str, Path]:
    """The name of the module in a file, as an import gives it, and its outermost folder or file."""
    name, root = path.stem, path
    if path.name == "__init__.py":
        name, root = path.parent.name, path.parent
    while (root.parent / "__init__.py").is_file():
        root = root.parent
        name = f"{root.name}.{name}"
    return name, root
