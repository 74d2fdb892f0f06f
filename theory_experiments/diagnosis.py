"""From two or three networks: is what averaging and distillation will gain predicted rightly?

``multiview.diagnosis.diagnose`` looks at a few trained networks and says what the average of K such
networks will gain over one, what a student of that average will, and what self-distillation will,
each with an interval. Here its predictions from two and from three networks are held against the
gains of five other networks, of two students of these and of two self-distilled networks, on other
test samples than the ones it has seen.

The rule for ensembles, an error linear in 1 / K, was chosen on the seeds 1000 to 1003 of the same
settings; but that of made-up images had no part in the choice, and images of CIFAR-10 were 2,000
and not 500. The shares of the gain that students keep come from other experiments and those
seeds, and are the same for all settings: a prior. Claims were decided before any run on the seeds
from 10 on. 10,000 images of CIFAR-100 were added later, with claims of their own, decided before
any run of them but for pilots of the seed 1000 on held-out training images.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import pandas as pd

from multiview.bench import Cell, Context, Sgd, check, run
from multiview.bench.cost import Cost
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.nets import Dense, Fast
from multiview.bench.recipe import fast_recipe, plain_recipe
from multiview.methods import Ensemble, Member, Members, Student
from multiview.runs.claims import Claim, at_least, at_most, within
from multiview.runs.estimates import Estimate, by_repetition
from multiview.runs.experiment import Experiment, Preset
from multiview.runs.script import main
from multiview.runs.tables import Line, Listing, estimated
from multiview.train import OptimSpec
from theory_experiments.settings import BY_SGD, SGD, SMOKE_BY_SGD
from theory_experiments.views.diagnosed import Diagnosed
from theory_experiments.views.gaussian_tasks import FamilyMembers, TaskSetting

OTHERS, MEMBERS = 5, 8


@dataclass(frozen=True, kw_only=True)
class Options:
    """Choice of samples."""

    real: Literal["yes", "no"] = "yes"
    """Whether real images are among them, from --data-dir; in smoke they are not."""


ENTRIES = {
    "ensemble_2": "average of 2",
    "ensemble_5": "average of 5",
    "student": "one student of 5",
    "self": "self-distillation",
}
PARTS = {
    "patches": "synthetic patches, single-view samples",
    "mixture": "mixture of Gaussians",
    "digits": "digits (MNIST)",
    "images": "images (CIFAR-10)",
    "hundred classes": "images (CIFAR-100)",
    "made up": "made-up images",
}
REAL = ("digits", "images", "hundred classes")
UNSEEN = "made up"  # in the choice of the rule
ADDED = "hundred classes"  # after the rows of the others had been seen


def taught(others: int) -> dict[str, Any]:
    """Networks on labels, students of the average of the first, and self-distilled ones."""
    members = Members()
    return {
        "member": members,
        "student": Student(teacher=Ensemble(of=members, size=others), number=2),
        "self": Student(teacher=Member(of=members), number=2),
    }


# Steps as in gaussian_inputs.
STEPS = OptimSpec(epochs=20, batch_size=100, learning_rate=0.15, weight_decay=0.0)
PLAIN = replace(fast_recipe(epochs=10), flip=False, padding=0)  # a teacher is asked once
CAREFUL = plain_recipe(epochs=20, learning_rate=0.02)  # of an MLP, which diverges at 0.1
MOVED = fast_recipe(epochs=14)
HUNDRED = fast_recipe(epochs=10).with_optim(batch_size=100)
IMAGES = ImageSetting(
    num_train=500,
    num_validation=0,
    num_test=5000,
    members=MEMBERS,
    net=Fast(widths=(8, 16, 32)),
    recipe=PLAIN,
    students=PLAIN,
)
MIXTURE = TaskSetting(
    spec=BY_SGD.spec,
    num_train=1000,
    members=MEMBERS,
    training=BY_SGD.training,
    inputs="mixture",
    target="connected",
)


def cells(others: int, known: tuple[int, ...], **settings: Any) -> dict[str, Cell]:
    """One cell a setting.

    Args:
        settings: By part.
    """
    measure = Diagnosed(others=others, known=known, sizes=(2, others))
    methods = {part: taught(others) for part in settings}
    methods["mixture"] = {"member": FamilyMembers(family="connected", width=50, optim=STEPS)}
    methods["made up"] = {"member": Members()}
    return {
        part: Cell(part=part, setting=setting, methods=methods[part], measures=(measure,))
        for part, setting in settings.items()
    }


LAPTOP = cells(
    OTHERS,
    (2, 3),
    **{
        "patches": replace(BY_SGD, members=MEMBERS),
        "mixture": MIXTURE,
        "digits": replace(
            IMAGES,
            data="mnist",
            num_train=500,
            net=Dense(widths=(128, 64)),
            recipe=CAREFUL,
            students=CAREFUL,
        ),
        "images": IMAGES,
        "hundred classes": replace(
            IMAGES,
            data="cifar100",
            num_train=10_000,
            net=Fast(widths=(16, 32, 64)),
            recipe=HUNDRED,
            students=HUNDRED,
        ),
        "made up": replace(
            IMAGES,
            data=MADE_UP,
            num_train=300,
            num_test=3000,
            net=Fast(widths=(8, 16, 16)),
            recipe=MOVED,
            students=MOVED,
        ),
    },
)
LONGER = replace(SGD, epochs=30, batch_size=50)  # or networks are no better than chance
SMOKE = cells(
    5,
    (2,),
    patches=replace(SMOKE_BY_SGD, members=7, training=Sgd(labels=LONGER, students=LONGER)),
    mixture=replace(MIXTURE, members=7, num_train=300, num_test=1000),
)


def chosen(every: dict[str, Cell]) -> Callable[[Options], list[Cell]]:
    """The cells of a repetition, by the options."""

    def of(options: Options) -> list[Cell]:
        real = options.real == "yes"
        return [cell for part, cell in every.items() if real or part not in REAL]

    return of


def over(how: str, kinds: tuple[str, ...], measure: str, **where: Any) -> Estimate:
    """A statistic of a measure over all predictions of these kinds in a repetition.

    Where ``part`` does not name a setting, it is of those that were there from the beginning.
    """

    def of(lines: Any) -> float:  # pandas' types do not say what an index gives
        known = lines if "part" in where else lines[lines["part"] != ADDED]
        return known.loc[known["kind"].isin(kinds), measure].agg(how)

    return by_repetition(f"{how} of {measure} of {kinds}", of, **where)


def relative(kinds: tuple[str, ...]) -> Estimate:
    """The predicted gain over the measured one: their means in a setting, and the mean of these."""

    def of(lines: Any) -> float:
        known = lines[lines["kind"].isin(kinds) & (lines["part"] != ADDED)]
        means = known.groupby("part")[["predicted", "gain"]].mean()
        return (means["predicted"] / means["gain"]).mean()

    return by_repetition(f"predicted over measured gain of {kinds}", of)


AVERAGES, TAUGHT = ("ensemble",), ("student", "self")


def claims(cells: Sequence[Cell]) -> Iterator[Claim]:
    """Whether intervals hold, and whether predictions are better than none."""
    source = "derived"
    for name, kinds, what in (
        ("ensembles", AVERAGES, "averages of two and of five networks"),
        ("students", TAUGHT, "students and self-distilled networks"),
    ):
        for measure, of in (("inside", "gain"), ("error_inside", "error")):
            statement = f"95% intervals hold the measured {of} of {what} in at least 80% of cases"
            estimate = over("mean", kinds, measure)
            yield Claim(f"{of}, {name}", source, statement, at_least(0.8), estimate)
    statement = (
        "on made-up images, which had no part in the choice of the rule, they hold the gain of "
        "averages in at least 80% of cases"
    )
    estimate = over("mean", AVERAGES, "inside", part=UNSEEN)
    yield Claim("gain, unseen setting", source, statement, at_least(0.8), estimate)
    for name, kinds, what in (
        ("averages", AVERAGES, "averages"),
        ("taught", TAUGHT, "students and self-distilled networks"),
    ):
        statement = f"on CIFAR-100 they hold the gain of {what} in at least 80% of cases"
        estimate = over("mean", kinds, "inside", part=ADDED)
        yield Claim(f"CIFAR-100, {name}", source, statement, at_least(0.8), estimate)
    statement = "the predicted gain of an average lies nearer to the measured one than no gain does"
    estimate = over("mean", AVERAGES, "miss") - over("mean", AVERAGES, "miss_none")
    yield Claim("better than none", source, statement, at_most(-1e-9), estimate)
    statement = (
        "that of five networks lies nearer to it than the gain of the two or three at hand does"
    )
    five = {"size": OTHERS}
    nearer = over("mean", AVERAGES, "miss", **five) - over("mean", AVERAGES, "miss_known", **five)
    yield Claim("better than at hand", source, statement, at_most(-1e-9), nearer)
    statement = "the predicted gain of averages is 0.8 to 1.2 times the measured one"
    yield Claim("unbiased", source, statement, within(0.2, of=1), relative(AVERAGES))
    for name, kind, size, bound, theorem in (
        ("student below ensemble", "student", OTHERS, "the ensemble that taught it", "Theorem 3"),
        ("self below two", "self", 2, "an ensemble of two", "Theorem 4"),
    ):
        gain = over("mean", (kind,), "gain") - taught_by(size)
        statement = f"a network of the kind “{ENTRIES[kind]}” gains at most as much as {bound}"
        yield Claim(name, theorem, statement, at_most(0), gain)


def taught_by(size: int) -> Estimate:
    """The measured gain of an average of so many networks, in the settings with students."""

    def of(lines: Any) -> float:
        parts = set(lines.loc[lines["kind"] == "self", "part"]) - {ADDED}
        here = (lines["kind"] == "ensemble") & (lines["size"] == size)
        return lines.loc[here & lines["part"].isin(parts), "gain"].mean()

    return by_repetition(f"gain of averages of {size} where there are students", of)


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Gains predicted and measured, and how often intervals hold, by setting."""
    lines = [
        Line(label=label, where={"part": part, "method": f"{name}_from_2"}, group=PARTS[part])
        for part in PARTS
        for name, label in ENTRIES.items()
    ]

    def cell_of(measure: str, known: int) -> Callable[[Line], Estimate]:
        def estimate(line: Line) -> Estimate:
            method = str(line.where["method"]).replace("_from_2", f"_from_{known}")
            here = {"part": line.where["part"], "method": method}
            return over("mean", (*AVERAGES, *TAUGHT), measure, **here)

        return estimate

    yield Listing(
        title="Gain over one network, measured and predicted, and how often it is in the interval",
        lines=lines,
        columns=[
            estimated("measured", cell_of("gain", 2), unit="points"),
            *(
                estimated(f"from {known}", cell_of("predicted", known), unit="points")
                for known in (2, 3)
            ),
            *(
                estimated(
                    f"inside, from {known}, %", cell_of("inside", known), interval=False, digits=0
                )
                for known in (2, 3)
            ),
        ],
    )


