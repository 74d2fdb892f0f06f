"""Networks that part from one training at some time, each in an order of samples of its own."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.bench.bench import Bench
from multiview.bench.method import Classifier, Method
from multiview.bench.module_setting import ModuleSetting
from multiview.bench.patches import PatchSetting, Sgd
from multiview.bench.setting import Setting
from multiview.bench.trainings import Left
from multiview.train import FitResult, fit
from multiview.train.training import State


@dataclass(frozen=True, kw_only=True)
class Branched(Method):
    """Networks on labels, logits (n, number, k), trained as one until they part.

    One network is trained for a fraction of the epochs; from its weights, momentum and learning
    rate as many branches go on, each with the samples (and their augmentation) in an order of its
    own, as in the instability analysis of Frankle et al. (arXiv 1912.05671). It notes ``together``,
    the number of epochs after which they part.

    Attributes:
        at: The fraction, from 0 (the same initial weights) to less than 1, rounded to an epoch,
            after which at least one is left; None: each has initial weights of its own, too.
        number: Of branches.
        start: Name of initial weights and orders; those of another name are others.

    Raises:
        ValueError: If ``at`` is not in [0, 1), ``number`` is no integer >= 1 or ``start`` is no
            text.
    """

    at: float | None = 0.0
    number: int = 4
    start: str = "branched"

    def __post_init__(self) -> None:
        if self.at is not None:
            checks.fraction("at", self.at, "[0, 1)")
        checks.count("number", self.number, meaning="counts branches")
        checks.instance("start", self.start, str)

    def networks(self, setting: Setting) -> int:
        """As many as there are branches."""
        return self.number

    def check(self, setting: Setting) -> None:
        """Refuse a trainer without minibatches, whose order is all in which branches differ.

        Raises:
            ValueError: If it has none, or if no epoch is left after the time of parting.
        """
        setting.check_sgd("Branched")
        epochs = _epochs(setting)
        if self.at is not None and epochs is not None and round(self.at * epochs) == epochs:
            raise ValueError(
                f"at={self.at} of {epochs} epochs is all of them, and none is left in which "
                f"branches could part: use at most {(epochs - 1) / epochs:g}, or more epochs."
            )

    def train(self, bench: Bench) -> Classifier:
        """Train the common part and every branch.

        Raises:
            ValueError: If ``check`` refuses the setting of the bench.
        """
        self.check(bench.trainings.setting)
        own = self.at is None
        nets = [bench.one(self.start, i if own else 0) for i in range(self.number)]
        left = bench.fit_once(nets, lambda: self._train(bench, nets))
        each = [bench.frozen(net) for net in nets]

        def logits(inputs: Tensor) -> Float[Tensor, "n number k"]:
            return torch.stack([one(inputs) for one in each], 1)

        notes = {"together": int(left["together"])} if "together" in left else {}
        return Classifier(logits=logits, notes=notes)

    def _train(self, bench: Bench, nets: Sequence[nn.Module]) -> Left:
        """Train networks in place, what they have in common once; for how many epochs."""
        number = len(nets)
        if self.at is None:
            for i, net in enumerate(nets):
                _fit(bench, net, self._order(bench, "apart", i), (i, number))
            return {}
        # Whenever branches part, what they have in common is the same training.
        common, trunk = self._order(bench, "common"), copy.deepcopy(nets[0])
        state = _fit(bench, trunk, common, (0, number + 1), until=self.at).state
        for i, net in enumerate(nets):
            order = self._order(bench, f"{self.at:g}", i)
            _fit(bench, net, order, (i + 1, number + 1), after=state)
        return {"together": torch.tensor(0 if state is None else state["epoch"])}

    def _order(self, bench: Bench, *which: str | int) -> torch.Generator:
        return bench.stream("order", self.start, *which)


def _epochs(setting: Setting) -> int | None:
    """How many epochs a network is trained on labels, where the setting is of a known kind."""
    if isinstance(setting, PatchSetting) and isinstance(setting.training, Sgd):
        return setting.training.labels.epochs
    if isinstance(setting, ModuleSetting):
        return setting.of_course("labels").optim.epochs
    return None


def _fit(
    bench: Bench,
    net: nn.Module,
    order: torch.Generator,
    part: tuple[int, int],
    until: float | None = None,
    after: State | None = None,
) -> FitResult:
    """Train one network on labels, for a part of the epochs.

    Args:
        part: The number of this training among those of the method, and of all.
        until: Fraction of the epochs after which it stops.
        after: As ``fit`` has it.
    """
    settings = bench.training("labels")
    done, parts = part
    settings["progress"] = lambda said, share: bench.report(said, (done + share) / parts)
    settings["generator"] = order
    if until is not None:
        settings["until"] = round(until * settings["spec"].epochs)
    return fit(net, bench.inputs, bench.loss(None), after=after, **settings)
