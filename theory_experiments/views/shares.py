"""Columns that compare what several kinds of models gain: shares of one model's error."""

from multiview.runs.estimates import Estimate, measured
from multiview.runs.tables import Column, Line, estimated


def share_of_one(name: str) -> Column:
    """Column of a listing whose lines name a model and a role: what is left of one model's."""

    def left(line: Line) -> Estimate | None:
        if line.where["role"] == "member":
            return None
        return measured(name, **line.where) / measured(name, **{**line.where, "role": "member"})

    return estimated("of one model's error, %", left, unit="points")
