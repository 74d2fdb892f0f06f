"""Training: where a minibatch training stands, its steps, and all it takes to go on with it."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from multiview import checks
from multiview.models.groups import SideBySide
from multiview.train.compute import evaluating
from multiview.train.errors import Diverged
from multiview.train.optim import OptimSpec
from multiview.train.source import Batch, FromLoader, InMemory

# score(module): what to keep the best of, lower is better: one value, or one for each net of a
# SideBySide. Called after each epoch.
Score = Callable[[nn.Module], Float[Tensor, " nets"]]
# All that a training needs to go on, by name: as ``Training.state`` gives it.
State = dict[str, Any]


@dataclass(frozen=True)
class Best:
    """A net after the epoch that scored lowest, the first of equals."""

    epoch: int  # 0 is the first
    score: float
    state: dict[str, Tensor]  # as ``load_state_dict`` takes it


_KEPT = ("epoch", "losses", "samples", "history", "scores", "best")


@dataclass(kw_only=True)
class Training:
    """A training and where it stands."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    source: InMemory | FromLoader
    epoch: int = 0  # epochs that are done
    losses: list[Tensor] = field(default_factory=list)  # of this epoch's steps, times samples
    samples: int = 0  # of these steps
    history: list[float] = field(default_factory=list)
    scores: list[Tensor] = field(default_factory=list)
    best: list[dict[str, Any]] = field(default_factory=list)
    drawn_from: Tensor | None = None  # the generator as it was before this epoch's draws

    @property
    def steps_done(self) -> int:
        """Number of steps taken in all epochs so far."""
        return self.epoch * self.source.steps + len(self.losses)

    def batches(self) -> Iterator[Batch]:
        """What the steps of this epoch that are not done are taken with."""
        self.drawn_from = self.generator.get_state()
        return self.source.batches(self.generator, len(self.losses))

    def take_step(self, value: Tensor, samples: int, spec: OptimSpec) -> None:
        """Descend the loss of a batch of so many samples."""
        for group in self.optimizer.param_groups:
            group["lr"] = spec.rate(self.steps_done, spec.epochs * self.source.steps)
        self.optimizer.zero_grad()
        value.backward()
        self.optimizer.step()
        self.losses.append(value.detach() * samples)
        self.samples += samples

    def end_epoch(self, spec: OptimSpec, score: Score | None) -> None:
        """Look at the epoch's losses, and at the score of what it left."""
        # Looked at once an epoch: reading a loss makes a GPU wait.
        losses = torch.stack(self.losses)
        if not losses.isfinite().all():
            step = self.epoch * self.source.steps + int((~losses.isfinite()).nonzero()[0])
            raise Diverged(
                f"the loss became infinite or NaN at step {step} of "
                f"{spec.epochs * self.source.steps} (epoch {self.epoch}) with {spec}: use a "
                "smaller learning_rate or a longer warmup."
            )
        self.history.append(float(losses.sum()) / self.samples)
        if score is not None:
            with evaluating(self.module):
                self._keep_best(score(self.module).reshape(-1).cpu())
        self.losses, self.samples, self.drawn_from = [], 0, None
        self.epoch += 1

    def _keep_best(self, scores: Float[Tensor, " nets"]) -> None:
        """Copy each net that never scored lower before."""
        self.scores.append(scores)
        nets = list(self.module.nets) if isinstance(self.module, SideBySide) else [self.module]
        if len(nets) != len(scores):
            raise ValueError(
                f"score returned {len(scores)} values for {len(nets)} nets: return one for the "
                "module, or one for each net of a SideBySide."
            )
        self.best = self.best or [{}] * len(nets)
        for i, (net, value) in enumerate(zip(nets, scores.tolist(), strict=True)):
            if not self.best[i] or value < self.best[i]["score"]:
                state = {name: each.cpu().clone() for name, each in net.state_dict().items()}
                self.best[i] = {"epoch": self.epoch, "score": value, "state": state}

    def state(self, *, finished: bool = False) -> State:
        """All that ``restore`` needs; a finished training needs its optimiser no more."""
        own = self.drawn_from
        return {
            "module": self.module.state_dict(),
            "optimizer": None if finished else self.optimizer.state_dict(),
            "generator": self.generator.get_state() if own is None else own,
            "global": _global_state(self.source.device),
            **{name: getattr(self, name) for name in _KEPT},
        }

    def go_on(self, state: State) -> None:
        """Take over what another training of the module did, but not what it would draw next."""
        # Several may go on from it, each with momentum of its own.
        own = copy.deepcopy(taken_over(state))
        self.optimizer.load_state_dict(own.pop("optimizer"))
        for name, value in own.items():
            setattr(self, name, value)

    def restore(self, state: State) -> None:
        """Go back to where ``state`` was taken."""
        self.module.load_state_dict(state["module"])
        if state["optimizer"] is not None:
            self.optimizer.load_state_dict(state["optimizer"])
        self.generator.set_state(state["generator"])
        _set_global_state(self.source.device, state["global"])
        for name in _KEPT:
            setattr(self, name, state[name])
        self.losses = [loss.to(self.source.device) for loss in self.losses]


