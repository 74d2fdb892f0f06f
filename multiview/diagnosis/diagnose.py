"""diagnose: what averaging and distillation will gain, from two or three trained networks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from multiview import checks
from multiview.diagnosis.averages import gaussian_gain
from multiview.diagnosis.calibration import Calibration, calibration
from multiview.diagnosis.outputs import outputs_of
from multiview.diagnosis.predict import Interval, Kind, Prediction
from multiview.diagnosis.predictions import chosen, predictions_of
from multiview.ensemble import mean_logits, mean_probabilities
from multiview.probes import Agreement, GainByCount, agreement, gain_by_count, view_counts
from multiview.rng import stream
from multiview.runs.engines import check_device
from multiview.runs.find import drawing
from multiview.train.metrics import wrong

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

NAMES: Mapping[Kind, str] = {
    "ensemble": "the average of {}",
    "student": "one student of {} averaged",
    "self": "self-distillation",
}


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was measured of M networks on n samples, and what it predicts; printed, a text.

    Attributes:
        errors: Of each network.
        by_size: Error of the mean logits of 1, 2, ... M networks, the mean over their choices.
        by_size_probabilities: The same of mean probabilities.
        agreement: How alike the mistakes of two networks are.
        counts: Samples by how many of the networks are right on them, 0 to M, and how much
            averaging gains on them. Each network counts as one view: what it has learned.
        gaussian_gain: What averaging all M would gain if their logits were a common mean and
            Gaussian noise, alike on all samples; measured is ``by_size[1] - by_size[M]``.
        one: Calibration of single networks, the mean over them.
        together: Calibration of their mean probabilities.
        predictions: Of ensembles by logits and by probabilities, of students, and of
            self-distillation; see ``predicted``.
        level: Of the prediction intervals.
    """

    num_nets: int
    num_samples: int
    num_classes: int
    errors: tuple[float, ...]
    by_size: Mapping[int, float]
    by_size_probabilities: Mapping[int, float]
    agreement: Agreement
    counts: GainByCount
    gaussian_gain: float
    one: Calibration
    together: Calibration
    predictions: tuple[Prediction, ...]
    level: float

    def predicted(self, kind: Kind, size: int = 1, average: str = "logits") -> Prediction:
        """The prediction for an "ensemble" or "student" of so many networks, or for "self".

        Raises:
            ValueError: If there is none; the message says for what there is one.
        """
        return chosen(self.predictions, kind, size, average)

    @property
    def table(self) -> "DataFrame":
        """One line a prediction, and one for each size that was measured."""
        from pandas import DataFrame

        measured = [
            {"kind": "measured", "size": size, "average": average, "error": error}
            for average, found in (
                ("logits", self.by_size),
                ("probabilities", self.by_size_probabilities),
            )
            for size, error in found.items()
        ]
        return DataFrame([*measured, *map(_line, self.predictions)]).assign(level=self.level)

    @property
    def figure(self) -> "Figure":
        """The picture: error by size, measured and predicted, and the predicted gains."""
        return drawing("prediction").draw(self.table)

    def __str__(self) -> str:
        return "\n".join(_text(self))


def diagnose(
    nets: Sequence[nn.Module | Tensor],
    data: Any,
    *,
    sizes: Sequence[int] = (2, 5, 10),
    level: float = 0.95,
    seed: int = 0,
    batch_size: int = 256,
    device: str | None = None,
) -> Diagnosis:
    """Measure two or more trained networks, and predict what others made of such will do.

    The networks are trained alike and from different random starts; data are samples that they
    were not trained on. An ensemble of K is predicted from the gain of the M networks by an error
    that is linear in 1 / K (see ``gain_factor``), a student and self-distillation by the share of
    that gain which was measured in other experiments (``STUDENT_SHARES``, ``SELF_SHARES``). All
    intervals are for new networks and as many new samples. How often they were right is measured
    by the experiment ``diagnosis``.

    >>> from multiview.diagnosis import diagnose
    >>> labels = torch.arange(300) % 3
    >>> views = torch.nn.functional.one_hot(labels, 3).float()
    >>> nets = [views + torch.randn(300, 3) for _ in range(2)]  # logits: a mean and noise
    >>> found = diagnose(nets, labels)
    >>> found.predicted("ensemble", 10).gain.value > found.predicted("ensemble", 2).gain.value > 0
    True

    Args:
        nets: Modules that give logits (n, k), or an output with such ``logits``; or their logits,
            tensors (n, k). Modules are evaluated without gradients in eval mode, and left in the
            mode they were in.
        data: A loader of batches (inputs, labels), or the two tensors; for logits the labels alone
            will do.
        sizes: Numbers of networks K >= 2 to predict for.
        level: Probability that a measured value should lie in its interval, in [0.5, 0.999].
        seed: Of the draws that intervals and the Gaussian comparison are made by.
        batch_size: Of two tensors; a loader has its own.
        device: Where inputs are moved; None: where each network is.

    Raises:
        ValueError: If there are fewer than two networks, or any that are alike, no better than
            chance, or tell other classes apart; if data have no labels; or if a logit is NaN or
            infinite.
    """
    every, level, batch_size = settings_of(sizes, level, batch_size, device)
    logits, labels = outputs_of(nets, data, batch_size, device)
    return diagnosis_of(logits, labels, every, level, seed)


