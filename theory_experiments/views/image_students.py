"""Small networks on images taught by an ensemble of larger ones, by several losses; born again.

The rate is that of ``cifar_ensembles``. On training images held out from training, with seed 1000,
30 epochs of 2,000 images were tried; there are fewer here for want of time. Claims stand as they
were when results on the seeds 0 to 9 were known.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import pandas as pd

from multiview.bench import Cell, Entry
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.nets import Fast
from multiview.bench.recipe import fast_recipe, hours_recipe
from multiview.distill import Hinton, Squares, Standardised
from multiview.measures import TestErrors, Varied
from multiview.methods import Ensemble, Labels, Member, Members, Student, Variant
from multiview.runs.claims import Claim
from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Line, Listing, estimated, gain, given, lines_of, measure
from theory_experiments.settings import in_one_recipe
from theory_experiments.views.distillation_published import ELSEWHERE
from theory_experiments.views.whole_images import HOURS_NET

PART = "cifar10"
T, HIGH_T = 4.0, 20.0
ROUNDS = ("round_0", "round_1", "round_2")  # born again


def entries(teacher: Fast) -> dict[str, Entry]:
    """The teachers, students of the setting's network by all losses, and generations of a teacher.

    Args:
        teacher: The teachers' network.
    """
    members = Variant(of=Members(), net=teacher)
    ensemble = Ensemble(of=members)
    student = partial(Student, weight=0.9, label_weight=0.1)

    def of_probabilities(temperature: float) -> Student:
        mean = Ensemble(of=members, average="probabilities", temperature=temperature)
        return student(teacher=mean, kd_loss=Hinton(temperature))

    squares, centred = (student(teacher=ensemble, kd_loss=Squares(each)) for each in (False, True))
    found = {
        "member": Entry(members, "one teacher"),
        "ensemble": Entry(ensemble, "ensemble of teachers"),
        "labels": Entry(Labels(), "student of labels"),
        "hinton": Entry(of_probabilities(T), "T^2 KL, mean probabilities", "students"),
        "hinton_logits": Entry(
            student(teacher=ensemble, kd_loss=Hinton(T)), "T^2 KL, mean logits", "students"
        ),
        "hinton_hot": Entry(of_probabilities(HIGH_T), "T^2 KL, hot", "students"),
        "squares": Entry(squares, "squares of logits", "students"),
        "squares_centred": Entry(centred, "squares of centred logits", "students"),
        "standardised": Entry(
            student(teacher=ensemble, kd_loss=Standardised()), "standardised logits", "students"
        ),
    }
    last: Member | Variant = Member(of=members)
    generations = {ROUNDS[0]: Entry(last, "born again, round 0", "generations")}
    for i, name in enumerate(ROUNDS[1:], 1):
        taught = student(teacher=last, kd_loss=Hinton(T), start=f"generation {i}")
        last = Variant(of=taught, net=teacher)
        generations[name] = Entry(last, f"born again, round {i}", "generations")
    return found | generations


TEACHER = Fast(widths=(12, 24, 48))
ENTRIES = entries(TEACHER)


def cell(setting: ImageSetting, teacher: Fast = TEACHER) -> Cell:
    """All methods, and which generation is which."""
    methods = {name: each.method for name, each in entries(teacher).items()}
    rounds = {name: {"round": i} for i, name in enumerate(ROUNDS)}
    measures = (TestErrors(), Varied(values=rounds))
    return Cell(part=PART, setting=setting, methods=methods, measures=measures)


RECIPE = replace(fast_recipe(epochs=16), together=10)
SETTING = in_one_recipe(
    ImageSetting(num_train=1500, members=3, net=Fast(widths=(8, 16, 32))), RECIPE
)
LAPTOP = cell(SETTING)
SMOKE = cell(
    replace(
        in_one_recipe(SETTING, RECIPE.with_optim(epochs=2)),
        data=MADE_UP,
        num_train=100,
        num_validation=100,
        num_test=100,
        members=2,
        net=Fast(widths=(4, 4, 4)),
    ),
    Fast(widths=(4, 8, 8)),
)
# All images, on two cores: teachers and recipe are those of ``cifar_ensembles``.
HOURS = cell(
    replace(
        in_one_recipe(SETTING, hours_recipe(epochs=10)),
        num_train=50_000,
        num_validation=0,
        num_test=10_000,
        members=5,
        net=Fast(widths=(16, 32, 64)),
    ),
    HOURS_NET,
)
# On a GPU; no rate was compared.
PAPER_CELL = cell(
    replace(
        in_one_recipe(SETTING, RECIPE.with_optim(epochs=30, batch_size=500, learning_rate=1.0)),
        num_train=45_000,
        num_validation=5000,
        num_test=10_000,
        members=10,
        net=Fast(widths=(16, 32, 64)),
    ),
    Fast(),
)

GAIN = (1e-4, 1.0)
NO_LOSS = (-1.0, 0.01)
ALIKE = (-0.01, 0.01)
HINTON = "arXiv 1503.02531, Section 2"
error = partial(measured, "error", part=PART)
STATEMENTS = {
    "ensemble": "the teachers' ensemble errs less than one of them",
    "student": "a student of the ensemble errs less than one of labels",
    "averages": "mean probabilities and mean logits teach alike, to a point",
    "hot limit": f"T={HIGH_T:g} and centred squares teach alike, to a point",
    "centring": "what softmax cannot see need not be taught: centred squares teach no worse, to a "
    "point",
    "born again": "the first generation errs less than its teacher",
}
# Whose error, less whose; what is predicted of the difference, and where.
COMPARED = {
    "ensemble": ("member", "ensemble", GAIN, "arXiv 2012.09816"),
    "student": ("labels", "hinton", GAIN, HINTON),
    "averages": ("hinton", "hinton_logits", ALIKE, HINTON),
    "hot limit": ("hinton_hot", "squares_centred", ALIKE, HINTON),
    "centring": ("squares_centred", "squares", NO_LOSS, HINTON),
    "born again": ("round_0", "round_1", GAIN, "arXiv 1805.04770"),
}


def claims(cell: Cell) -> Iterator[Claim]:
    """Signs, and which losses come to the same."""
    for name, (one, other, predicted, source) in COMPARED.items():
        kind = "check" if name == "ensemble" else "claim"
        estimate = error(one) - error(other)
        statement = STATEMENTS[name]
        yield Claim(f"CIFAR-10: {name}", source, statement, predicted, estimate, kind=kind)


def tables(table: pd.DataFrame) -> Iterator[Listing]:
    """Students of an ensemble, and generations."""
    first = table.iloc[0]
    shown = {name: each.label for name, each in ENTRIES.items() if name != ROUNDS[0]}
    published = {ENTRIES[who].label: f"{100 * each:.2f}" for who, each in ELSEWHERE.items()}

    def over_labels(line: Line) -> Estimate | None:
        who = line.where["method"]
        if who != "labels" and ENTRIES[who].group != "students":  # of other networks
            return None
        return gain("error", line.where, {"method": "labels"})

    yield Listing(
        title=f"Test error in %: {first['data']}, {first['num_train']:.0f} training images, "
        f"students of {first['members']:.0f} teachers (T={T:g}, hot {HIGH_T:g}); published: "
        "another size, README of haitongli/knowledge-distillation-pytorch",
        lines=lines_of(shown),
        columns=[
            given("published", published),
            measure("last epoch", "error"),
            measure("best on validation", "best"),
            estimated("gain over labels", over_labels, unit="points"),
        ],
    )