def taken_over(state: State) -> State:
    """What ``Training.go_on`` takes over: the optimiser's state and the epochs so far."""
    return {name: state[name] for name in ("optimizer", *_KEPT)}


def last_epoch(module: nn.Module, spec: OptimSpec, until: int | None, after: State | None) -> int:
    """The number of epochs after which to stop, of all of ``spec`` or as ``fit`` has the others.

    Raises:
        ValueError: If there are not as many, or more have been done in ``after``; or if that is no
            state of a training of this module.
    """
    done = 0 if after is None else _check_state("after", after, module)
    if done > spec.epochs:
        raise ValueError(
            f"epochs={spec.epochs} in spec and {done} are done in after: use a spec of {done} or "
            "more epochs."
        )
    if until is None:
        return spec.epochs
    checks.count("until", until, 0, meaning="counts epochs")
    if not done <= until <= spec.epochs:
        raise ValueError(
            f"until={until} of {spec.epochs} epochs, {done} of which are done: use {done} to "
            f"{spec.epochs}, or None for all."
        )
    return until


def _check_state(name: str, state: Any, module: nn.Module) -> int:
    """The number of epochs that were done where ``Training.state`` gave this, of such a module.

    Raises:
        ValueError: If nothing of the kind was given, it is of a training that came to its end, or
            the module's state has other names or shapes.
    """
    rule = f"{name} is no state of a training that stopped before its end"
    remedy = "give FitResult.state of a fit with until=..."
    if not isinstance(state, dict):
        raise ValueError(f"{rule}, but {checks.shown(state)}: {remedy}.")
    needed = ("module", "optimizer", *_KEPT)
    lacking = [part for part in needed if part not in state]
    # A finished training keeps None in place of its optimiser's state.
    lacking += [part for part in needed[:2] if part in state and not isinstance(state[part], dict)]
    if lacking:
        raise ValueError(f"{rule}, as it lacks {', '.join(lacking)}: {remedy}.")
    given, own = _shapes(state["module"]), _shapes(module.state_dict())
    other = [each for each in {**own, **given} if own.get(each) != given.get(each)]
    if other:
        there, here = given.get(other[0], "missing"), own.get(other[0], "missing")
        raise ValueError(
            f"{name} is of another module: {other[0]} is {there} in it and {here} in the module: "
            "give the state of a module of the same layers and sizes."
        )
    return checks.count(f"{name}['epoch']", state["epoch"], 0, meaning="counts epochs done")


def _shapes(state: Mapping[str, Any]) -> dict[str, str]:
    """Of each entry of a module's state its shape, or its type if it is no tensor."""
    return {
        name: f"{tuple(each.shape)}" if isinstance(each, Tensor) else type(each).__name__
        for name, each in state.items()
    }


@contextmanager
def forked_rng(generator: torch.Generator, device: torch.device) -> Iterator[None]:
    """Within, dropout and its like draw from a stream that ``generator``, unmoved, decides.

    They know torch's global generators only, which are given back as they were.
    """
    seed = int(torch.randint(2**62, (), generator=generator.clone_state()))
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(cuda):
        torch.default_generator.manual_seed(seed)
        for each in cuda:
            with torch.cuda.device(each):
                torch.cuda.manual_seed(seed)
        yield


def _global_state(device: torch.device) -> Tensor:
    """State of torch's own generator on this device."""
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()


def _set_global_state(device: torch.device, state: Tensor) -> None:
    if device.type == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)
