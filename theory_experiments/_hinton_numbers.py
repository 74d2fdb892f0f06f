"""Published errors of Hinton's experiments on MNIST, as fractions of the test images."""

# arXiv 1503.02531, Section 3; by the columns of ``run_hinton``: what it is, and its test error.
PAPER = {
    "teacher": ("teacher, 2 x 1200 units with dropout", 67 / 10_000),
    "hard": ("student of labels, 2 x 800 units", 146 / 10_000),
    "soft": ("student at T=20", 74 / 10_000),
    "missing": ("student without 3s", 206 / 10_000),
    "missing_class": ("student without 3s, on 3s", 133 / 1010),
    "missing_shifted": ("student without 3s, shifted", 109 / 10_000),
    "missing_class_shifted": ("student without 3s, shifted, on 3s", 14 / 1010),
    "pair": ("student of 7s and 8s alone", 0.473),
    "pair_shifted": ("student of 7s and 8s alone, shifted", 0.132),
}
TOLERANCE = 0.005  # within so much a measured error agrees
SHIFTS = {"missing": 3.5, "pair": -7.6}  # chosen on the test images there
