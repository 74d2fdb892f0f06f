"""wrong: ties and NaN are errors, for one classifier and for many."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from multiview import stream
from multiview.train.metrics import wrong


def test_ties_and_nan_are_errors():
    logits = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0], [float("nan"), 0, 0]])
    labels = torch.zeros(5, dtype=torch.long)
    assert wrong(logits, labels).tolist() == [False, True, True, True, True]


@given(st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 3), st.integers(2, 5))
def test_it_is_the_slow_obvious_count_for_every_member(seed, n, members, k):
    generator = stream(seed, "logits")
    logits = torch.randint(3, (n, members, k), generator=generator).double()  # ties are common
    labels = torch.randint(k, (n,), generator=generator)
    found = wrong(logits, labels)
    for i in range(n):
        for member in range(members):
            own = logits[i, member, labels[i]]
            rivals = [logits[i, member, j] for j in range(k) if j != labels[i]]
            assert found[i, member] == (not all(own > rival for rival in rivals))
    for member in range(members):
        assert wrong(logits[:, member], labels).equal(found[:, member])
