"""Bookkeeping of runs: cells become rows, rows a table, claims verdicts. It knows no science."""
