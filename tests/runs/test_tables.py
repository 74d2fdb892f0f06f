"""Printed tables: each text by hand, in the terminal and in Markdown."""

import math
from xml.etree import ElementTree

import pandas as pd
import pytest
from toy_runs import shown

from multiview.runs.estimates import measured
from multiview.runs.grid import Grid, in_a_cell
from multiview.runs.intervals import Kind, interval_of
from multiview.runs.tables import (
    Cell,
    Column,
    Line,
    Listing,
    each,
    estimated,
    fractions,
    given,
    lines_of,
    measure,
    printed,
)

SEEDS = 4
VALUES = {"one": [0.1, 0.2, 0.3, 0.2], "two": [0.3, 0.3, 0.4, 0.5], "none": [0.0] * 4}


def table(**more):
    """A line a seed and method; the errors of "none" are counted in views."""
    lines = [
        {"seed": seed, "method": method, "error": values[seed], "size": 3.0, "sizes": [0.25, 0.75]}
        for method, values in (VALUES | more).items()
        for seed in range(SEEDS)
    ]
    found = pd.DataFrame(lines)
    return found.assign(
        error_of=found["method"].map(lambda name: 20.0 if name == "none" else math.nan)
    )


def texts(column, where, of=None):
    """What a column prints on a line."""
    return column.text(table() if of is None else of, Line(label="a line", where=where)).text


ONE, TWO = {"method": "one"}, {"method": "two"}


def ends(values, scale=100, places=1, units=None, kind: Kind = "number"):
    found = interval_of(values, units, kind)
    return f"[{scale * found.low:.{places}f}, {scale * found.high:.{places}f}]"


def test_a_measure_is_printed_with_its_interval():
    assert texts(measure("", "error"), ONE) == f"20.0 {ends(VALUES['one'])}"
    number = measure("", "error", unit="number")
    assert texts(number, ONE) == f"0.200 {ends(VALUES['one'], 1, 3)}"
    assert texts(measure("", "error", digits=2), ONE) == f"20.00 {ends(VALUES['one'], places=2)}"
    assert texts(measure("", "error", interval=False), ONE) == "20.0"
    assert texts(measure("", "error", method="two"), ONE).startswith("37.5 [")  # instead
    counted = texts(measure("", "error"), {"method": "none"})
    assert counted == f"0.0 {ends([0.0] * 4, units=20, kind='fraction')}"


def test_a_difference_is_paired_and_its_own_line_is_empty():
    column = measure("", "error", minus=ONE, unit="points")
    paired = [b - a for a, b in zip(VALUES["one"], VALUES["two"], strict=True)]
    assert texts(column, TWO) == f"17.5 {ends(paired)}"
    assert texts(column, ONE) == ""


def test_a_gain_is_how_much_less_the_line_has():
    column = measure("", "error", gain_over=TWO, unit="points")
    paired = [b - a for a, b in zip(VALUES["one"], VALUES["two"], strict=True)]
    assert texts(column, ONE) == f"17.5 {ends(paired)}"
    assert texts(column, TWO) == ""
    elsewhere = measure("", "error", gain_over=TWO, unit="points", method="one")
    assert texts(elsewhere, TWO) == texts(column, ONE)


def test_gains_and_differences_are_opposite_and_keep_what_they_are_counted_in():
    counted = table(many=[0.1, 0.0, 0.05, 0.0]).assign(error_of=20.0)
    many, line = {"method": "many"}, Line(label="", where={"method": "none"})
    gained = measure("", "error", unit="points", gain_over=many).text(counted, line)
    lost = measure("", "error", unit="points", minus=many).text(counted, line)
    assert (gained.method, lost.method) == ("views", "views")
    assert lost.text.startswith(f"-{gained.text.split()[0]} [")
    with pytest.raises(ValueError, match="either a difference or a gain"):
        measure("both", "error", minus=ONE, gain_over=TWO)


def test_any_estimate_may_be_printed():
    def ratio(line):
        other = measured("error", "two")
        return None if line.where == TWO else measured("error", **line.where) / other

    column = estimated("", ratio, unit="number", interval=False)
    assert texts(column, TWO) == ""
    expected = sum(a / b for a, b in zip(VALUES["one"], VALUES["two"], strict=True)) / SEEDS
    assert texts(column, ONE) == f"{expected:.3f}"


