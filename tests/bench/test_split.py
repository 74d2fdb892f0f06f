"""Split cells: their trainings one by one leave the bits of the whole, and none is done twice."""

from dataclasses import replace

import numpy as np
import pytest
from kept_artefacts import Counting, found_again, no_training
from tiny_benches import tiny_bench, tiny_setting

from multiview.bench import Cell, run, trainings_of
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Dense, Fast, LeNet, WidePair
from multiview.bench.recipe import plain_recipe
from multiview.bench.schedule import schedule
from multiview.distill import Squares
from multiview.measures import TestErrors
from multiview.methods import (
    Baseline,
    Booster,
    Dropout,
    Ensemble,
    Gates,
    Labels,
    MagnitudePruned,
    Member,
    Members,
    RandomSets,
    Reinitialised,
    Rocket,
    Specialists,
    Student,
    Summed,
    Timed,
    UnlabelledStudent,
    Variant,
    WithSpecialists,
)
from multiview.runs.experiment import Context
from multiview.runs.find import find

SPLIT = ("cifar_ensembles", "distillation", "rocket_launching", "l0_gates", "theorems")
BY_EACH = Student(teacher=Members(), start="self", number=2)
METHODS = {
    "ensemble": Ensemble(),
    "timed": Timed(of=Student(weight=0.1)),
    "squares": Student(kd_loss=Squares()),
    "self": BY_EACH,
    "again": Student(teacher=Ensemble(of=BY_EACH), start=Member()),
    "summed": Summed(),
}


def leaves(row):
    """The values of a row but wall times, in a form in which NaN equals NaN."""
    return {
        (method, name): (np.asarray(value).tobytes(), repr(value))
        if hasattr(value, "__array__")
        else repr(value)
        for method, measures in row.items()
        for name, value in measures.items()
        if "seconds" not in name
    }


def smoke_cells(name):
    experiment = find(name)
    return experiment.presets["smoke"].of(experiment.options())


@pytest.mark.parametrize("name", SPLIT)
def test_a_paper_run_is_split_into_cells_of_one_training(name):
    experiment = find(name)
    preset = experiment.presets["paper"]
    assert preset.split
    split = {key for key, preset in experiment.presets.items() if preset.split}
    assert split <= {"paper", "hours", "memorised"}
    cells = preset.of(experiment.options())
    trainings = [training for cell in cells for training, _ in experiment.split(cell)]
    assert preset.seeds * (len(cells) + len(trainings)) >= 50
    assert len(set(trainings)) == len(trainings)


@pytest.mark.parametrize("name", SPLIT)
def test_split_cells_leave_the_bits_of_whole_ones(name, tmp_path, monkeypatch):
    for number, cell in enumerate(smoke_cells(name)):
        store = Counting(tmp_path / str(number))
        parts = trainings_of(cell)
        for training, _ in parts:
            known = store.files
            run(training, store.context())
            assert len(store.files - known) == 1, str(training)  # it takes one training
        assert len(store.computed) == len(parts)
        whole = leaves(run(cell, Context()))
        if not parts:  # a cell of one training
            assert leaves(run(cell, store.context())) == whole
            assert len(store.computed) == 1
        with no_training(monkeypatch):
            assert leaves(run(cell, store.context())) == whole


def test_a_training_waits_for_what_it_needs_alone():
    cell = Cell(setting=tiny_setting(together=3), methods=METHODS, measures=(TestErrors(),))
    found = trainings_of(cell)
    assert [(list(each.names), each.part, needs) for each, needs in found] == [
        (["Members"], None, []),
        (["Student"], None, [0]),  # whose time is taken, by itself
        (["squares", "self"], None, [0]),
        (["again"], None, [0, 2]),
        (["summed"], None, []),
    ]
    two_at_once = replace(cell, setting=tiny_setting(together=2))
    found = [(list(each.names), each.part, needs) for each, needs in trainings_of(two_at_once)]
    assert found[2:5] == [
        (["squares", "self"], 0, [0]),  # three networks
        (["squares", "self"], 1, [0]),
        (["again"], None, [0, 2, 3]),
    ]


def test_a_cell_of_one_training_is_whole():
    assert not trainings_of(Cell(setting=tiny_setting(), methods={"one": Members()}))


@pytest.mark.parametrize("together", [1, 2, 3, 10])
def test_the_schedule_is_what_a_bench_does(together, monkeypatch):
    bench, done = tiny_bench(together=together), []
    train = bench.train
    monkeypatch.setattr(bench, "train", lambda group: (done.append(tuple(group)), train(group)))
    methods = list(METHODS.values())
    bench.plan(methods)
    for method in methods:
        bench.trained(method)
    assert [step.methods for step in schedule(methods, bench.side_by_side)] == done


