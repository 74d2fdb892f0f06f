"""ModuleBench: who is trained beside whom changes nothing, teachers, best states, interruptions."""

from dataclasses import dataclass

import pytest
import torch
from tiny_benches import tiny_bench, tiny_setting

from multiview.bench import Bench, Cell, Classifier, Method, run
from multiview.distill import Hinton, Squares
from multiview.measures import TestErrors
from multiview.methods import Ensemble, Member, Members, Student, Summed
from multiview.runs.experiment import Context
from multiview.train import error_score

BY_EACH = Student(teacher=Members(), start="self", number=2, weight=2.0)
METHODS = {
    "member": Members(),
    "summed": Summed(),
    "hinton": Student(weight=0.5, label_weight=0.1),
    "squares": Student(kd_loss=Squares(), weight=0.5, label_weight=0.1),
    "self": BY_EACH,
    "strong": Student(kd_loss=Hinton(1.0), weight=9.0, label_weight=0.1),
}


@dataclass(frozen=True, kw_only=True)
class Untrained(Method):
    """One of the students as it starts."""

    index: int

    def train(self, bench: Bench) -> Classifier:
        net = bench.one("self", self.index)
        return Classifier(logits=bench.frozen(net), net=net)


def test_who_stands_beside_changes_nothing():
    alone, beside = tiny_bench(together=1), tiny_bench(together=10)
    for bench in (alone, beside):
        bench.plan(list(METHODS.values()))
    for name, method in METHODS.items():
        inputs = alone.samples.test
        one, other = (each.outputs(each.trained(method).logits, inputs) for each in (alone, beside))
        torch.testing.assert_close(one, other, msg=name)


def test_each_of_several_students_has_the_teacher_of_its_own_number():
    bench = tiny_bench()
    students = bench.trained(BY_EACH)
    for i in range(2):
        copied = Student(teacher=Member(index=i), start=Untrained(index=i), weight=2.0)
        inputs = bench.samples.test
        single = bench.outputs(bench.trained(copied).logits, inputs)
        torch.testing.assert_close(bench.outputs(students.logits, inputs)[:, i], single)


def test_best_states_are_those_of_the_lowest_validation_error():
    bench = tiny_bench(epochs=6)
    members = bench.trained(Members())
    assert members.net is not None
    assert members.best is not None
    held = bench.samples.validation, bench.samples.validation_labels
    last = error_score(*held)(members.net)
    best = (members.best(held[0]).argmax(-1) != held[1][:, None]).double().mean(0)
    assert (best <= last).all()
    before = members.logits(held[0])
    members.best(held[0])
    assert members.logits(held[0]).equal(before)
    assert 0 <= members.notes["epoch"] <= 5
    ensemble = bench.trained(Ensemble())
    assert ensemble.best is not None
    torch.testing.assert_close(ensemble.best(held[0]), members.best(held[0]).mean(1))


def test_a_cell_that_was_stopped_goes_on_to_the_same_row(tmp_path):
    cell = Cell(setting=tiny_setting(together=2), methods=METHODS, measures=(TestErrors(),))
    row, messages = run(cell, Context()), []

    def stop(message, fraction):
        messages.append(message)
        if "Student" in message:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(cell, Context(scratch=tmp_path, progress=stop))
    assert len(list(tmp_path.glob("Members*"))) == 1
    trained = []
    context = Context(scratch=tmp_path, progress=lambda message, fraction: trained.append(message))
    assert run(cell, context) == row
    assert not any("Members" in each for each in trained)


def test_networks_that_are_summed_are_trained_as_one():
    bench = tiny_bench()
    inputs = bench.samples.test
    untrained = bench.summed("sum", 2)(inputs)
    parts = [bench.one("sum", i)(inputs) for i in range(2)]
    torch.testing.assert_close(untrained, parts[0] + parts[1])
    assert bench.outputs(bench.trained(Summed()).logits, inputs).shape == (60, 3)
