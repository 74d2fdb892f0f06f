"""Contexts that keep artefacts, and what is computed for them; no training where all is there."""

from contextlib import contextmanager
from pathlib import Path

from multiview.bench import flow
from multiview.runs.artefacts import SUFFIX, Artefacts
from multiview.runs.experiment import Context
from multiview.train.training import Training


class Counting:
    """A store that notes what is computed for it."""

    def __init__(self, folder: Path) -> None:
        self.store = Artefacts(folder=folder, version="v")
        self.computed: list[dict] = []

    def __call__(self, description, compute):
        def counted():
            self.computed.append(description)
            return compute()

        return self.store(description, counted)

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


def found_again(setting, methods, folder, monkeypatch):
    """Train methods twice, the second time from artefacts, and compare all that they leave."""
    store, plain = Counting(folder), setting.bench(0, Context())
    first, second = (setting.bench(0, store.context()) for _ in range(2))
    for bench in (plain, first, second):
        bench.plan(list(methods.values()))
    for method in methods.values():
        one = found_of(plain, plain.trained(method))
        assert found_of(first, first.trained(method)) == one
        with no_training(monkeypatch):
            trained = second.trained(method)
        assert found_of(second, trained) == one


def found_of(bench, classifier):
    """All that a method leaves, as bytes; outputs in the arithmetic of training and of tests.

    Each classifier is asked equally often, as some draw anew at each call.
    """
    inputs = bench.inputs[:20]
    found: dict[str, object] = {"notes": repr(classifier.notes)}
    for name in ("logits", "best", "midway"):
        if (logits := getattr(classifier, name)) is not None:
            for how, outputs in (
                ("fast", logits(inputs)),
                ("exact", bench.outputs(logits, inputs)),
            ):
                found[f"{name}, {how}"] = outputs.float().numpy().tobytes()
    if classifier.companion is not None:
        found["companion"] = found_of(bench, classifier.companion)
    return found
