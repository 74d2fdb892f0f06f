"""View counts and the gain by count, against loops."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import generators

from multiview.probes import gain_by_count, view_counts


@st.composite
def errors(draw):
    """Counts, members' and the ensemble's errors; few samples, so that counts are empty."""
    groups, n, members = draw(st.integers(1, 5)), draw(st.integers(0, 12)), draw(st.integers(1, 3))
    generator = draw(generators())
    correct = torch.rand(groups, n, generator=generator) < 0.5
    one = torch.rand(n, members, generator=generator)
    ensemble = torch.rand(n, generator=generator)
    if draw(st.booleans()):
        one, ensemble = one < 0.6, ensemble < 0.3
    return correct, one, ensemble


@given(errors())
def test_counts_and_gains_by_loops(drawn):
    correct, one, ensemble = drawn
    groups, n = correct.shape
    counts = view_counts(correct)
    assert counts.tolist() == [sum(bool(correct[g, i]) for g in range(groups)) for i in range(n)]
    found = gain_by_count(counts, one, ensemble, groups)
    mean_error = [float(one[i].double().mean()) for i in range(n)]
    gains = [mean_error[i] - float(ensemble[i]) for i in range(n)]
    assert all(len(column) == groups + 1 for column in vars(found).values())
    for count in range(groups + 1):
        of_count = [i for i in range(n) if counts[i] == count]
        assert found.samples[count] == len(of_count)
        expected = {"one": math.nan, "ensemble": math.nan, "gain": math.nan, "share": math.nan}
        if of_count:
            size = len(of_count)
            expected["one"] = sum(mean_error[i] for i in of_count) / size
            expected["ensemble"] = sum(float(ensemble[i]) for i in of_count) / size
            expected["gain"] = sum(gains[i] for i in of_count) / size
        if abs(sum(gains)) > 1e-9:
            expected["share"] = sum(gains[i] for i in of_count) / sum(gains)
            for name, value in expected.items():
                assert getattr(found, name)[count].item() == pytest.approx(value, nan_ok=True)


@given(errors())
def test_the_parts_make_up_the_whole(drawn):
    correct, one, ensemble = drawn
    found = gain_by_count(view_counts(correct), one, ensemble, len(correct))
    n = correct.shape[1]
    assert found.samples.sum() == n
    gain = float((one.double().mean(1) - ensemble.double()).sum())
    weighted = (found.gain * found.samples).nansum()
    assert float(weighted) == pytest.approx(gain, abs=1e-9)
    if abs(gain) > 1e-3:
        assert float(found.share.sum()) == pytest.approx(1.0)


def test_counts_that_no_sample_has():
    counts = torch.tensor([1, 1, 3])
    one = torch.tensor([[True, False], [True, True], [False, False]])
    ensemble = torch.tensor([False, False, False])
    found = gain_by_count(counts, one, ensemble, 4)
    assert found.samples.tolist() == [0, 2, 0, 1, 0]
    assert found.gain[[1, 3]].tolist() == [0.75, 0.0]
    assert found.gain[[0, 2, 4]].isnan().all()
    assert found.share.tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]


def test_no_gain_has_no_shares():
    right = torch.zeros(3, 2, dtype=torch.bool)
    found = gain_by_count(torch.tensor([0, 1, 1]), right, right[:, 0], 1)
    assert found.gain.tolist() == [0.0, 0.0]
    assert found.share.isnan().all()


@pytest.mark.parametrize("counts", [[0, 3], [-1, 2]])
def test_counts_beyond_the_groups_are_refused(counts):
    wrong = torch.ones(2, 1)
    with pytest.raises(ValueError, match="must lie in 0 to 2"):
        gain_by_count(torch.tensor(counts), wrong, wrong[:, 0], 2)
