"""What a definition reaches: the statements, module by module, that its result may depend on."""

import ast
from dataclasses import dataclass, field

from multiview.runs.places import Places, is_bookkeeping
from multiview.runs.source import Imported, Source, Use

WHOLE_MODULE = {"globals", "eval", "exec"}  # these find names that no one can follow


@dataclass
class Reach:
    """What has been reached so far, by name and, of statements, by number.

    Attributes:
        makers: Whether to stop at classes and pass over annotations: what is reached then are the
            classes that may be made, not what these do.
        statements: Numbers of the reached statements of each module.
        links: Of each module, what its imported names stand for: the module and name at the end
            of all re-exports.
        sources: Every module that has been looked at, for all of them run when imported.
    """

    places: Places
    makers: bool = False
    statements: dict[str, set[int]] = field(default_factory=dict)
    links: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    sources: dict[str, Source] = field(default_factory=dict)
    _wholes: set[str] = field(default_factory=set)
    _waiting: list[tuple[Source, int]] = field(default_factory=list)

    def start(self, module: str, name: str | None) -> None:
        """Reach a name of a module, or all of it, and whatever that reaches.

        Raises:
            ValueError: If a module on the way imports ``*``.
        """
        source = self.places.find(module)
        if source is None:
            raise ValueError(f"{module} is not a source file that could be followed.")
        self._load(source)
        if name in source.bindings:
            self._bound(source, name)
        else:
            self._whole(source)
        self._finish()

    def join(self, makers: "Reach") -> None:
        """Reach the classes that makers may make, and what their modules do when imported."""
        for module in makers.sources.values():
            self._load(module)
        for module, numbers in makers.statements.items():
            for node in (makers.sources[module].statements[number] for number in numbers):
                if isinstance(node, ast.ClassDef):
                    self._bound(makers.sources[module], node.name)
        self._finish()

    def _finish(self) -> None:
        while self._waiting:
            source, number = self._waiting.pop()
            if self.makers and isinstance(source.statements[number], ast.ClassDef):
                continue
            for use in source.uses(number, annotations=not self.makers):
                self._use(source, use)

    def _add(self, source: Source, number: int) -> None:
        reached = self.statements.setdefault(source.name, set())
        if number not in reached:
            reached.add(number)
            self._waiting.append((source, number))

    def _bound(self, source: Source, name: str) -> None:
        for number in source.bindings.get(name, ()):
            self._add(source, number)

    def _use(self, source: Source, use: Use) -> None:
        """Go from a statement's use to what it means."""
        if isinstance(use, Imported):
            if use.name is not None or self.places.find(use.module) is not None:
                self._follow(use)
            return
        name, *attributes = use
        if name in WHOLE_MODULE and name not in source.bindings:
            self._whole(source)
        self._bound(source, name)
        for imported in source.imports.get(name, ()):
            end = self._follow(imported, *attributes)
            self.links.setdefault(source.name, set()).add((".".join(use), end))

    def _follow(self, imported: Imported, *attributes: str) -> str:
        """Reach what is imported, and say where it is defined."""
        module, name = imported
        names = attributes if name is None else (name, *attributes)
        if is_bookkeeping(module, *names):
            return f"bookkeeping:{'.'.join(names)}"
        source = self.places.find(module)
        if source is None:
            return ".".join((module, *names))
        self._load(source)
        if not names:
            self._whole(source)
            return module
        first, *rest = names
        if first in source.bindings:
            self._bound(source, first)
        further = [each for each in source.imports.get(first, ()) if each != (module, first)]
        ends = [self._follow(each, *rest) for each in further]
        if first not in source.bindings and not further:
            inner = f"{module}.{first}"
            if self.places.find(inner) is not None:
                return self._follow(Imported(inner), *rest)
            self._whole(source)  # it has its names from elsewhere, or from its __getattr__
        return " or ".join(ends) or f"{module}:{first}"

    def _load(self, source: Source) -> None:
        """Reach what a module does when it is imported, with all that it imports then."""
        waiting = [source]
        while waiting:
            source = waiting.pop()
            if source.name in self.sources:
                continue
            self.sources[source.name] = source
            for number in source.actions:
                self._add(source, number)
            for number, decorator in source.decorated:
                if self._is_ours(source, decorator):
                    self._add(source, number)
            parents = source.name.split(".")[:-1]
            names = [".".join(parents[: i + 1]) for i in range(len(parents))]
            for module, name in source.loads:
                names += [module] if name is None else [module, f"{module}.{name}"]
            found = [self.places.find(name) for name in names if not is_bookkeeping(name)]
            waiting += filter(None, found)

    def _is_ours(self, source: Source, decorator: tuple[str, ...]) -> bool:
        """Whether a decorator may register what it decorates with something of ours."""
        imports = source.imports.get(decorator[0], ()) if decorator else ()
        ours = any(
            self.places.ours(each.module) and not is_bookkeeping(each.module) for each in imports
        )
        return ours or not decorator or decorator[0] in source.bindings

    def _whole(self, source: Source) -> None:
        """Reach all of a module and, of a package, all of its modules."""
        if source.name in self._wholes:
            return
        self._wholes.add(source.name)
        for number in range(len(source.statements)):
            self._add(source, number)
        for choices in source.imports.values():
            for imported in choices:
                if imported.module != source.name:
                    self._follow(imported)
        for module in self.places.within(source):
            self._follow(Imported(module))
