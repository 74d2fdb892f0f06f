"""One script a claim: its cells, its run, its grids."""
