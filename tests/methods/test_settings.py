"""Values that methods, measures and settings refuse, before anything is trained."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from multiview import stream
from multiview.bench import Cell, Flow, Method, Setting, check
from multiview.bench.images import ImageSetting
from multiview.bench.method import with_needs
from multiview.bench.nets import Dense, Fast, LeNet, Quick
from multiview.bench.recipe import plain_recipe
from multiview.bench.tensors import TensorSetting, samples_of
from multiview.distill import Squares
from multiview.measures import MaskMeans, PatchErrors, Views
from multiview.methods import (
    Baseline,
    Booster,
    ConfusableSets,
    Dropout,
    Ensemble,
    Gates,
    Group,
    KernelModel,
    Kernels,
    Labels,
    Linearised,
    LinearisedModel,
    Masks,
    MaskStudent,
    Member,
    Members,
    Neighbours,
    RandomSets,
    Reinitialised,
    RingEnsembles,
    Rocket,
    Specialists,
    Student,
    Summed,
    Timed,
    UnlabelledStudent,
    Variant,
    WithSpecialists,
)
from multiview.methods.catalogue import CATALOGUE
from multiview.runs.experiment import Context
from multiview.train import TrainSpec
from theory_experiments.settings import SMOKE_BY_SGD

IMAGES = ImageSetting(data="multi_view", num_train=40, num_validation=10, num_test=20, members=4)
PATCHES = replace(SMOKE_BY_SGD, members=4)
FLOW = replace(
    SMOKE_BY_SGD,
    num_train=20,
    members=2,
    training=Flow(labels=TrainSpec(max_steps=3), students=TrainSpec(max_steps=3)),
)


def own(factory) -> TensorSetting:
    x = torch.randn(30, 6, generator=stream(0, "own"))
    pair = x, x[:, :3].argmax(1)
    recipe = plain_recipe(epochs=1)
    samples = samples_of(pair, pair)
    return TensorSetting.of(samples, factory, recipe=recipe, students=recipe)


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))


def linear() -> nn.Module:
    return nn.Linear(6, 3)


WITH_DROPOUT = partial(MaskStudent, of=Dropout())
REFUSED = [
    (Members, "number", -1),
    (Members, "number", 0),
    (Members, "number", True),
    (Summed, "number", 0),
    (Member, "index", -1),
    (Ensemble, "size", 0),
    (Ensemble, "temperature", 0.0),
    (RingEnsembles, "size", 0),
    (Group, "of", ()),
    (Dropout, "rate", 1.0),
    (Dropout, "number", 0),
    (partial(Masks, of=Dropout()), "number", 0),
    (WITH_DROPOUT, "hidden", 1.0),
    (WITH_DROPOUT, "hidden", float("nan")),
    (partial(UnlabelledStudent, teacher=Ensemble()), "hidden", -0.1),
    (Kernels, "ridge", -1),
    (Kernels, "number", 0),
    (Kernels, "width", 0),
    (Kernels, "sigma_init", 0.0),
    (partial(KernelModel, kind="ensemble"), "student_ridge", -1.0),
    (partial(Linearised, of=Kernels()), "steps", 0),
    (Student, "weight", -1),
    (Student, "weight", float("inf")),
    (Student, "label_weight", -1),
    (Student, "number", 0),
    (Rocket, "boosters", 0),
    (Rocket, "boosters", -1),
    (Rocket, "weight", -0.1),
    (Rocket, "delay", 1.0),
    (Rocket, "delay", -0.1),
    (Rocket, "shared", -1),
    (Gates, "dropout", 0.0),
    (Gates, "dropout", (0.1, 1.0)),
    (Gates, "weight", -1.0),
    (Gates, "label_weight", -1.0),
    (Baseline, "dropout", (0.0, 1.0)),
    (Baseline, "averaging", 1.0),
    (partial(Reinitialised, like=Gates()), "dropout", 1.0),
    (partial(Specialists, sets=RandomSets(number=2)), "smallest", -1),
    *((sets, "number", 0) for sets in (RandomSets, ConfusableSets)),
    (Views, "probes_per_view", 0),
    (PatchErrors, "num_test", 0),
    (partial(PatchErrors, num_test=1), "kinds", ()),
    (MaskMeans, "numbers", ()),
    (MaskMeans, "numbers", (0,)),
    (partial(replace, IMAGES), "num_train", 0),
    (partial(replace, IMAGES), "num_validation", -1),
    (partial(replace, IMAGES), "num_test", 0),
    (partial(replace, IMAGES), "members", 0),
    (partial(replace, IMAGES), "shrink", 0),
    (partial(replace, own(mlp)), "members", 0),
]


@pytest.mark.parametrize(("make", "field", "value"), REFUSED)
def test_a_value_that_means_nothing_is_refused_by_name(make, field, value):
    with pytest.raises(ValueError, match=rf"^(in )?{field}(\[0\])?=.*(use|choose) ") as refused:
        make(**{field: value})
    shown = value[-1] if isinstance(value, tuple) and value and field == "dropout" else value
    assert repr(shown) in str(refused.value)


@pytest.mark.parametrize(
    ("valid", "field", "value"),
    [
        (Members(), "number", 2.0),
        (Ensemble(), "average", "median"),
        (Labels(), "course", "pupils"),
        (Dropout(), "kind", "layer"),
        (Kernels(), "features", "first"),
        (KernelModel(kind="ensemble"), "kind", "mean"),
        (Rocket(), "hint", "loud"),
        (Gates(), "penalty", 0.1),
    ],
)
def test_a_value_of_another_type_is_refused_where_types_are_not_checked(valid, field, value):
    other = copy.copy(valid)  # the type checks of tests are those of ``__init__``
    object.__setattr__(other, field, value)
    with pytest.raises(ValueError, match=f"^{field}=.*(use|choose) "):
        other.__post_init__()


def refuses(setting: Setting, method: Method, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check([Cell(setting=setting, methods={"it": method})], Context())


@pytest.mark.parametrize("setting", [PATCHES, IMAGES, own(mlp)], ids=["patches", "images", "own"])
@pytest.mark.parametrize(
    ("method", "words"),
    [
        (Member(index=4), "index=4 of 4 networks: use 0 to 3"),
        (Member(index=9, of=Members(number=4)), "index=9 of 4 networks"),
        (Member(of=Summed()), "of=Summed.* leaves one network"),
        (Ensemble(of=Labels()), "of=Labels.* leaves one network"),
        (Ensemble(of=Student()), "of=Student.* leaves one network"),
        (Ensemble(size=5), "size=5: there are 4 networks"),
        (Ensemble(size=3, of=Student(number=2)), "size=3: there are 2"),
        (Neighbours(of=Ensemble()), "of=Ensemble.* leaves one network"),
        (RingEnsembles(of=Timed(of=Labels())), "of=Timed.* leaves one network"),
        (RingEnsembles(size=9), "size=9: there are 4 networks"),
        (Group(of=(Labels(), Members())), r"of\[1\]=Members.* leaves several networks"),
        (Student(teacher=Members()), "teacher=Members.* use number=4"),
        (Student(teacher=Members(), number=2), "4 networks for 2 students"),
        (Student(teacher=Neighbours(), start=Member()), "4 networks for 1 students"),
        (Variant(of=Student(teacher=Members())), "use number=4"),
    ],
)
def test_a_number_of_networks_that_does_not_fit_is_refused_before_training(setting, method, words):
    refuses(setting, method, words)


def test_methods_taught_alone_refuse_several_teachers():
    for method in (
        Gates(teacher=Members()),
        Gates(start=Members()),
        Rocket(teacher=Members()),
        UnlabelledStudent(teacher=Members()),
    ):
        refuses(PATCHES, method, "=Members.* leaves several networks")


def test_what_fits_is_accepted():
    for method in (
        Member(index=3),
        Ensemble(size=4),
        RingEnsembles(size=4),
        Student(teacher=Members(), number=4),
        Student(teacher=Neighbours(), start=Members()),
        Student(teacher=Member(index=1), start=Member(), kd_loss=Squares()),
        Ensemble(of=Group(of=(Member(), Labels()))),
        Gates(teacher=Ensemble(), start=Member()),
    ):
        check([Cell(setting=PATCHES, methods={"it": method})], Context())


OTHERS = {
    "ring": RingEnsembles(),
    "group": Group(of=(Member(), Labels())),
    "students": Student(number=3),
    "further": Student(teacher=Neighbours(), start=Members()),
    "several": Dropout(number=3),
    "timed": Timed(of=Members()),
    "kernel_students": KernelModel(kind="students"),
    "linearised": Linearised(of=Kernels(), steps=2),
    "linearised_one": LinearisedModel(
        kind="summed", of=Linearised(of=Kernels(), steps=2), student_steps=2
    ),
    "specialists": WithSpecialists(of=Specialists(sets=RandomSets(number=2))),
    "unlabelled": UnlabelledStudent(teacher=Ensemble()),
    "booster": Booster(),
}


def test_methods_say_how_many_networks_they_leave():
    setting = replace(PATCHES, members=2, num_train=20, width=3)
    bench = setting.bench(0, Context())
    for name, method in ({name: each.method for name, each in CATALOGUE.items()} | OTHERS).items():
        for each in with_needs([method]):
            logits = bench.trained(each).logits(bench.inputs[:2])
            networks = 0 if logits.dim() == 2 else logits.shape[1]
            assert each.networks(setting) == networks, (name, each)


def test_networks_of_ones_own_are_refused_gates_and_kinds_that_they_cannot_have():
    drawn = torch.random.get_rng_state()
    refuses(own(linear), Gates(), "Linear cannot have these gates: .* put some in one")
    refuses(own(mlp), Gates(dropout=(0.1, 0.1, 0.1)), "for 2 gated layers")
    refuses(own(mlp), Variant(of=Labels(), net=Quick()), "net=Quick.*: leave it out")
    refuses(PATCHES, Variant(of=Labels(), net=Quick()), "net=Quick.* leave it out")
    refuses(PATCHES, Gates(dropout=(0.1, 0.1)), "for 1 gated layers")
    Gates().check(own(mlp))
    assert torch.random.get_rng_state().equal(drawn)


def test_networks_for_images_are_asked_for_gates():
    refuses(replace(IMAGES, net=Fast(widths=(4, 4, 4))), Gates(), "FastNet cannot have these gates")
    for net in (Dense(widths=(4,)), Quick(), LeNet()):
        Gates().check(replace(IMAGES, net=net))
    Variant(of=Gates(), net=Quick()).check(IMAGES)  # whose own networks have no gates


@pytest.mark.parametrize(
    ("field", "value"),
    [("num_train", 41), ("num_validation", 5), ("num_test", 3), ("num_train", None)],
)
def test_sizes_that_classes_cannot_share_are_refused_before_training(field, value):
    with pytest.raises(ValueError, match=f"^{field}={value}.*(use a multiple|give a number)"):
        replace(IMAGES, **{field: value}).check(Context())
    with pytest.raises(ValueError, match=r"^num_test=None"):
        replace(IMAGES, num_validation=0, num_test=None).check(Context())


def test_more_images_than_there_are_are_refused(monkeypatch):
    made = IMAGES.images(0, Context())
    monkeypatch.setattr(ImageSetting, "images", lambda *_: made)
    fits = replace(IMAGES, data="cifar10")
    fits.check(Context())
    replace(fits, num_train=None, num_test=None).check(Context())
    for changes, name in (
        ({"num_train": 50}, "num_train \\+ num_validation=60"),
        ({"num_train": None, "num_validation": 60}, "num_validation=60"),
        ({"num_test": 30}, "num_test=30"),
    ):
        with pytest.raises(ValueError, match=f"{name}: cifar10 has"):
            replace(fits, **changes).check(Context())


def test_the_time_of_a_method_is_its_own():
    """Students that are trained in one go with it otherwise are not, while its time is taken."""
    bench = FLOW.bench(0, Context())
    timed, other = Timed(of=Student()), Student(kd_loss=Squares())
    bench.plan([timed, other])
    assert Student().beside(other)
    assert bench.side_by_side
    assert bench.trained(timed).notes["training_seconds"] > 0
    assert bench.is_trained(Student())
    assert not bench.is_trained(other)
