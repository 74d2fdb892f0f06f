"""Dropout: several networks, masks of the first, and students by start, inputs and draw."""

from dataclasses import dataclass, replace

import pytest
import torch

from multiview.bench import Cell, Classifier, Method, Sgd, check
from multiview.bench.images import ImageSetting
from multiview.bench.nets import Dense, Quick
from multiview.bench.recipe import plain_recipe
from multiview.distill import Hinton
from multiview.methods import Dropout, Masks, MaskStudent, Member, UnlabelledStudent
from multiview.models.dropout_patch_net import DropoutPatchNet
from multiview.runs.experiment import Context
from multiview.train import OptimSpec
from theory_experiments.settings import SMOKE_BY_SGD

OPTIM = OptimSpec(epochs=3, batch_size=30, learning_rate=1.0, weight_decay=0.0)
PATCHES = replace(
    SMOKE_BY_SGD,
    num_train=60,
    relu_knee=1.0,
    sigma_init=0.3,
    training=Sgd(labels=OPTIM, students=OPTIM),
)
RECIPE = plain_recipe(epochs=1, batch_size=10)
IMAGES = ImageSetting(
    data="multi_view",
    num_train=20,
    num_validation=10,
    num_test=20,
    net=Dense(widths=(8,), input_dropout=0.2, dropout=0.5),
    recipe=RECIPE,
    students=RECIPE,
)


@pytest.fixture(scope="module")
def bench():
    return PATCHES.bench(0, Context())


def logits(bench, method) -> torch.Tensor:
    return bench.trained(method).logits(bench.inputs[:10]).detach()


def test_several_networks_are_those_of_the_members_starts(bench):
    several = Dropout(rate=0.25, number=2)
    net = bench.trained(several).net
    assert isinstance(net, DropoutPatchNet)
    assert (net.neuron.p, net.patch.p, len(net.nets.weight)) == (0.25, 0.0, 2)
    assert logits(bench, several).shape == (10, 2, 4)
    for i in range(2):
        one = logits(bench, Member(of=several, index=i))
        torch.testing.assert_close(one, logits(bench, several)[:, i])


def test_masks_and_students_are_of_the_first_network(bench):
    several = Dropout(kind="patch", rate=0.5, number=2)
    plain = logits(bench, Member(of=several)).softmax(-1)
    masks = logits(bench, Masks(of=several, number=2000)).softmax(-1)
    other = logits(bench, Member(of=several, index=1)).softmax(-1)
    assert (masks - plain).abs().mean() < (masks - other).abs().mean()
    copy = logits(bench, MaskStudent(of=several, optim=replace(OPTIM, learning_rate=1e-9)))
    torch.testing.assert_close(copy, logits(bench, Member(of=several)))


def test_students_differ_in_start_inputs_optimiser_and_draw(bench):
    usual = MaskStudent(of=Dropout())
    students = [
        usual,
        replace(usual, start="student"),
        replace(usual, hidden=0.5),
        replace(usual, optim=replace(OPTIM, epochs=1)),
        replace(usual, draw=1),
    ]
    found = [logits(bench, student) for student in students]
    for i, one in enumerate(found):
        for other in found[:i]:
            assert not torch.allclose(one, other, atol=1e-6)


def test_students_without_labels_differ_in_teacher_loss_and_inputs(bench):
    plain = UnlabelledStudent(teacher=Member())
    students = (
        plain,
        replace(plain, hidden=0.5),
        replace(plain, kd_loss=Hinton(4.0)),
        replace(plain, teacher=Member(index=1)),
    )
    found = [logits(bench, student) for student in students]
    for other in found[1:]:
        assert not torch.allclose(found[0], other, atol=1e-6)


@dataclass(frozen=True)
class Certain(Method):
    """A teacher that knows no label: the first class, of whatever it sees."""

    def train(self, bench):
        return Classifier(logits=lambda x: torch.eye(4)[0].expand(len(x), 4))


def test_a_student_without_labels_never_sees_one():
    found = []
    for shift in (0, 1):
        bench = PATCHES.bench(0, Context())
        bench.batch.labels.add_(shift).remainder_(4)
        found.append(logits(bench, UnlabelledStudent(teacher=Certain())))
    assert found[0].equal(found[1])


def test_networks_keep_their_own_rates_where_none_is_given():
    bench = IMAGES.bench(0, Context())

    def rates(rate: float | None) -> list[float]:
        net = bench.dropout_net("members", "neuron", rate)
        return [each.p for each in net.modules() if isinstance(each, torch.nn.Dropout)]

    assert rates(None) == [0.2, 0.5]
    assert rates(0.3) == [0.3, 0.3]
    check([Cell(setting=IMAGES, methods={"it": Dropout(rate=None)})], Context())
    quick = replace(IMAGES, net=Quick())
    assert Quick().dropout in [
        each.p
        for each in quick.bench(0, Context()).dropout_net("members", "neuron", None, 2).modules()
        if isinstance(each, torch.nn.Dropout)
    ]


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match=r"hidden=1\.0"):
        MaskStudent(of=Dropout(), hidden=1.0)
    with pytest.raises(ValueError, match=r"hidden=-0\.1"):
        UnlabelledStudent(teacher=Member(), hidden=-0.1)
    cell = Cell(setting=PATCHES, methods={"it": Dropout(rate=None)})
    with pytest.raises(ValueError, match="rate=None"):
        check([cell], Context())
