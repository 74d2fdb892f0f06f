"""Initial weights choose the views of synthetic classes; on images the order of samples may.

In the theory a network's initial weights decide which view of a class it learns, and its members
start differently to learn different ones (Allen-Zhu & Li, arXiv 2012.09816, Section 4). So networks
that share their start and differ in the order of minibatches alone should choose the same views and
gain nothing by averaging, and the less, the later they part. Here one network is trained for some
time, and from there several branches go on, each with samples in an order of its own, as Frankle et
al. (arXiv 1912.05671) do to find out when training is stable. The gain of their mean over one of
them is held against that of networks that share nothing.

Claims, times and sizes were decided before any run on the seeds from 10 on. On the seeds 1000 and
1001 classes of the patches leave their start after 0.2 to 0.45 of the training, and then all
training samples are right; nothing was known of the gain of branches. For images the
expectation, 80% of the gain or more with the same start and about half of it after a tenth of the
training, is ours and would contradict the theory's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from multiview.bench import Cell, Measure, Method, Setting, check, run
from multiview.bench.cost import cost
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.nets import Fast
from multiview.bench.recipe import fast_recipe
from multiview.measures import Varied
from multiview.methods import Branched, Members
from multiview.runs.claims import Claim, at_least, at_most, within
from multiview.runs.estimates import Estimate, measured
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, measure
from theory_experiments.settings import SMOKE_BY_SGD, many_classes_by_sgd
from theory_experiments.views.branching import APART, ImageGains, PatchGains, pooled
from theory_experiments.views.units import MARGIN, SAME

BRANCHES, ONE_ORDER = "branches", "one order"
WAYS = {
    APART: "starts and orders of their own",
    ONE_ORDER: "starts of their own, one order",
    BRANCHES: "one start, orders of their own",
}
PATCHES, IMAGES = "patches", "images"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Which networks are trained in a setting, and what is measured of them.

    Attributes:
        times: Fractions of the training after which branches part, rising from 0.
        starts: How many times all is done, from other initial weights.
    """

    setting: Setting
    measure: Measure
    times: tuple[float, ...]
    starts: int = 1
    number: int = 4

    def cell(self, part: str) -> Cell:
        """The cell; methods of one way are told apart by the number of their start."""
        methods: dict[str, Method] = {}
        places: dict[str, dict[str, str | float]] = {}
        for i in range(self.starts):
            branched = Branched(number=self.number, start=f"start {i}")
            members = Members(number=self.number, start=f"members {i}")
            own = {APART: replace(branched, at=None), ONE_ORDER: members}
            methods |= {f"{way} {i}": method for way, method in own.items()}
            places |= {f"{way} {i}": {"way": way} for way in own}
            for at in self.times:
                name = f"{BRANCHES}, {at:.0%} {i}"
                methods[name] = replace(branched, at=at)
                places[name] = {"way": BRANCHES, "at": at}
        measures = (self.measure, Varied(values=places))
        return Cell(part=part, setting=self.setting, methods=methods, measures=measures)


def cells(patches: Plan, images: Plan) -> list[Cell]:
    """The two cells of a repetition."""
    return [patches.cell(PATCHES), images.cell(IMAGES)]


def image_setting(num_train: int, epochs: int) -> ImageSetting:
    """Networks on CIFAR-10; nothing is chosen on held-out images."""
    recipe = fast_recipe(epochs=epochs)
    return ImageSetting(
        num_train=num_train,
        num_validation=0,
        num_test=10_000,
        net=Fast(widths=(16, 32, 64)),
        recipe=recipe,
        students=recipe,
    )


LAPTOP = cells(
    Plan(
        setting=many_classes_by_sgd(20),
        measure=PatchGains(num_test=2000, probes_per_view=50),
        times=(0.0, 0.1, 0.2, 0.3, 0.4, 0.6),
        starts=2,
    ),
    Plan(
        setting=image_setting(5000, epochs=10),
        measure=ImageGains(),
        times=(0.0, 0.1, 0.2, 0.4, 0.7),
    ),
)
SMOKE = cells(
    Plan(
        setting=SMOKE_BY_SGD,
        measure=PatchGains(num_test=100, probes_per_view=20),
        times=(0.0, 0.4),
        starts=2,
        number=2,
    ),
    Plan(
        setting=replace(
            image_setting(100, epochs=2),
            data=MADE_UP,
            num_test=100,
            net=Fast(widths=(4, 8, 8)),
        ),
        measure=ImageGains(),
        times=(0.0, 0.5),
        number=2,
    ),
)