# Of one cell of each part, means over the published rows: seconds of one core, and bytes. That of
# CIFAR-100 is of one row that is not published.
SECONDS = {
    "patches": 21,
    "mixture": 1,
    "digits": 9,
    "images": 52,
    "hundred classes": 1327,
    "made up": 26,
}
MEMORY = 1.4e9


def cost(cells: Sequence[Cell], context: Context) -> Cost | None:
    """What these cells took where the published rows were computed; None for smaller ones."""
    known = [each for each in cells if replace(each, seed=0) == LAPTOP[each.part]]
    if not known or context.device != "cpu":
        return None
    minutes = sum(SECONDS[each.part] for each in known) / 60
    text = (
        f"Expected for {len(known)} cells: {minutes:.0f} minutes of one core, as earlier rows "
        f"took; about {MEMORY / 1e9:.1f} GB at once."
    )
    return Cost(text=text, memory=MEMORY)


EXPERIMENT = Experiment(
    name="diagnosis",
    description=__doc__ or "",
    run=run,
    presets={
        "smoke": Preset(cells=chosen(SMOKE), seeds=2, claimed=False),
        "laptop": Preset(cells=chosen(LAPTOP), seeds=5, first_seed=10),
    },
    claims=claims,
    check=check,
    cost=cost,
    options=Options,
    tables=tables,
    figure="diagnosis",
)

if __name__ == "__main__":
    main(EXPERIMENT)
