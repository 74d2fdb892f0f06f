"""Diverged: a training whose loss stopped being a number."""


class Diverged(FloatingPointError):
    """The loss became NaN or infinite; the message names the step and the settings."""
