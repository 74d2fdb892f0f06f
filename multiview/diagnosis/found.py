"""Diagnosis: its numbers, their picture and tables, and a document for programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from multiview.diagnosis.calibration import Calibration
from multiview.diagnosis.predict import Interval, Kind, Prediction
from multiview.diagnosis.predictions import chosen
from multiview.probes import Agreement, GainByCount
from multiview.runs.find import drawing
from multiview.runs.grid import Grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

NAMES: Mapping[Kind, str] = {
    "ensemble": "the average of {}",
    "student": "one student of {} averaged",
    "self": "self-distillation",
}

PRIOR = (
    "* More networks than those at hand: error linear in 1 / K. Students and self-distillation: "
    "the share of the gain that other experiments kept, which differs widely between them and "
    "knows nothing of these networks."
)


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was measured of M networks on n samples, and what it predicts; printed, tables.

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
        names = [f"network {i}" for i in range(self.num_nets)]
        return "\n\n".join(str(grid) for grid in grids(self, names))


def grids(found: Diagnosis, names: Sequence[str]) -> list[Grid]:
    """The tables: networks, averages that were measured, where they err, and predictions.

    Args:
        names: Of the networks, in the order of ``found.errors``.
    """
    return [_networks(found, names), _averages(found), _counts(found), _predictions(found)]


def document(found: Diagnosis, names: Sequence[str]) -> dict[str, Any]:
    """The numbers by name, as JSON holds them; what is not known is null.

    Args:
        names: As of ``grids``.
    """
    by_average = {"logits": found.by_size, "probabilities": found.by_size_probabilities}
    counts = {name: value.tolist() for name, value in vars(found.counts).items()}
    whole = {
        "nets": [
            {"file": name, "error": error} for name, error in zip(names, found.errors, strict=True)
        ],
        "samples": found.num_samples,
        "classes": found.num_classes,
        "measured": [
            {"average": average, "size": size, "error": error}
            for average, errors in by_average.items()
            for size, error in errors.items()
        ],
        "agreement": asdict(found.agreement),
        "by_networks_right": [
            {"networks": i, **{name: values[i] for name, values in counts.items()}}
            for i in range(found.num_nets + 1)
        ],
        "gaussian_gain": found.gaussian_gain,
        "calibration": {"one": asdict(found.one), "together": asdict(found.together)},
        "level": found.level,
        "predictions": [_entry(each) for each in found.predictions],
    }
    return _finite(whole)


def _networks(found: Diagnosis, names: Sequence[str]) -> Grid:
    lines = [("", (name, _percent(error))) for name, error in zip(names, found.errors, strict=True)]
    caption = f"{found.num_samples} samples of {found.num_classes} classes"
    return Grid("Networks", caption, ("network", "error, %"), lines)


def _averages(found: Diagnosis) -> Grid:
    lines = [
        ("", (str(size), _percent(error), _percent(found.by_size_probabilities[size])))
        for size, error in found.by_size.items()
    ]
    gain = found.by_size[1] - found.by_size[found.num_nets]
    caption = (
        f"Mean over the choices of as many networks. Averaging the logits of {found.num_nets} "
        f"gains {_percent(gain)} points; Gaussian noise about a common mean, alike on all samples, "
        f"would gain {_percent(found.gaussian_gain)}. Calibration error (ECE) "
        f"{_percent(found.one.ece)}% and negative log-likelihood {found.one.nll:.3f} of one "
        f"network, {_percent(found.together.ece)}% and {found.together.nll:.3f} of the mean "
        "probabilities of all."
    )
    headings = ("networks averaged", "error by logits, %", "error by probabilities, %")
    return Grid("Averages, measured", caption, headings, lines)


def _counts(found: Diagnosis) -> Grid:
    columns = (getattr(found.counts, name).tolist() for name in ("samples", "one", "ensemble"))
    lines = [
        (
            "",
            (
                str(count),
                _percent(number / found.num_samples),
                *((_percent(one), _percent(together)) if number else ("", "")),
            ),
        )
        for count, (number, one, together) in enumerate(zip(*columns, strict=True))
    ]
    both = found.agreement
    caption = (
        f"Two networks predict different classes on {_percent(both.disagreement)}% of the samples; "
        f"both err on {_percent(both.both_wrong)}%, where independent mistakes would meet on "
        f"{_percent(both.both_wrong_if_independent)}%."
    )
    headings = ("networks right", "samples, %", "error of one, %", "error of the average, %")
    return Grid("Samples by how many networks are right on them", caption, headings, lines)


def _predictions(found: Diagnosis) -> Grid:
    lines = [("", _texts(each)) for each in found.predictions]
    level = f"{100 * found.level:g}%"
    title = f"Predicted, with {level} intervals for new networks and as many new samples"
    headings = ("", f"error, % [{level}]", f"gain over one network, points [{level}]")
    return Grid(title, PRIOR, headings, lines)


def _line(each: Prediction) -> dict[str, Any]:
    """A prediction as a line of a table."""
    plain = {name: getattr(each, name) for name in ("kind", "size", "average", "extrapolated")}
    ends = {
        f"{name}{ending}": value
        for name in ("error", "gain")
        for ending, value in zip(("", "_low", "_high"), getattr(each, name), strict=True)
    }
    return plain | ends


def _texts(each: Prediction) -> tuple[str, str, str]:
    """What is predicted, the error and the gain."""
    name = NAMES[each.kind].format(each.size)
    if each.kind == "ensemble":
        name += f", {each.average}"
    return name + (" *" if each.extrapolated else ""), _between(each.error), _between(each.gain)


def _between(each: Interval) -> str:
    value, low, high = map(_percent, each)
    return f"{value} [{low}, {high}]"


def _percent(value: float) -> str:
    return f"{round(100 * value, 1) + 0.0:.1f}"  # 0.0 and never -0.0


def _entry(each: Prediction) -> dict[str, Any]:
    plain = {name: getattr(each, name) for name in ("kind", "size", "average", "extrapolated")}
    return plain | {"error": each.error._asdict(), "gain": each.gain._asdict()}


def _finite(value: Any) -> Any:
    """The same without NaN and infinities, which JSON does not know."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
