"""A diagnosis as tables, and as a document for programs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from multiview.diagnosis.diagnose import Diagnosis, in_cells
from multiview.diagnosis.predict import Prediction
from multiview.runs.grid import Grid

PRIOR = (
    "* More networks than those at hand: error linear in 1 / K. Students and self-distillation: "
    "the share of the gain that other experiments kept, which differs widely between them and "
    "knows nothing of these networks."
)


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
    return Grid("Networks", caption, ("file", "error, %"), lines)


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
    lines = [("", in_cells(each)) for each in found.predictions]
    level = f"{100 * found.level:g}%"
    title = f"Predicted, with {level} intervals for new networks and as many new samples"
    headings = ("", f"error, % [{level}]", f"gain over one network, points [{level}]")
    return Grid(title, PRIOR, headings, lines)


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