def settings_of(
    sizes: Sequence[int], level: float, batch_size: int, device: str | None
) -> tuple[tuple[int, ...], float, int]:
    """Sizes in their order, each once, level and batch size as ``diagnose`` takes them.

    Raises:
        ValueError: If one is out of its range, or there is no such device.
    """
    every = tuple(sorted(set(checks.counts("sizes", sizes, 2, meaning="counts networks"))))
    if not every:
        raise ValueError(f"sizes={sizes!r} is empty: name a number of networks, such as (10,).")
    level = checks.number("level", level, "[0.5, 0.999]", meaning="is a probability")
    batch_size = checks.count("batch_size", batch_size, meaning="counts samples")
    if device is not None:
        check_device(device)
    return every, level, batch_size


def diagnosis_of(
    logits: Float[Tensor, "n nets k"],
    labels: Int[Tensor, " n"],
    sizes: Sequence[int],
    level: float,
    seed: int,
) -> Diagnosis:
    """What is measured and predicted of networks that gave these logits."""
    found, predictions = predictions_of(logits, labels, sizes, level, seed)
    alone = wrong(logits, labels).double()
    together = wrong(mean_logits(logits), labels)
    number = logits.shape[1]
    single = [calibration(each.softmax(1), labels) for each in logits.unbind(1)]
    errors = {average: {size: by.error(size) for size in by.wrong} for average, by in found.items()}
    return Diagnosis(
        num_nets=number,
        num_samples=len(labels),
        num_classes=logits.shape[2],
        errors=tuple(alone.mean(0).tolist()),
        by_size=errors["logits"],
        by_size_probabilities=errors["probabilities"],
        agreement=agreement(logits, labels),
        counts=gain_by_count(view_counts(alone.T == 0), alone, together, number),
        gaussian_gain=gaussian_gain(logits, labels, stream(seed, "diagnose", "gaussian")),
        one=Calibration(
            ece=sum(each.ece for each in single) / number,
            nll=sum(each.nll for each in single) / number,
        ),
        together=calibration(mean_probabilities(logits), labels),
        predictions=predictions,
        level=level,
    )


def _line(each: Prediction) -> dict[str, Any]:
    """A prediction as a line of a table."""
    plain = {name: getattr(each, name) for name in ("kind", "size", "average", "extrapolated")}
    ends = {
        f"{name}{ending}": value
        for name in ("error", "gain")
        for ending, value in zip(("", "_low", "_high"), getattr(each, name), strict=True)
    }
    return plain | ends


def _text(found: Diagnosis) -> Iterator[str]:
    """What was found, in sentences, and the predictions as a table."""
    nets, both = found.num_nets, found.agreement
    errors = ", ".join(f"{100 * each:.1f}%" for each in found.errors)
    gain = found.by_size[1] - found.by_size[nets]
    samples, classes = found.num_samples, found.num_classes
    yield f"{nets} networks err on {errors} of {samples} samples of {classes} classes."
    yield (
        f"Two of them predict different classes on {100 * both.disagreement:.1f}% of the samples. "
        f"Both err on {100 * both.both_wrong:.1f}%, where independent mistakes would meet on "
        f"{100 * both.both_wrong_if_independent:.1f}%."
    )
    shares = zip(found.counts.samples.tolist(), found.counts.gain.tolist(), strict=True)
    parts = [
        f"{count or 'none'} on {100 * number / samples:.1f}%"
        + (
            f" (averaging gains {100 * gained:.0f}% of these)"
            if number and 0 < count < nets
            else ""
        )
        for count, (number, gained) in enumerate(shares)
    ]
    yield f"Samples by how many networks are right on them: {'; '.join(parts)}."
    yield (
        f"Averaging the logits of the {nets} gains {100 * gain:.1f} points. Gaussian noise "
        f"about a common mean, alike on all samples, would gain {100 * found.gaussian_gain:.1f}."
    )
    yield (
        f"Calibration error (ECE) {100 * found.one.ece:.1f}% and negative log-likelihood "
        f"{found.one.nll:.3f} of one network; {100 * found.together.ece:.1f}% and "
        f"{found.together.nll:.3f} of their mean probabilities."
    )
    yield ""
    level = 100 * found.level
    yield f"Predicted, with {level:g}% intervals for new networks and as many new samples:"
    heading = ("", "error, %", "gain over one network, points")
    lines = [heading, *(in_cells(each) for each in found.predictions)]
    wide = [max(len(line[i]) for line in lines) for i in range(3)]
    for line in lines:
        yield "  ".join(text.ljust(width) for text, width in zip(line, wide, strict=True)).rstrip()
    yield ""
    yield (
        f"* More networks than the {nets} at hand: error linear in 1 / K. Students and "
        "self-distillation: the share of the gain that other experiments kept, which differs "
        "widely between them; the theory bounds it by 1."
    )


def in_cells(each: Prediction) -> tuple[str, str, str]:
    """What is predicted, the error and the gain, as the texts of a table's line."""
    name = NAMES[each.kind].format(each.size)
    if each.kind == "ensemble":
        name += f", {each.average}"
    return name + (" *" if each.extrapolated else ""), _percent(each.error), _percent(each.gain)


def _percent(each: Interval) -> str:
    value, low, high = (round(100 * end, 1) + 0.0 for end in each)
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"
