"""Named random streams: one integer seed, one independent generator per name."""

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def stream(seed: int, *names: str | int) -> "torch.Generator":
    """Return the CPU generator that belongs to ``names`` under ``seed``.

    The state is a hash of the arguments, so a new draw somewhere moves no other draw, and the
    same arguments give the same stream on every platform and in every version.

    Args:
        seed: The experiment's seed, any integer.
        names: What the stream is for, e.g. ``stream(0, "init", member)``. The integer 1 and
            the string "1" are different names.

    Raises:
        TypeError: If ``seed`` is not an integer or a name is neither string nor integer.
    """
    import torch  # here, for the package is also imported to print a text

    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an integer, got {seed!r}: use int(...).")
    for name in names:
        if isinstance(name, bool) or not isinstance(name, str | int):
            raise TypeError(f"a stream's name is a string or an integer, got {name!r}.")
    # JSON, unlike repr, is ASCII and writes an enum's member like its value, in every version.
    digest = hashlib.sha256(json.dumps([seed, *names]).encode()).digest()
    # torch's Mersenne twister keeps 32 bits of its seed; more would be dropped silently.
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
