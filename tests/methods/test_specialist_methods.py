"""Specialists and the sets of their classes, on small benches of patches and of images."""

import math
from dataclasses import replace

import pytest
import torch

from multiview import stream
from multiview.bench import Flow, PatchSetting
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Fast
from multiview.bench.recipe import plain_recipe
from multiview.data import MultiViewSpec
from multiview.distill.combination import combine
from multiview.methods import (
    ConfusableSets,
    Group,
    Member,
    Members,
    RandomSets,
    ShuffledSets,
    Specialists,
    WithSpecialists,
)
from multiview.methods.specialists import (
    Answers,
    Combined,
    TrainedSpecialist,
    patch_specialist_from,
    specialist_of,
    with_fewer_classes,
)
from multiview.models import PatchNet
from multiview.runs.experiment import Context
from multiview.train import TrainSpec

FLOW = TrainSpec(max_steps=60)
PATCHES = PatchSetting(
    spec=MultiViewSpec(
        num_classes=4, patch_dim=20, num_patches=6, sparsity=1.0, mu=0.25, sigma_p=0.1
    ),
    num_train=60,
    members=2,
    width=3,
    training=Flow(labels=FLOW, students=replace(FLOW, max_steps=20)),
)
IMAGES = ImageSetting(
    data="multi_view",
    num_train=100,
    num_validation=40,
    num_test=40,
    members=2,
    net=Fast(widths=(3, 4, 4)),
    recipe=plain_recipe(epochs=1, batch_size=20),
    students=plain_recipe(epochs=1, batch_size=20),
)


@pytest.fixture(scope="module", params=["patches", "images"])
def bench(request):
    setting = PATCHES if request.param == "patches" else IMAGES
    return setting.bench(0, Context())


def families() -> list[Specialists]:
    return [Specialists(sets=RandomSets(number=2), fresh=fresh) for fresh in (False, True)]


def all_of(sets: list[list[int]]) -> list[int]:
    return sorted(each for classes in sets for each in classes)


def test_random_sets_hold_every_class_once_and_differ_between_generalists(bench):
    sets = [RandomSets(number=2).of(bench, Member(index=e)) for e in range(6)]
    for each in sets:
        assert all_of(each) == list(range(bench.num_classes))
        assert len(each[0]) == len(each[1])
    assert len({str(each) for each in sets}) > 1


def test_shuffled_sets_are_as_large_as_the_confusable_ones():
    images = IMAGES.bench(0, Context())
    confusable = ConfusableSets(number=3)
    sets = [each.of(images, Member()) for each in (confusable, ShuffledSets(like=confusable))]
    assert sorted(map(len, sets[0])) == sorted(map(len, sets[1]))
    assert all_of(sets[1]) == list(range(10))


def test_patches_have_no_confusable_sets():
    for sets in (ConfusableSets(number=2), ShuffledSets(like=ConfusableSets(number=2))):
        with pytest.raises(ValueError, match="use RandomSets"):
            Specialists(sets=sets).check(PATCHES)
    Specialists(sets=ConfusableSets(number=2)).check(IMAGES)


def test_specialists_see_their_classes_and_as_many_others(bench, monkeypatch):
    seen = []
    on = type(bench).on
    monkeypatch.setattr(
        type(bench), "on", lambda self, *given: seen.append(given) or on(self, *given)
    )
    tuned, fresh = families()
    for method in (tuned, fresh):
        found = bench.trained(method)
        assert found.notes["specialists"] == 2
        assert found.logits(bench.inputs[:5]).shape == (5, bench.num_classes)
    sets = tuned.chosen(bench)
    for i, classes in enumerate(sets):
        (inputs, labels, _), (again, others, _) = seen[i], seen[i + 2]
        assert inputs.equal(again)  # the same samples for both starts
        assert labels.equal(others)
        own = torch.isin(bench.labels, torch.tensor(classes)).sum()
        assert (labels < len(classes)).sum() == own
        assert (labels == len(classes)).sum() == min(own, len(bench.labels) - own)


