"""One module a figure: ``draw(table) -> Figure``."""
