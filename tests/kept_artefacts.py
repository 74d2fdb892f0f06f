"""Contexts that keep artefacts, and what is computed for them; no training where all is there."""

from contextlib import contextmanager
from pathlib import Path

from multiview.bench import flow
from multiview.runs.artefacts import SUFFIX, Artefacts
from multiview.runs.experiment import Context
from multiview.train.training import Training


class Counting:
    """A store that notes what is computed for it."""

    def __init__(self, folder: Path, **settings) -> None:
        self.store = Artefacts(folder=folder, version="v", **settings)
        self.computed: list[dict] = []

    def __call__(self, description, compute, asked=False):
        def counted():
            self.computed.append(description)
            return compute()

        return self.store(description, counted, asked)

    @property
    def files(self) -> set[str]:
        """Names of the artefacts."""
        return {path.name for path in self.store.folder.glob(f"*{SUFFIX}")}

    def context(self, **settings) -> Context:
        """A context that asks this store."""
        return Context(artefact=self, **settings)


@contextmanager
def no_training(monkeypatch):
    """Within, every trainer raises."""

    def refuse(*_, **__):
        raise AssertionError("something is trained")

    with monkeypatch.context() as patched:
        patched.setattr(Training, "take_step", refuse)
        patched.setattr(flow, "train_patch_net", refuse)
        yield
