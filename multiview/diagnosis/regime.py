"""kernel_regime: does a network act like its own tangent kernel, or does it learn features?"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.utils.data import Dataset

from multiview import checks
from multiview.bench.recipe import Recipe
from multiview.comparison import Comparison, compare
from multiview.comparison.compare import Pair
from multiview.methods.catalogue import CATALOGUE
from multiview.runs.estimates import measured
from multiview.runs.find import drawing
from multiview.runs.intervals import Interval
from multiview.runs.store import RESULTS

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

MOST_SAMPLES = 2000  # kernels of more take minutes each
MODELS = ("network", "kernel")
ROLES = {
    "member": "one",
    "ensemble": "ensemble",
    "summed": "trained as a sum",
    "distilled": "distilled from the ensemble",
}
# The catalogue's names of the eight.
METHODS = {
    "one": ("network", "member"),
    "ensemble": ("network", "ensemble"),
    "summed": ("network", "summed"),
    "hinton": ("network", "distilled"),
    "kernel": ("kernel", "member"),
    "kernel_ensemble": ("kernel", "ensemble"),
    "kernel_summed": ("kernel", "summed"),
    "kernel_distilled": ("kernel", "distilled"),
}


@dataclass(frozen=True, kw_only=True)
class KernelRegime:
    """Errors of a network and of its tangent kernel; printed, a text.

    Attributes:
        comparison: The comparison that they come from, with its stored rows.
    """

    comparison: Comparison

    @property
    def table(self) -> "DataFrame":
        """One line a repetition and method, with its ``model`` and ``role``."""
        found = self.comparison.table
        for i, name in enumerate(("model", "role")):
            named = {method: each[i] for method, each in METHODS.items()}
            found = found.assign(**{name: found["method"].map(named.get)})
        return found

    @property
    def errors(self) -> Mapping[str, Mapping[str, float]]:
        """Mean test errors by model ("network", "kernel") and role (``ROLES``)."""
        means: Any = self.table.groupby(["model", "role"])["error"].mean()
        return {model: {role: float(means[model, role]) for role in ROLES} for model in MODELS}

    def gain(self, model: str, role: str) -> Interval:
        """How much less a method errs than one of its model: mean and 95% interval, paired.

        Raises:
            ValueError: If there is no such model or role.
        """
        checks.choice("model", model, MODELS)
        checks.choice("role", role, tuple(ROLES))
        one = measured("error", model=model, role="member")
        return (one - measured("error", model=model, role=role)).of(self.table).interval()

    @property
    def figure(self) -> "Figure":
        """The picture: the eight errors, and the gains over one network and over one kernel."""
        return drawing("kernel_regime").draw(self.table)

    def __str__(self) -> str:
        return "\n".join(_text(self))


def kernel_regime(
    net: Callable[[], nn.Module],
    train: Pair | Dataset,
    test: Pair | Dataset,
    *,
    num_classes: int | None = None,
    members: int = 4,
    epochs: int | None = None,
    recipe: Recipe | None = None,
    seeds: int = 3,
    out: Path | str = RESULTS,
    device: str = "cpu",
) -> KernelRegime:
    """Hold a network against its own tangent kernel: one, ensemble, sum and distilled.

    A network in the kernel regime is a model of fixed features, those of its tangent kernel at the
    start: training a sum of such models gains as much as their ensemble, and one taught by the
    ensemble gains nothing, as it lacks the others' features. For networks that learn their features
    the theory says the reverse (arXiv 2012.09816, Section 1 and Figure 1). Each of the eight is
    trained on the same samples, by ``compare``; kernels by ridge regression of the labels.

    Args:
        net: A function, or class, that makes an untrained module from inputs (n, ...) to logits
            (n, k), which ``gram`` can take.
        train: At most 2,000 inputs and labels, or a data set of such pairs; ``test`` likewise.
        num_classes: None: one more than the largest label.
        members: K, of networks and of kernels.
        epochs: Of every training; 20 where no recipe is given.
        recipe: Of networks on labels and of students; by default ``plain_recipe(epochs)``.
        seeds: Independent repetitions, from which intervals are made.
        out: Directory of all results; rows go to OUT/compare.
        device: Name of the torch device, such as "cpu" or "cuda".

    Raises:
        ValueError: If an argument does not fit, before anything is trained.
        RuntimeError: If a repetition is stopped by an error, or none succeeds.
    """
    checks.count("members", members, 2, meaning="counts networks")
    checks.count("seeds", seeds, meaning="counts repetitions")
    for name, samples in (("train", train), ("test", test)):
        number = _number(samples)
        if number is not None and number > MOST_SAMPLES:
            raise ValueError(
                f"{name} has {number} samples: kernels are of n^2 numbers, give a random "
                f"{MOST_SAMPLES} of them or fewer."
            )
    found = compare(
        net,
        train,
        test,
        methods={name: CATALOGUE[name] for name in METHODS},
        num_classes=num_classes,
        members=members,
        epochs=epochs,
        recipe=recipe,
        seeds=seeds,
        out=out,
        device=device,
    )
    return KernelRegime(comparison=found)


def _number(samples: Any) -> int | None:
    """How many samples a pair or a data set holds; None where that is not known."""
    if isinstance(samples, tuple | list) and len(samples) == 2 and hasattr(samples[1], "__len__"):
        return len(samples[1])
    return len(samples) if hasattr(samples, "__len__") else None


def _text(found: KernelRegime) -> Iterator[str]:
    """Errors and gains, and what a model of fixed features would show."""
    errors = found.errors
    for model, name in (("network", "network"), ("kernel", "tangent kernel")):
        yield f"One {name} errs on {_percent(errors[model]['member'])}."
        for role, label in list(ROLES.items())[1:]:
            gain = found.gain(model, role)
            ends = (100 * end for end in (gain.low, gain.high))
            interval = "" if gain.method == "none" else " [{:.1f}, {:.1f}]".format(*ends)
            error = _percent(errors[model][role])
            yield f"  {label}: {error}, a gain of {100 * gain.mean:.1f}{interval} points"
    yield ""
    yield (
        "With fixed features the sum gains as much as the ensemble, and the distilled model gains "
        "nothing. A network that does the same acts like its kernel; one whose sum gains little "
        "and whose student gains much learns features."
    )


def _percent(value: float) -> str:
    return f"{100 * value:.1f}%"
