"""Products in bfloat16 where the processor has none: the same numbers, by float32."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from multiview import stream
from multiview.train import bfloat16
from multiview.train.bfloat16 import is_native, product

CPU = torch.device("cpu")


@pytest.fixture(params=[False, True], ids=["without", "with"])
def native(request, monkeypatch):
    monkeypatch.setattr(bfloat16, "_processor_has_it", lambda: request.param)
    return request.param


def matrices(n, d, k, seed=0):
    source = stream(seed, "matrices")
    return torch.randn(n, d, generator=source), torch.randn(d, k, generator=source)


@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 70), st.integers(1, 9)),
    seed=st.integers(0, 2**16),
)
def test_sums_are_exact_and_rounded_once(sizes, seed):
    a, b = (each.bfloat16() for each in matrices(*sizes, seed=seed))
    exact = a.double() @ b.double()
    for has_it in (False, True):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bfloat16, "_processor_has_it", lambda has_it=has_it: has_it)
            found = product(a, b, torch.empty(len(a), b.shape[1], dtype=torch.bfloat16))
        assert found.dtype == torch.bfloat16
        # Half of the last of 8 bits, and what float32 loses in sums that cancel.
        lost = 1e-6 * (a.double().abs() @ b.double().abs())
        assert ((found.double() - exact).abs() <= 2**-8 * exact.abs() + lost).all()


def test_float32_is_the_product_of_torch(native):
    a, b = matrices(5, 40, 7)
    out = torch.empty(5, 7)
    assert product(a, b, out) is out
    assert out.equal(a @ b)


def test_it_writes_where_it_is_told(native):
    a, b = (each.bfloat16() for each in matrices(5, 40, 7))
    out = torch.empty(5, 7, dtype=torch.bfloat16)
    assert product(a, b.T.contiguous().T, out) is out
    assert out.equal(product(a, b, torch.empty_like(out)))


def test_a_processor_without_the_instructions_multiplies_in_float32(native, monkeypatch):
    asked = []
    multiply = torch.mm
    monkeypatch.setattr(
        torch, "mm", lambda *m, **o: (asked.append(m[0].dtype), multiply(*m, **o))[1]
    )
    a, b = (each.bfloat16() for each in matrices(3, 4, 5))
    product(a, b, torch.empty(3, 5, dtype=torch.bfloat16))
    assert asked == [torch.bfloat16 if native else torch.float32]
    assert is_native(CPU) == native


@pytest.mark.parametrize(
    ("known", "has_it"),
    [
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True, "avx2": True}, True),
        ({"sve_bf16": True}, True),
        ({"avx2": True, "avx512_bf16": False}, False),
        ({"bf16": True, "neon": True}, False),  # not every build of torch uses it
    ],
)
def test_capabilities_decide(known, has_it, monkeypatch):
    bfloat16._processor_has_it.cache_clear()
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    try:
        assert is_native(CPU) == has_it
        assert is_native(torch.device("cuda"))
    finally:
        bfloat16._processor_has_it.cache_clear()


def test_a_torch_that_does_not_say_is_taken_for_one_without(monkeypatch):
    bfloat16._processor_has_it.cache_clear()
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    try:
        assert not is_native(CPU)
    finally:
        bfloat16._processor_has_it.cache_clear()