@pytest.mark.parametrize(
    ("values", "unit", "text"),
    [
        ([0.0, 0.0, 0.0, 0.1], "percent", "2.5 [0.0, 10.5]"),  # -5.5 would be no percentage
        ([1.0, 1.0, 1.0, 0.9], "percent", "97.5 [89.5, 100.0]"),
        ([0.0, 0.0, 0.0, 0.1], "points", "2.5 [-5.5, 10.5]"),
        ([0.2] * 4, "percent", "20.0 [?]"),
        ([0.2, math.nan, math.nan, math.nan], "percent", "20.0 [?]"),
        ([12.0] * 4, "number", "12.0 [?]"),
        ([-0.0001, 0.0, 0.0, 0.0], "points", "0.0 [0.0, 0.0]"),  # and not -0.0
        ([math.nan] * 4, "percent", ""),
        ([math.inf, 0.0, 0.0, 0.0], "percent", "infinite"),
    ],
)
def test_ends_are_cut_and_unknown_ends_say_so(values, unit, text):
    assert texts(measure("", "error", unit=unit), {"method": "x"}, table(x=values)) == text


def test_a_cell_says_how_its_interval_was_made_and_of_how_many_values():
    some = table(x=[0.1, math.nan, 0.3, 0.2], equal=[0.5] * 4)
    cells = {name: printed(some, measured("error", name)) for name in ("x", "none", "equal")}
    assert {name: (cell.method, cell.n) for name, cell in cells.items()} == {
        "x": ("t", 3),
        "none": ("views", 4),
        "equal": ("none", 4),
    }
    assert printed(some, measured("error", "nobody")) == Cell("")
    assert printed(some, measured("absent", "x")) == Cell("")
    assert printed(some, measured("error", "x"), interval=False).method == ""


def test_two_lines_of_a_repetition_are_an_error_and_no_empty_cell():
    with pytest.raises(ValueError, match="two lines of one repetition"):
        texts(measure("", "error"), {"size": 3.0})


def test_published_numbers_stand_by_the_last_label():
    column = given("paper", {"one": "12.3"})
    labels = ["one", "two", ("few", "one"), ("one", "two")]
    found = [column.text(table(), Line(label=label)).text for label in labels]
    assert found == ["12.3", "", "12.3", ""]
    assert column.text(table(), Line(label="one")).n == 0


def test_lists_of_fractions_are_averaged_place_by_place():
    column = fractions("", "sizes")
    lists = pd.DataFrame(
        {"seed": [0, 1, 2], "method": "one", "sizes": [[0.1, 0.9], [0.3, 0.7], None]}
    )
    cell = column.text(lists, Line(label="", where=ONE))
    assert (cell.text, cell.n) == ("20/80", 2)
    assert texts(column, {"method": "nobody"}) == ""
    assert texts(fractions("", "absent"), ONE) == ""


def test_a_mean_of_fractions_that_ends_in_a_half_is_rounded_alike_by_every_python():
    """Python 3.12 sums floats more exactly; added one by one, these give 88.50000000000001."""
    values = [17 / 20] * 3 + [18 / 20] * 7
    lists = {"seed": range(10), "method": "one", "sizes": [[value] for value in values]}
    assert texts(fractions("", "sizes"), ONE, pd.DataFrame(lists)) == "88"


def test_lines_are_made_of_methods_and_of_the_values_there_are():
    assert lines_of({"one": "One", "two": "Two"}, "group", size=3) == [
        Line(label="One", where={"method": "one", "size": 3}, group="group"),
        Line(label="Two", where={"method": "two", "size": 3}, group="group"),
    ]
    found = each(table(), "method", "size", size=3.0)
    assert [line.label for line in found] == [("one", "3"), ("two", "3"), ("none", "3")]
    assert found[1].where == {"method": "two", "size": 3.0}
    assert each(table(), "method", method="nobody") == []


def listing(**settings):
    lines = [
        Line(label="One", where=ONE, group="few"),
        Line(label="Two", where=TWO, group="few"),
        Line(label="Gap", where={"method": "gap"}, group="many"),
        Line(label="Nobody", where={"method": "nobody"}, group="many"),
    ]
    columns = [measure("error, %", "error"), given("paper", {"One": "12", "Nobody": "13"})]
    settings = {"title": "Errors", "lines": lines, "columns": columns, **settings}
    return Listing(**settings)


GAP = {"gap": [0.1, math.nan, 0.2, 0.4]}


def test_a_listing_is_lines_times_columns():
    grid = listing().grid(table(**GAP))
    assert grid.title == "Errors"
    assert grid.headings == ("", "error, %", "paper")
    assert [(group, row[0], row[2]) for group, row in grid.rows] == [
        ("few", "One", "12"),
        ("few", "Two", ""),
        ("many", "Gap", ""),
    ]
    assert [row[1].endswith(" (n=3)") for _, row in grid.rows] == [False, False, True]
    assert grid.caption == "Mean [95% interval], n=4; intervals by Student's t."