def of(name: str, part: str, at: float | None = None, way: str = BRANCHES) -> Estimate:
    """A measure of one way, and of branches at one time."""
    return measured(name, way if at is None else f"{way}, {at:.0%}", part=part)


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """What the theory says of patches, and what we expect of images."""
    times = {cell.part: times_of(cell) for cell in cells}
    yield from patch_claims(times[PATCHES])
    yield from image_claims(times[IMAGES])


def times_of(cell: Cell) -> list[float]:
    """When branches part, rising."""
    branched = (each for each in cell.methods.values() if isinstance(each, Branched))
    return sorted({each.at for each in branched if each.at is not None})


def patch_claims(times: Sequence[float]) -> Iterator[Claim]:
    """The initial weights decide, at every time of parting."""
    source, apart = "Section 4", of("gain", PATCHES, way=APART)
    for at in times:
        same, gain = of("same", PATCHES, at), of("gain", PATCHES, at)
        statement = f"all branches that part at {at:g} choose one view in 95% of classes or more"
        name = f"same views, t={at:g}"
        yield Claim(name, source, statement, at_least(1 - MARGIN), same)
        statement = f"averaging branches that part at {at:g} gains less than 10% of what it gains "
        statement += "for networks that share nothing"
        yield Claim(f"no gain, t={at:g}", source, statement, at_most(0.0), gain - apart * 0.1)
    late = of("gain", PATCHES, times[-1])
    statement = "branches that part when all is learned gain less than 0.01 by averaging"
    yield Claim("no gain after escape", source, statement, at_most(0.01), late)
    order = apart - of("gain", PATCHES, way=ONE_ORDER)
    statement = "networks with starts of their own gain the same by averaging in one order"
    yield Claim("order adds nothing", source, statement, SAME, order)


def image_claims(times: Sequence[float]) -> Iterator[Claim]:
    """The theory's prediction, and ours, which contradict each other."""
    apart, first = of("gain", IMAGES, way=APART), of("gain", IMAGES, times[0])
    statement = "branches of one start gain less than 10% of what networks gain that share nothing"
    yield Claim("images: start decides", "Section 4", statement, at_most(0.0), first - apart * 0.1)
    statement = "branches of one start gain at least 80% of what networks gain that share nothing"
    most = first - apart * 0.8
    yield Claim("images: order is enough", "our expectation", statement, at_least(0.0), most)
    tenth = min(times, key=lambda at: abs(at - 0.1))
    statement = "branches that part after a tenth of the training keep half of that gain, to 0.25"
    share = of("share", IMAGES, tenth)
    yield Claim("images: after a tenth", "our expectation", statement, within(0.25, of=0.5), share)
    fall = of("gain", IMAGES, times[-1]) - first * 0.5
    statement = f"branches that part at {times[-1]:g} gain less than half of those that part at 0"
    yield Claim("images: late branches", "our expectation", statement, at_most(0.0), fall)


def tables(table: pd.DataFrame) -> Iterable[Listing]:
    """Errors, gains and choices by the time of parting."""
    for part, title in ((PATCHES, "Patches, single-view samples"), (IMAGES, "CIFAR-10")):
        chosen = table.loc[table["part"] == part]
        methods = chosen[["method", "way", "at"]].drop_duplicates()
        lines = [
            Line(
                label=(WAYS[way], f"{at:g}" if way == BRANCHES else ""),
                where={"part": part, "method": method},
            )
            for method, way, at in methods.itertuples(index=False)
        ]
        columns = [
            measure("one network, error, %", "one"),
            measure("mean of all, error, %", "averaged"),
            measure("gain", "gain", unit="points"),
            measure("share of the gain apart", "share", unit="number"),
        ]
        if part == PATCHES:
            columns.append(measure("classes with one view in all, %", "same"))
        labels = ("networks with", "part at")
        yield Listing(title=title, labels=labels, lines=lines, columns=columns)


EXPERIMENT = Experiment(
    name="branches",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=SMOKE, seeds=2, claimed=False),
        "laptop": Preset(cells=LAPTOP, seeds=5, first_seed=10),
    },
    claims=claims,
    check=check,
    cost=cost,
    derived=pooled,
    tables=tables,
    figure="branches",
)

if __name__ == "__main__":
    main(EXPERIMENT)
