"""What is judged with the view as the unit, and how much of it counts as a difference."""

import math

from multiview.comparison.entries import counted_in_views

__all__ = ["LESS", "MARGIN", "MORE", "NO_LESS", "NO_MORE", "SAME", "WORDS", "counted_in_views"]

# Of the fraction of views covered, and of single-view errors: one view in twenty. Differences at
# least as large count, smaller ones do not, in every experiment alike.
MARGIN = 0.05
MORE = (MARGIN, math.inf)
NO_MORE = (-math.inf, MARGIN)
LESS = (-math.inf, -MARGIN)
NO_LESS = (-MARGIN, math.inf)
SAME = (-MARGIN, MARGIN)
WORDS = {
    MORE: f"by {MARGIN} or more",
    NO_MORE: f"to {MARGIN}",
    LESS: f"by {MARGIN} or more",
    NO_LESS: f"to {MARGIN}",
    SAME: f"to {MARGIN}",
}