def test_a_tuned_specialist_starts_from_its_generalist_and_a_fresh_one_anew(bench, monkeypatch):
    starts = []
    fit = type(bench).fit

    def note(self, nets, soft, course="labels", order="student"):
        starts.append((course, torch.cat([p.detach().flatten() for p in nets[0].parameters()])))
        return fit(self, nets, soft, course, order)

    here = bench.setting.bench(1, Context())
    generalist = here.trained(Member()).net
    monkeypatch.setattr(type(bench), "fit", note)
    tuned, fresh = families()
    here.trained(tuned)
    here.trained(fresh)
    assert [course for course, _ in starts] == ["students"] * 2 + ["labels"] * 2
    for i, classes in enumerate(tuned.chosen(here)):
        new = with_fewer_classes(here.one(f"specialist 0 {i}"), classes)
        for (_, start), net in (
            (starts[i], specialist_of(generalist, classes)),
            (starts[i + 2], new),
        ):
            assert start.equal(torch.cat([p.detach().flatten() for p in net.parameters()]))


def test_combined_is_what_generalist_and_specialists_give_together(bench):
    tuned, _ = families()
    inputs = bench.inputs[:30]
    both, everyone = (bench.trained(WithSpecialists(of=tuned, top=top)) for top in (1, None))
    assert isinstance(both.logits, Combined)
    answers = both.logits.answers.each(lambda ask: ask(inputs))
    z = bench.trained(Member()).logits(inputs)
    assert both.logits(inputs).equal(combine(z, answers))
    assert everyone.logits(inputs).equal(combine(z, answers, top=bench.num_classes))


def test_small_sets_have_no_specialist(bench):
    few = Specialists(sets=RandomSets(number=2), smallest=bench.num_classes)
    assert few.chosen(bench) == []
    assert bench.trained(few).notes["specialists"] == 0
    z = bench.trained(Member()).logits(bench.inputs[:9])
    assert bench.trained(WithSpecialists(of=few)).logits(bench.inputs[:9]).equal(z)


def test_several_methods_stand_beside_one_another_and_their_notes_are_averaged():
    bench = PATCHES.bench(0, Context())
    each = tuple(Specialists(of=Member(index=e), sets=RandomSets(number=2)) for e in range(2))
    found = bench.trained(Group(of=each))
    parts = [bench.trained(one) for one in each]
    x = bench.inputs[:7]
    assert found.logits(x).equal(torch.stack([one.logits(x) for one in parts], 1))
    assert found.notes["steps"] == sum(one.notes["steps"] for one in parts) / 2
    group = bench.trained(Group(of=(Member(), Member(index=1)))).logits(x)
    torch.testing.assert_close(group, bench.trained(Members()).logits(x))


def test_a_dustbin_starts_with_the_largest_neurons_of_the_rest():
    net = PatchNet(num_classes=4, width=3, patch_dim=2, generator=stream(0))
    with torch.no_grad():
        size = torch.tensor([[1.0, 2, 3], [9, 1, 4], [5, 6, 7], [8, 0, 2]])
        net.weight[0] = size.unsqueeze(-1) * torch.tensor([0.6, 0.8])
    weight = patch_specialist_from(net, [2, 0]).weight.norm(dim=-1)
    expected = torch.tensor([[[5.0, 6, 7], [1, 2, 3], [9, 8, 4]]])
    torch.testing.assert_close(weight, expected)


def test_answers_are_corrected_and_alone_judged_above_their_dustbins():
    first, second = torch.tensor([[5.0, 1, 2]]), torch.tensor([[4.0, 3]])
    specialists = [
        TrainedSpecialist(classes=[2, 0], logits=lambda x: first, oversampling=1.0),
        TrainedSpecialist(classes=[1], logits=lambda x: second, oversampling=math.e),
    ]
    answers = Answers(specialists, 4)
    (_, plain), (classes, more) = answers.each(lambda ask: ask(first))
    assert plain.equal(first)
    assert classes == [1]
    torch.testing.assert_close(more, torch.tensor([[4.0, 4.0]]))
    torch.testing.assert_close(answers(first), torch.tensor([[-1.0, 0, 3, 0]]))
