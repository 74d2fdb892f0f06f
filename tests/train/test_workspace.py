"""Workspace: buffers are shared by name, and what is kept is made anew when it must be."""

import torch

from multiview.train.workspace import Workspace


def test_a_buffer_grows_and_is_shared():
    workspace, like = Workspace(), torch.zeros(1)
    first = workspace.take("z", (4, 5), like)
    assert workspace.take("z", (2, 3, 2), like).data_ptr() == first.data_ptr()
    assert workspace.take("other", (4, 5), like).data_ptr() != first.data_ptr()
    assert workspace.take("z", (4, 6), like).shape == (4, 6)
    assert workspace.take("z", (2, 3), like.double()).dtype == torch.float64


def test_what_is_kept_is_made_anew_when_what_it_is_made_of_changes():
    workspace, calls = Workspace(), []

    def total(numbers, factor):
        calls.append(factor)
        return numbers.sum().item() * factor

    numbers = torch.ones(3)
    assert [workspace.keep("total", total, numbers, 2) for _ in range(2)] == [6, 6]
    assert calls == [2]
    assert workspace.keep("total", total, numbers, 3) == 9
    numbers[0] = 5.0
    assert workspace.keep("total", total, numbers, 3) == 21
    assert workspace.keep("total", total, numbers.clone(), 3) == 21
    assert calls == [2, 3, 3, 3]
    with torch.inference_mode():
        unversioned = torch.ones(3)
        assert [workspace.keep("total", total, unversioned, 1) for _ in range(2)] == [3, 3]
    assert calls == [2, 3, 3, 3, 1, 1]
