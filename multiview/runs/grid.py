"""Grid: a table as texts, in the terminal, as HTML or as Markdown."""

from collections.abc import Iterator
from html import escape as escaped
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rich.table import Table


class Grid(NamedTuple):
    """A table as texts."""

    title: str
    caption: str
    headings: tuple[str, ...]
    rows: list[tuple[str, tuple[str, ...]]]  # the group, and the texts

    def rich(self) -> "Table":
        """The table as the terminal shows it."""
        from rich import box
        from rich.markup import escape
        from rich.table import Table

        table = Table(
            *map(escape, self.headings),
            title=escape(self.title),
            title_justify="left",
            box=box.SIMPLE_HEAD,
        )
        table.caption, table.caption_justify = escape(self.caption), "left"
        for before, (group, texts) in zip([("", ()), *self.rows], self.rows, strict=False):
            if group and group != before[0]:
                table.add_section()
                table.add_row(escape(group.upper()))
            table.add_row(*map(escape, texts))
        return table

    def __str__(self) -> str:
        """The table as plain text of at most 100 columns."""
        from rich.console import Console

        console = Console(width=100, color_system=None, file=StringIO())
        with console.capture() as shown:
            console.print(self.rich())
        return "\n".join(line.rstrip() for line in shown.get().splitlines()).strip("\n")

    def __html__(self) -> str:
        """The table as an element of HTML, which templates take as it is.

        Whatever stands in it is text, and no markup. Headings and the texts that name lines are
        marked as such; a notebook shows the title, which the report has above the table already.
        """
        title = f'<caption class="hidden">{escaped(self.title)}</caption>\n' if self.title else ""
        headings = "".join(_cell(text, "col") for text in self.headings)
        return (
            f"<table>\n{title}<thead><tr>{headings}</tr></thead>\n<tbody>\n"
            + "".join(f"{line}\n" for line in self._lines())
            + "</tbody>\n</table>"
        )

    def _lines(self) -> Iterator[str]:
        """The lines of the table's body as HTML."""
        for before, (group, texts) in zip([("", ()), *self.rows], self.rows, strict=False):
            if group and group != before[0]:
                columns = f'scope="rowgroup" colspan="{len(self.headings)}"'
                yield f'<tr class="group"><th {columns}>{escaped(group)}</th></tr>'
            first, *others = texts
            yield f"<tr>{_cell(first, 'row')}{''.join(map(_cell, others))}</tr>"

    def _repr_html_(self) -> str:
        """The table as a notebook shows it."""
        return self.__html__() + (f"<p>{escaped(self.caption)}</p>" if self.caption else "")

    def markdown(self) -> str:
        """The table as Markdown, for a page."""
        headings = [in_a_cell(text) or " " for text in self.headings]
        lines = [f"| {' | '.join(headings)} |", f"|{' --- |' * len(headings)}"]
        for before, (group, texts) in zip([("", ()), *self.rows], self.rows, strict=False):
            if group and group != before[0]:
                lines.append(f"| **{in_a_cell(group)}** |{' |' * (len(headings) - 1)}")
            lines.append(f"| {' | '.join(map(in_a_cell, texts))} |")
        above = [f"{self.title}. {self.caption}".strip(), ""] if self.title else []
        return "\n".join([*above, *lines])


def _cell(text: str, scope: str = "") -> str:
    """A cell of an HTML table: what is no text heads nothing."""
    heads = scope and text.strip()
    return f'<th scope="{scope}">{escaped(text)}</th>' if heads else f"<td>{escaped(text)}</td>"


def in_a_cell(text: str) -> str:
    """Text that neither ends a cell of a Markdown table nor its line."""
    return " ".join(text.split()).replace("|", r"\|")