def test_lines_without_a_number_are_printed_if_wanted():
    grid = listing(empty=True).grid(table(**GAP))
    assert grid.rows[-1] == ("many", ("Nobody", "", "13"))


def test_the_caption_names_every_kind_of_interval_once():
    lines = lines_of({name: name for name in ("one", "none", "equal")})
    grid = listing(lines=lines).grid(table(equal=[0.2] * 4))
    assert grid.caption == (
        "Mean [95% interval], n=4; fractions of views by binomial intervals with the view as the "
        "unit; other numbers by Student's t; [?] where there is one value, or all agree, and "
        "nothing shows their spread."
    )
    plain = listing(columns=[measure("", "error", interval=False)]).grid(table())
    assert plain.caption == "Mean [95% interval], n=4."


def test_several_labels_have_several_headings():
    lines = each(table(), "method", "size")
    grid = listing(lines=lines, labels=("method", "size"), columns=[measure("e", "error")])
    found = grid.grid(table())
    assert found.headings == ("method", "size", "e")
    assert [row[:2] for _, row in found.rows] == [("one", "3"), ("two", "3"), ("none", "3")]


def test_a_column_of_ones_own_sees_table_and_line():
    column = Column(heading="c", text=lambda t, line: Cell(f"{line.label} of {len(t)}", n=1))
    grid = listing(columns=[column]).grid(table())
    assert grid.rows[0] == ("few", ("One", "One of 12 (n=1)"))


NASTY = Grid(
    "A [k] title", "Of [n] values.", ("", "a|b"), [("g|h", ("x [bold] | y\nz", "1 [0, 2]"))]
)


def test_markdown_is_one_line_a_row_whatever_the_texts_hold():
    lines = NASTY.markdown().splitlines()
    assert lines == [
        "A [k] title. Of [n] values.",
        "",
        r"|   | a\|b |",
        "| --- | --- |",
        r"| **g\|h** | |",
        r"| x [bold] \| y z | 1 [0, 2] |",
    ]
    assert in_a_cell(" a |\n b ") == r"a \| b"


def test_markdown_without_a_title_is_the_table_alone():
    assert Grid("", "", ("h",), [("", ("1",))]).markdown() == "| h |\n| --- |\n| 1 |"


def test_brackets_are_text_in_the_terminal():
    text = shown(NASTY.rich())
    for part in ("A [k] title", "Of [n] values.", "a|b", "G|H", "x [bold] | y", "1 [0, 2]"):
        assert part in text


def test_groups_have_a_heading_where_they_begin():
    rows = [("", ("a",)), ("g", ("b",)), ("g", ("c",)), ("h", ("d",))]
    grid = Grid("T", "", ("x",), rows)
    found = [line.strip(" |*") for line in grid.markdown().splitlines()[4:]]
    assert found == ["a", "g", "b", "c", "h", "d"]
    text = shown(grid.rich())
    assert [text.index(each) for each in ("a", "G", "b", "H", "d")] == sorted(
        text.index(each) for each in ("a", "G", "b", "H", "d")
    )
    assert text.count("G") == 1


def test_a_notebook_shows_texts_and_no_markup():
    """Every text comes back from the HTML as it was, in its place, whatever it holds."""
    grid = Grid(
        "a < b & c",
        "<script>alert(1)</script>",
        ("<b>", 'the "mean"'),
        [("one", ("x<y", "1 & 2")), ("one", ("", "3")), ("<two>", ("</td>", "4"))],
    )
    found = grid._repr_html_()
    root = ElementTree.fromstring(f"<div>{found}</div>")
    lines = [[each.text or "" for each in line] for line in root.iter("tr")]
    groups = [["one"], ["<two>"]]
    texts = [["x<y", "1 & 2"], ["", "3"], ["</td>", "4"]]
    assert lines == [["<b>", 'the "mean"'], groups[0], *texts[:2], groups[1], texts[2]]
    heads = ["<b>", 'the "mean"', "one", "x<y", "<two>", "</td>"]  # an empty text heads nothing
    assert [each.text for each in root.iter("th")] == heads
    assert [each.text for each in root.iter("caption")] == ["a < b & c"]
    assert root.find("p") is not None
    assert "<script" not in found
    assert "caption" not in Grid("", "", ("a",), [])._repr_html_()
