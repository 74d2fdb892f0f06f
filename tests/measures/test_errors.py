"""Errors, ensembles of every size and agreement on the test samples of a bench."""

import pytest
import torch
from tiny_benches import tiny_bench, tiny_setting

from multiview.bench import Classifier
from multiview.measures import ErrorsBySize, Pairs, TestErrors
from multiview.probes import agreement
from theory_experiments.settings import BY_SGD

BENCH = tiny_bench()
TEST, LABELS = BENCH.samples.test, BENCH.samples.test_labels


def made_up(wrong: list[int]) -> torch.Tensor:
    """Logits on the test samples of networks of which each has so many samples wrong."""
    right = torch.nn.functional.one_hot(LABELS, 3).float()
    each = [torch.where(torch.arange(60)[:, None] < n, right.roll(1, -1), right) for n in wrong]
    return torch.stack(each, 1)


def classifier(wrong: list[int], best: list[int] | None = None) -> Classifier:
    """Of the test samples these are wrong; of the training samples, the first as many."""

    def logits(of: list[int]):
        return lambda inputs: made_up(of)[: len(inputs)]

    return Classifier(logits=logits(wrong), best=None if best is None else logits(best))


def of(measure, wrong: list[int], best: list[int] | None = None):
    return measure.of(BENCH, {"member": classifier(wrong, best)})


def test_errors_of_several_are_means_and_lists_in_last_and_best_states():
    row = of(TestErrors(), [6, 12], [3, 9])["member"]
    assert row["error"] == pytest.approx(0.15)
    assert row["each"] == pytest.approx([0.1, 0.2])
    assert row["best"] == pytest.approx(0.1)
    assert row["best_each"] == pytest.approx([0.05, 0.15])
    assert "best" not in of(TestErrors(), [6])["member"]
    one = Classifier(logits=lambda inputs: made_up([6])[: len(inputs), 0])
    assert TestErrors().of(BENCH, {"one": one})["one"].keys() == {"error", "train"}


def test_training_error_is_that_of_the_training_samples():
    truth = torch.nn.functional.one_hot(BENCH.labels, 3).float()
    logits = {60: made_up([60])[:, 0], 30: truth}
    row = TestErrors().of(BENCH, {"one": Classifier(logits=lambda inputs: logits[len(inputs)])})
    assert row["one"] == {"error": 1.0, "train": 0.0}


def test_errors_by_size_are_means_over_all_choices():
    # Two of three networks outvote the third where its logits are no larger.
    row = of(ErrorsBySize(), [60, 0, 0])
    assert [row[name]["size"] for name in ("member", "ensemble_2", "ensemble")] == [1, 2, 3]
    assert row["member"]["error"] == pytest.approx(1 / 3)
    assert row["ensemble_2"]["error"] == pytest.approx(2 / 3)  # a tie is an error
    assert row["ensemble"]["error"] == 0


def test_pairs_are_those_of_agreement():
    assert of(Pairs(), [6, 12])["pairs"] == vars(agreement(made_up([6, 12]), LABELS))


@pytest.mark.parametrize("measure", [TestErrors(), ErrorsBySize(), Pairs()])
def test_patches_are_refused(measure):
    measure.check(tiny_setting())
    with pytest.raises(ValueError, match="use PatchErrors"):
        measure.check(BY_SGD)
    with pytest.raises(TypeError, match="PatchBench"):
        measure.of(BY_SGD.bench(0, BENCH.context), {})


def test_errors_are_of_the_named_methods_alone():
    trained = {"one": classifier([6]), "other": classifier([12])}
    assert TestErrors(methods=("other",)).of(BENCH, trained).keys() == {"other"}
    assert TestErrors().of(BENCH, trained).keys() == trained.keys()
