"""Inner products of Jacobians: every way to add up the outputs."""

import pytest
import torch

from multiview import stream
from multiview.ntk.contract import LONG, jacobian_products


@pytest.mark.parametrize("parameters", [3, LONG - 1, LONG, LONG + 5])
@pytest.mark.parametrize(
    ("outputs", "sums"),
    [
        ("trace", "rop,cop->rc"),
        ("per_class", "rop,cop->orc"),
        ("full", "rap,cbp->abrc"),
    ],
)
def test_products_are_those_of_einsum(outputs, sums, parameters):
    drawn = stream(0, "jacobians")
    rows, columns = (
        torch.randn(n, 3, parameters, dtype=torch.float64, generator=drawn) for n in (4, 5)
    )
    found = jacobian_products(rows, columns, outputs)
    torch.testing.assert_close(found, torch.einsum(sums, rows, columns))
