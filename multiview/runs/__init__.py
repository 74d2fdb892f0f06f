"""Bookkeeping of runs: cells become rows, rows a table, claims verdicts. It knows no science.

**Add an experiment.** A script in ``theory_experiments`` says what a cell is, what is computed of
it, and what is claimed before any row is there; options, engines, rows and verdicts come with it:

>>> import random
>>> from dataclasses import dataclass
>>> from multiview.runs.claims import Claim
>>> from multiview.runs.estimates import measured
>>> from multiview.runs.experiment import Experiment, Preset
>>> @dataclass(frozen=True, kw_only=True)
... class Cell:
...     flips: int
...     seed: int = 0
>>> def run(cell, context):
...     coin = random.Random(cell.seed)
...     return {"coin": {"heads": sum(coin.random() < 0.5 for _ in range(cell.flips)) / cell.flips}}
>>> def claims(cells):
...     statement = "a coin shows heads half of the time, to 0.1"
...     yield Claim("fair", "symmetry", statement, (0.4, 0.6), measured("heads", "coin"))
>>> EXPERIMENT = Experiment(
...     name="coin",
...     description="Is a coin fair?",
...     run=run,
...     presets={"laptop": Preset(cells=[Cell(flips=400)], seeds=5)},
...     claims=claims,
... )

As a file that ends in ``main(EXPERIMENT)`` it is a program, ``theory_experiments/coin.py``, and
``multiview run coin`` runs it. Its picture is ``figures/coin.py``, whose ``draw`` takes the table.
"""