@pytest.mark.parametrize("together", [1, 2, 3, 10])
def test_trainings_in_any_order_leave_the_same(together, tmp_path, monkeypatch):
    """The last first: it does what it needs itself, and nothing else."""
    setting = tiny_setting(together=together)
    cell = Cell(setting=setting, methods=METHODS, measures=(TestErrors(),))
    store, parts = Counting(tmp_path), trainings_of(cell)
    for training, _ in reversed(parts):
        run(training, store.context())
    assert len(store.computed) == len(store.files) == len(parts)
    whole = leaves(run(cell, Context()))
    with no_training(monkeypatch):
        assert leaves(run(cell, store.context())) == whole


def test_a_lost_artefact_is_computed_again(tmp_path):
    cell = Cell(setting=tiny_setting(), methods=METHODS, measures=(TestErrors(),))
    store = Counting(tmp_path)
    whole = leaves(run(cell, store.context()))
    for number, name in enumerate(sorted(store.files)):
        (tmp_path / name).unlink()
        store.computed.clear()
        assert leaves(run(cell, store.context())) == whole, number
        assert len(store.computed) == 1


def test_cells_share_what_they_train_alike_and_nothing_else(tmp_path):
    store = Counting(tmp_path)
    cell = Cell(setting=tiny_setting(), methods={"one": Members(), "sum": Summed()})
    run(cell, store.context())
    run(replace(cell, part="other", measures=(TestErrors(),)), store.context())
    assert len(store.computed) == 2
    run(replace(cell, seed=1), store.context())
    run(replace(cell, setting=tiny_setting(epochs=3)), store.context())
    assert len(store.computed) == 6


IMAGES = ImageSetting(
    data="multi_view",
    num_train=40,
    num_validation=20,
    num_test=20,
    shrink=4,
    members=2,
    net=Dense(widths=(6,), dropout=0.2),
    recipe=plain_recipe(epochs=2, batch_size=20),
    students=replace(plain_recipe(epochs=2, batch_size=20), together=3),
)
DENSE = Baseline(dropout=(0.1, 0.2), averaging=0.9)
OF_TWO = Specialists(sets=RandomSets(number=2))
OTHERS = {
    "several with dropout": Dropout(number=2),
    "unlabelled": UnlabelledStudent(teacher=Labels(), hidden=0.3),
    "dense": DENSE,
    "pruned": MagnitudePruned(of=DENSE, like=Gates()),
    "anew": Reinitialised(like=Gates()),
    "other net": Variant(of=Student(teacher=Members(), number=2), net=Dense(widths=(4,))),
    "specialists": WithSpecialists(of=OF_TWO),
    "new specialists": replace(OF_TWO, fresh=True),
    "one after the other": Booster(of=Rocket(joint=False)),
    "two boosters": Booster(of=Rocket(boosters=2)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_other_methods_leave_is_found(name, tmp_path, monkeypatch):
    found_again(IMAGES, {name: OTHERS[name]}, tmp_path, monkeypatch)


FAST, PAIR = Fast(widths=(4, 4, 4)), WidePair(depth=10, booster_depth=16)


@pytest.mark.parametrize("net", [FAST, PAIR, LeNet(widths=(4, 6, 10))])
def test_networks_with_batchnorm_and_in_another_memory_format_are_found(net, tmp_path, monkeypatch):
    base = ImageSetting().recipe.with_optim(epochs=1, batch_size=20)  # channels last, in bfloat16
    setting = replace(IMAGES, net=net, shrink=2, recipe=base, students=base)
    methods = {"ensemble": Ensemble(), "student": Student()}
    methods |= {} if net is FAST else {"gates": Gates()}
    if net is PAIR:
        methods |= {"shared": Rocket(shared=PAIR.most_shared)}
        methods |= {"split": Rocket(shared=PAIR.most_shared, joint=False)}
    found_again(setting, methods, tmp_path, monkeypatch)


def test_a_training_is_named():
    setting = replace(IMAGES, students=replace(IMAGES.students, together=1))
    students = Student(number=2)
    cell = Cell(setting=setting, methods={"one": Members(), "students": students}, seed=5)
    first, *others = [str(each) for each, _ in trainings_of(cell)]
    assert first.startswith("training of one, part 1 in ImageSetting(")
    assert first.endswith("), seed 5")
    assert [each.partition(" in ")[0] for each in others] == [
        "training of one, part 2",
        "training of students, part 1",
        "training of students, part 2",
    ]
