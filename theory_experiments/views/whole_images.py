"""The network that the presets ``hours`` train on all images of CIFAR."""

from multiview.bench.nets import Fast

HOURS_NET = Fast(widths=(32, 64, 128))
