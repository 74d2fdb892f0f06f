"""Ensembles by loops."""

import torch

from multiview import stream
from multiview.ensemble import mean_logits, mean_probabilities


def test_means_are_over_members_and_softmax_comes_before_the_second():
    logits = 3 * torch.randn(5, 4, 3, generator=stream(0, "logits"))
    torch.testing.assert_close(mean_logits(logits), sum(logits[:, e] for e in range(4)) / 4)
    torch.testing.assert_close(
        mean_probabilities(logits), sum(logits[:, e].softmax(-1) for e in range(4)) / 4
    )
