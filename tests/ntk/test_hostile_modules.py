"""Modules that a kernel engine may misread: each kernel is right, or refused with the reason."""

import pytest
import torch
from hostile_modules import CASES
from ntk_strategies import randomised
from oracles_ntk import explicit_gram

from multiview import stream
from multiview.ntk import gram


def drawn(name):
    """The module of a case, and 7 samples; the first and the last of a trial look alike."""
    case, generator = CASES[name], stream(0, name)
    module = randomised(case.make(), generator).to(case.dtype)
    module.train(case.train)
    if case.tokens:
        return module, torch.randint(5, (7, *case.shape), generator=generator)
    x = torch.randn(7, *case.shape, generator=generator).double()
    signs = torch.tensor([1.0, -1, 1, -1, 1, 1, 1]).view(7, *[1] * len(case.shape))
    x[:, :1] = signs * x[:, :1].abs()
    return module, x.to(case.dtype)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")
@pytest.mark.parametrize("name", CASES)
def test_kernel_is_right_or_refused(name):
    case = CASES[name]
    module, x = drawn(name)
    before = None if case.refused else module(x).detach()
    batches = [(x[:6], None, ("full", "trace")), (x[:5], x, ("full", "per_class"))]
    for x1, x2, forms in batches:
        if case.refused is not None:
            with pytest.raises(ValueError, match=case.refused):
                gram(module, x1, x2)
            continue
        full = explicit_gram(module, x1, x1 if x2 is None else x2, "full").double()
        per_class = full.diagonal(dim1=2, dim2=3).permute(2, 0, 1)
        wanted = {"full": full, "per_class": per_class, "trace": per_class.sum(0)}
        for outputs in forms:
            error = (gram(module, x1, x2, outputs) - wanted[outputs]).abs().max()
            assert error <= case.tolerance * full.abs().max(), outputs
    if before is not None:  # and the module is as it was
        torch.testing.assert_close(module(x), before)


def test_without_the_check_of_batches_the_kernel_is_that_of_samples_alone():
    module, x = drawn("batch mean in large batches")
    found = gram(module, x, outputs="trace", check_batches=False)
    torch.testing.assert_close(found, explicit_gram(module, x, x, "trace"))
