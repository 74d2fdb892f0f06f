"""Three layouts of a kernel: each product is the sum over samples and outputs it stands for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from ntk_strategies import ByProducts, as_full, kernels_with_targets
from unchecked import unchecked

from multiview import stream
from multiview.ntk.layout import Layout, layout_of, matrices, product_with, square

MEANING = {
    "trace": "ij,...ja->...ia",
    "per_class": "aij,...ja->...ia",
    "full": "ijab,...jb->...ia",
}


@given(kernels_with_targets(), st.sampled_from([(), (3,), (2, 3)]))
def test_a_product_of_columns_is_the_sum_it_stands_for(drawn, sets):
    kernel, cross, targets = drawn
    targets = torch.randn(*sets, *targets.shape, generator=stream(0, "sets")).double()
    for k in (kernel, cross):
        layout = layout_of(k.shape)
        assert layout is not None
        columns = layout.columns(targets)
        assert columns.shape[:2] == (layout.matrices, layout.size)
        assert torch.equal(layout.targets(columns, targets.shape), targets)
        expected = torch.einsum(MEANING[layout.outputs], k, targets)
        products = layout.targets(matrices(k) @ columns, expected.shape)
        torch.testing.assert_close(products, expected)


@given(kernels_with_targets(layouts=("trace", "per_class")))
def test_uncoupled_outputs_are_a_coupled_kernel_with_empty_blocks(drawn):
    kernel, cross, targets = drawn
    for k in (kernel, cross):
        own, coupled = layout_of(k.shape), layout_of(as_full(k, targets.shape[1]).shape)
        assert own is not None
        assert coupled is not None
        shape = (k.shape[-2], targets.shape[1])
        alone = own.targets(matrices(k) @ own.columns(targets), shape)
        together = matrices(as_full(k, targets.shape[1])) @ coupled.columns(targets)
        torch.testing.assert_close(coupled.targets(together, shape), alone)


@given(kernels_with_targets(layouts=("trace", "per_class")))
def test_a_kernel_never_held_multiplies_like_one_in_memory(drawn):
    kernel, _, targets = drawn
    (held, by_held), (named, by_named) = product_with(kernel), product_with(ByProducts(kernel))
    assert held == named
    columns = held.columns(targets)
    torch.testing.assert_close(by_named(columns), by_held(columns))


@pytest.mark.parametrize("shape", [(4, 4), (3, 4, 4), (4, 4, 3, 3)])
def test_a_kernel_is_copied_only_where_it_must_be(shape):
    kernel = torch.randn(shape, generator=stream(0, "kernel")).double()
    view = matrices(kernel)
    assert (view.data_ptr() == kernel.data_ptr()) == (len(shape) < 4)
    own = matrices(kernel, copy=True)
    own.fill_(0)
    assert kernel.abs().min() > 0
    assert matrices(kernel.float()).dtype == torch.float64
    torch.testing.assert_close(matrices(kernel.float()), view, rtol=1e-6, atol=1e-6)


def test_a_layout_has_the_words_of_gram():
    assert square(torch.ones(4, 4)) == Layout(outputs="trace", n=4, k=None)
    assert square(torch.ones(3, 4, 4)) == Layout(outputs="per_class", n=4, k=3)
    assert square(torch.ones(4, 4, 3, 3)) == Layout(outputs="full", n=4, k=3)
    assert layout_of((4, 5, 2, 2)) == Layout(outputs="full", n=5, k=2)


@pytest.mark.parametrize(
    "shape", [(), (4,), (4, 5), (0, 0), (2, 4, 5), (4, 5, 2, 2), (4, 4, 2, 3), (1, 1, 4, 4, 1)]
)
def test_a_kernel_of_another_shape_is_refused(shape):
    with unchecked(), pytest.raises(ValueError, match=r"must be .n, n., .k, n, n. or .n, n, k, k."):
        square(torch.ones(shape))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("shape", [(2, 2), (2, 2, 2), (2, 2, 2, 2)])
def test_one_bad_entry_is_refused(bad, shape):
    kernel = torch.ones(shape)
    kernel.view(-1)[-2] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        product_with(kernel)
