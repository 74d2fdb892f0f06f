"""What averaging, distillation and self-distillation will gain, from two or three networks."""

from multiview.diagnosis.calibration import Calibration, calibration
from multiview.diagnosis.diagnose import Diagnosis, diagnose
from multiview.diagnosis.predict import Interval, Prediction, gain_factor
from multiview.diagnosis.regime import KernelRegime, kernel_regime

__all__ = [
    "Calibration",
    "Diagnosis",
    "Interval",
    "KernelRegime",
    "Prediction",
    "calibration",
    "diagnose",
    "gain_factor",
    "kernel_regime",
]
