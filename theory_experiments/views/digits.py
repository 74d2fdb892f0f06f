"""Hinton's experiments on digits: hard and soft targets by temperature, and sets that lack some.

Hinton, Vinyals & Dean (arXiv 1503.02531, Sections 3 and 5): a large network with dropout, bounded
weights and shifted images teaches smaller ones, without any of these, on a transfer set as it is.
The student of labels takes as many steps as they do.

Rates of 0.01 to 0.1 and 20 to 60 epochs were compared on training images held out from training,
with seed 1000.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from multiview.bench import Cell, Method
from multiview.bench.images import MADE_UP, ImageSetting
from multiview.bench.nets import Dense
from multiview.bench.recipe import Recipe
from multiview.distill import Hinton
from multiview.measures import BiasShift, SampleSizes, TestErrors, Varied
from multiview.methods import Ensemble, Group, Labels, Student, TransferSet, Variant
from multiview.train import ComputeSpec, OptimSpec

PART = "mnist"
MISSING, PAIR = 3, (7, 8)  # the digit that is left out; the only ones of the smallest transfer set
TEMPERATURES = (1.0, 2.5, 4.0, 8.0, 20.0)
HIGH_T = 20.0  # T of students that meet some of the images alone
TEN = 10  # networks of an ensemble, as in the paper's experiment on speech; its best T there was 2
TEN_T = 2.0


def teacher_recipe(epochs: int, **changes: Any) -> Recipe:
    """Shifts by up to 2 pixels, and incoming weights of bounded length."""
    optim = OptimSpec(
        epochs=epochs, batch_size=100, learning_rate=0.03, weight_decay=0.0, max_norm=3.0
    )
    compute = ComputeSpec(bfloat16=True)
    return Recipe(optim=replace(optim, **changes), flip=False, padding=2, compute=compute)


def student_recipe(epochs: int, **changes: Any) -> Recipe:
    """No regularisation: images as they are, so that a teacher is asked of each once."""
    optim = OptimSpec(epochs=epochs, batch_size=100, learning_rate=0.01, weight_decay=0.0)
    compute = ComputeSpec(bfloat16=True)
    optim = replace(optim, **changes)
    return Recipe(optim=optim, flip=False, padding=0, compute=compute, together=10)


def methods(
    teacher_widths: tuple[int, ...],
    small_widths: tuple[int, ...],
    temperatures: tuple[float, ...],
    share: float,
    number: int,
) -> dict[str, Method]:
    """The teacher and all its students; networks like these, their mean, and a student of it.

    Args:
        small_widths: Of students smaller than those of the setting.
        share: Of the images that ``few_labels`` and ``few_hinton`` meet.
        number: Of the networks that are averaged.
    """
    large = Dense(widths=teacher_widths, input_dropout=0.2, dropout=0.5)
    teacher = Variant(of=Labels(start="teacher", course="labels"), net=large)

    def student(T: float) -> Student:
        return Student(teacher=teacher, kd_loss=Hinton(T), weight=0.9, label_weight=0.1)

    small = partial(Variant, net=Dense(widths=small_widths))
    few = partial(Variant, samples=TransferSet(share=share))
    single = Group(of=tuple(Labels(start=f"one of ten {i}") for i in range(number)))
    ten = Ensemble(of=single)
    of_ten = Student(teacher=ten, kd_loss=Hinton(TEN_T), weight=0.9, label_weight=0.1)
    missing, pair = TransferSet(without=(MISSING,)), TransferSet(classes=PAIR)
    return {
        "teacher": teacher,
        "labels": Labels(),
        **{f"hinton_T{T:g}": student(T) for T in temperatures},
        "small_labels": small(of=Labels()),
        **{f"small_hinton_T{T:g}": small(of=student(T)) for T in temperatures},
        "single": single,
        "ten": ten,
        "of_ten": of_ten,
        "few_labels": few(of=Labels()),
        "few_hinton": few(of=student(HIGH_T)),
        "missing": Variant(of=student(HIGH_T), samples=missing),
        "pair": Variant(of=student(HIGH_T), samples=pair),
    }


def cell(
    setting: ImageSetting,
    teacher_widths: tuple[int, ...],
    small_widths: tuple[int, ...] = (30, 30),
    temperatures: tuple[float, ...] = TEMPERATURES,
    share: float = 0.03,
    number: int = TEN,
) -> Cell:
    """All students; where each stands: its units a layer and temperature, or share of images."""
    sizes: dict[str, Any] = {"": setting.net, "small_": Dense(widths=small_widths)}
    axes = {
        f"{size}hinton_T{T:g}": {"T": T, "units": net.widths[0]}
        for size, net in sizes.items()
        for T in temperatures
    } | {f"{size}labels": {"units": net.widths[0]} for size, net in sizes.items()}
    axes |= {name: {"share": share} for name in ("few_labels", "few_hinton")}
    axes |= {"teacher": {"units": teacher_widths[0]}}
    return Cell(
        part=PART,
        setting=setting,
        methods=methods(teacher_widths, small_widths, temperatures, share, number),
        measures=(
            TestErrors(),
            BiasShift(of_method="missing", classes=(MISSING,)),
            BiasShift(of_method="pair", classes=PAIR),
            SampleSizes(),
            Varied(values=axes),
        ),
    )


SETTING = ImageSetting(
    data="mnist",
    num_train=4000,
    num_validation=1000,
    num_test=None,
    net=Dense(widths=(300, 300)),
    recipe=teacher_recipe(epochs=60),
    students=student_recipe(epochs=40),
)
LAPTOP = cell(SETTING, teacher_widths=(800, 800))
SMOKE = cell(
    replace(
        SETTING,
        data=MADE_UP,
        num_train=100,
        num_validation=100,
        num_test=100,
        net=Dense(widths=(8,)),
        recipe=teacher_recipe(epochs=3),
        students=student_recipe(epochs=3),
    ),
    teacher_widths=(16,),
    small_widths=(4,),
    temperatures=(1.0, HIGH_T),
    share=0.2,
    number=2,
)
# Of the training images 5,000 are held out, on which shifts are chosen.
PAPER_CELL = cell(
    replace(
        SETTING,
        num_train=None,
        num_validation=5000,
        net=Dense(widths=(800, 800)),
        recipe=teacher_recipe(epochs=60, batch_size=250, learning_rate=0.05),
        students=student_recipe(epochs=20, batch_size=250, learning_rate=0.02),
    ),
    teacher_widths=(1200, 1200),
)
