"""What ``distillation`` prints of digits and images: the papers' values beside ours."""

from collections.abc import Iterator, Sequence

import pandas as pd

from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Column, Line, Listing, estimated, gain, given, lines_of, measure
from theory_experiments._hinton_numbers import ELSEWHERE, PAPER, SHIFTS

IMAGES = {
    "member": "one teacher",
    "ensemble": "ensemble of teachers",
    "labels": "student of labels",
    "hinton": "T^2 KL, mean probabilities",
    "hinton_logits": "T^2 KL, mean logits",
    "hinton_hot": "T^2 KL, hot",
    "squares": "squares of logits",
    "squares_centred": "squares of centred logits",
}


def digits_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Hinton's experiments: the published errors, shifts, few images, and by temperature."""
    first, n = table.iloc[0], table["train_images"].max()
    ours = (
        f"{first['data']}, {n:.0f} training images, units of the teacher "
        f"{_units(first['teacher_widths'])}, of students {_units(first['student_widths'])}"
    )
    yield Listing(
        title=f"Test error in %: {ours}; paper: arXiv 1503.02531, Section 3, 60,000 images, 2 x "
        "1200 and 2 x 800 units",
        lines=[
            Line(label=what, where={"method": method, "measure": name, "paper": value})
            for (method, name), (what, value) in PAPER.items()
        ],
        columns=[
            given("paper", {what: f"{100 * value:.2f}" for what, value in PAPER.values()}),
            estimated("ours", _own),
            estimated("difference", lambda line: _own(line) - line.where["paper"], unit="points"),
        ],
    )
    yield Listing(
        title="Shift of one bias; the paper's were chosen on test images, ours on validation "
        "images",
        lines=lines_of({method: what for method, (what, _) in SHIFTS.items()}),
        columns=[
            given("paper", {what: f"{value:g}" for what, value in SHIFTS.values()}),
            measure("ours", "shift", unit="number"),
        ],
    )
    yield Listing(
        title=f"{100 * first['few']:g}% of the images: error in %",
        lines=lines_of({"few_labels": "labels", "few_hinton": "soft targets"}),
        columns=[
            measure("last epoch", "error"),
            measure("stopped early", "best"),
            measure("on these images", "train"),
        ],
    )
    yield _by_temperature(first)


def _units(widths: Sequence[int]) -> str:
    return " x ".join(map(str, widths))


def _own(line: Line) -> Estimate:
    """The measure that the line names."""
    return measured(line.where["measure"], line.where["method"])


def _by_temperature(first: pd.Series) -> Listing:
    """Students of either size by temperature; T is None for labels."""

    def column(widths: str, labels: str) -> Column:
        units = first[widths][0]

        def own(line: Line) -> Estimate:
            T = line.where["T"]
            return measured("error", labels) if T is None else measured("error", units=units, T=T)

        return estimated(f"{units} units a layer", own)

    return Listing(
        title="Test error in % by temperature",
        lines=[
            Line(label="labels", where={"T": None}),
            *(Line(label=f"T={T:g}", where={"T": T}) for T in first["temperatures"]),
        ],
        columns=[column("student_widths", "labels"), column("small_widths", "small_labels")],
    )


def images_tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Students of an ensemble, and generations."""
    first = table.iloc[0]
    rounds = {f"round_{i}": f"born again, round {i}" for i in range(1, int(first["rounds"]) + 1)}

    def over_labels(line: Line) -> Estimate | None:
        others = ("member", "ensemble", *rounds)  # trained otherwise than the student of labels
        taught = line.where["method"] not in others
        return gain("error", line.where, {"method": "labels"}) if taught else None

    yield Listing(
        title=f"Test error in %: {first['data']}, {first['num_train']:.0f} training images, "
        f"students of {first['members']:.0f} teachers (T={first['temperature']:g}, hot "
        f"{first['hot']:g}); published: another size, README of "
        "haitongli/knowledge-distillation-pytorch",
        lines=lines_of(IMAGES | rounds),
        columns=[
            given(
                "published", {IMAGES[who]: f"{100 * each:.2f}" for who, each in ELSEWHERE.items()}
            ),
            measure("last epoch", "error"),
            measure("best on validation", "best"),
            estimated("gain over labels", over_labels, unit="points"),
        ],
    )
