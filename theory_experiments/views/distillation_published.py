"""Published errors of students on images, as fractions of the test images."""

import pandas as pd

from multiview.bench.images import MADE_UP

# arXiv 1503.02531, Section 3; by method and measure: what it is, and its error.
PAPER = {
    ("teacher", "error"): ("teacher, 2 x 1200 units with dropout", 67 / 10_000),
    ("labels", "error"): ("student of labels, 2 x 800 units", 146 / 10_000),
    ("hinton_T20", "error"): ("student at T=20", 74 / 10_000),
    ("missing", "error"): ("student without 3s", 206 / 10_000),
    ("missing", "class_error"): ("student without 3s, on 3s", 133 / 1010),
    ("missing_shifted", "error"): ("student without 3s, shifted", 109 / 10_000),
    ("missing_shifted", "class_error"): ("student without 3s, shifted, on 3s", 14 / 1010),
    ("pair", "error"): ("student of 7s and 8s alone", 0.473),
    ("pair_shifted", "error"): ("student of 7s and 8s alone, shifted", 0.132),
}
TOLERANCE = 0.005  # within so much a measured error agrees
# Chosen on the test images there.
SHIFTS = {
    "missing_shifted": ("student without 3s", 3.5),
    "pair_shifted": ("student of 7s and 8s alone", -7.6),
}
# README of haitongli/knowledge-distillation-pytorch, accuracies 84.74 and 85.69: a CNN of five
# layers and 50,000 images of CIFAR-10, by labels and taught by a ResNet-18. It is older than the
# mending of cached teacher outputs there.
ELSEWHERE = {"labels": 1 - 0.8474, "hinton": 1 - 0.8569}


def with_published(lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of digits with the paper's errors; NaN where it has none, and of made-up images.

    Columns: ``published_error`` and, on the digit that students never saw,
    ``published_class_error``.
    """
    for measure in ("error", "class_error"):
        known = {method: error for (method, of), (_, error) in PAPER.items() if of == measure}
        published = lines["method"].map(known.get).where(lines["data"] != MADE_UP)
        lines = lines.assign(**{f"published_{measure}": published})
    return lines
