"""Products in bfloat16: by the processor where it has them, and elsewhere to the same numbers.

Where a processor has none, torch takes tens of times as long for a product in bfloat16 as for one
in float32: 27 times for two square matrices of 1,500 on an AVX2 processor.
"""

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

# As torch.cpu.get_capabilities calls them. The instructions of other ARM processors are left out:
# not every build of torch multiplies matrices with them.
INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "sve_bf16")


def is_native(device: torch.device) -> bool:
    """Whether products in bfloat16 are faster than in float32; taken for granted of a GPU."""
    return device.type != "cpu" or _processor_has_it()


@cache
def _processor_has_it() -> bool:
    known = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(each, False) for each in INSTRUCTIONS)


def product(
    a: Float[Tensor, "n d"], b: Float[Tensor, "d k"], out: Float[Tensor, "n k"]
) -> Float[Tensor, "n k"]:
    """The product of two matrices of one type, written to ``out``.

    In bfloat16 sums are taken in float32 and rounded at the end, as instructions for it do; so
    processors differ in the order of sums alone.
    """
    if a.dtype != torch.bfloat16 or is_native(a.device):
        return torch.mm(a, b, out=out)
    return out.copy_(torch.mm(a.float(), b.float()))
