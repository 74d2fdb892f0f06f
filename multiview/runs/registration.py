"""Claims as they were when their run was first planned, so that later edits show."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from multiview.runs.claims import Claim


def registered(claim: Claim) -> dict[str, Any]:
    """What a run file keeps of a claim, so that a later edit shows. An open end is None."""
    return {
        "name": claim.name,
        "source": claim.source,
        "statement": claim.statement,
        "predicted": [end if math.isfinite(end) else None for end in claim.predicted],
        "kind": claim.kind,
        "decided": claim.decided,
        "primary": claim.primary,
        "digest": hashlib.sha256(claim.estimate.text.encode()).hexdigest()[:16],
    }


def edited(claim: Claim, registration: Mapping[str, Any] | None) -> list[str]:
    """The fields in which ``claim`` differs from its registration.

    "added" stands first if it has none, or was registered when rows had been seen.
    """
    if registration is None:
        return ["added"]
    now, added = registered(claim), ["added"] if registration.get("added") else []
    return added + [n for n in now if n not in registration or registration[n] != now[n]]
