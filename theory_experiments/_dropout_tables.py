"""What ``dropout_distillation`` prints of images: the papers' values beside ours."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Column, Line, Listing, estimated, gain, given, lines_of, measure
from theory_experiments._dropout_claims import NAMES
from theory_experiments._dropout_distillation import MASKS

PREDICTORS = {
    "standard": "standard",
    "masks_100": "mean over 100 masks",
    "expectation_linear": "expectation-linear",
    "distilled": "student of a copy",
    "fresh": "student, fresh start",
}
TRANSFER = {
    "taught_on_train": "training images",
    "distilled": "perturbed",
    "taught_on_test": "test, no labels",
}
LAYERS = {"none": "the teacher's own size", "hidden": "hidden layer", "all": "all layers"}


@dataclass(frozen=True, kw_only=True)
class Published:
    """Test errors in % of one net, as printed, with their spread over 5 runs where there is one."""

    net: str
    errors: dict[str, float]
    spread: dict[str, float] = field(default_factory=dict)

    @property
    def texts(self) -> dict[str, str]:
        """The errors as printed, by what predictors are called."""
        ends = {who: f" +- {spread:.2f}" for who, spread in self.spread.items()}
        return {PREDICTORS[who]: f"{e:.2f}{ends.get(who, '')}" for who, e in self.errors.items()}

    @property
    def gains(self) -> dict[str, float]:
        """Published gains over the standard prediction."""
        standard = self.errors["standard"]
        return {who: (standard - error) / 100 for who, error in self.errors.items()}


ALL_CONV = ("standard", "masks_100", "expectation_linear", "distilled")


def _all_conv(errors: tuple[float, ...], spread: tuple[float, ...]) -> Published:
    return Published(
        net="AllConv",
        errors=dict(zip(ALL_CONV, errors, strict=True)),
        spread=dict(zip(ALL_CONV, spread, strict=True)),
    )


# As Ma et al. (ICLR 2017) print them, Tables 1 and 2; the nets most like ours first. Numbers of
# images, and widths, differ from ours.
PAPER = {
    "mnist": (Published(net="3 x 1024", errors={"standard": 1.19, "masks_100": 1.04}),),
    "cifar10": (
        Published(net="3 conv + 2 fc", errors={"standard": 12.82, "masks_100": 12.16}),
        _all_conv((11.18, 10.58, 10.86, 10.81), (0.11, 0.21, 0.08, 0.14)),
    ),
    "cifar100": (
        Published(net="3 conv + 2 fc", errors={"standard": 37.22, "masks_100": 36.01}),
        _all_conv((35.50, 34.43, 35.10, 35.07), (0.25, 0.23, 0.13, 0.20)),
    ),
}
CAVEAT = (
    "; Ma et al.'s errors on CIFAR-100 came out about 3% worse than those of Rota Bulo et al. "
    "(quoted from memory, unverified)"
)


def published_gain(part: str, data: str, method: str | None) -> float | None:
    """Published gain over the standard prediction, of the net most like ours; None without one."""
    if data != part:  # made-up images
        return None
    gains = [each.gains[method] for each in PAPER[part] if method in each.gains]
    return gains[0] if gains and method != "standard" else None


def image_tables(lines: Any) -> Iterator[Listing]:
    """Predictors, transfer sets and smaller nets on one data set.

    Args:
        lines: Those of one part, with ``published_gain``.
    """
    part, data = (lines[name].iat[0] for name in ("part", "data"))
    known = PAPER[part] if data == part else ()
    images = lines["train_images"].max()
    name = f"{NAMES[part]}, {images:.0f} images ({data})"
    yield Listing(
        title=f"{name}: predictors{CAVEAT if known and part == 'cifar100' else ''}",
        lines=lines_of(PREDICTORS, part=part),
        columns=[*_errors(known), *_gains(known)],
    )
    yield Listing(
        title=f"{name}: variance of a prediction over draws of masks, or of SGD",
        lines=lines_of(
            {f"masks_{n}": f"mean over {n}" for n in MASKS} | {"distilled": "student"}, part=part
        ),
        columns=[measure("error, %", "error"), _number("variance", "variance", 5)],
    )
    yield Listing(
        title=f"{name}: transfer sets, as many steps of each",
        lines=lines_of(TRANSFER, part=part),
        labels=("taught on",),
        columns=[_count("different images", "different_images"), measure("error, %", "error")],
    )
    labels = {"taught_by": "labels"}
    if lines["factor"].notna().any():
        yield Listing(
            title=f"{name}: smaller nets",
            lines=list(_sizes(lines)),
            labels=("shrunk",),
            columns=[
                _count("parameters", "parameters", taught_by="labels"),
                measure("labels, dropout, %", "error", taught_by="labels"),
                measure("student, %", "error", taught_by="masks"),
                measure(
                    "gain, points", "error", unit="points", gain_over=labels, taught_by="masks"
                ),
            ],
        )


def _errors(known: Iterable[Published]) -> list[Column]:
    """Published errors, ours, and how far ours are from the mean over masks."""
    return [
        *(given(f"published, {each.net}, other size, %", each.texts) for each in known),
        measure("error, %", "error"),
        _number("cross-entropy", "cross_entropy"),
        _number("KL from the mean of masks", "divergence"),
    ]


def _gains(known: Iterable[Published]) -> list[Column]:
    """Gains over the standard prediction; less the published one, where there is one."""

    over = {"method": "standard"}

    def more(line: Line) -> Estimate | None:
        ours = gain("error", line.where, over)
        return None if ours is None else ours - measured("published_gain", **line.where)

    ours = measure("gain, points", "error", unit="points", gain_over=over)
    if not known:
        return [ours]
    published = measure("published", "published_gain", unit="points", interval=False, digits=2)
    return [ours, published, estimated("ours - published", more, unit="points")]


def _sizes(lines: Any) -> Iterator[Line]:
    """A line for each size of nets."""
    known = lines.loc[lines["factor"].notna(), ["part", "layers", "factor"]].drop_duplicates()
    for part, layers, factor in known.itertuples(index=False):
        label = LAYERS[layers] if layers == "none" else f"{LAYERS[layers]} / {factor:.0f}"
        yield Line(label=label, where={"part": part, "layers": layers, "factor": factor})


def _number(heading: str, name: str, digits: int | None = None) -> Column:
    return measure(heading, name, unit="number", digits=digits)


def _count(heading: str, name: str, **where: Any) -> Column:
    return measure(heading, name, unit="number", interval=False, digits=0, **where)
