"""Bad samples and networks of one's own, for comparisons."""

from typing import Any

import torch
from few_samples import TEST, TRAIN, D, Items, K, X, Y, linear, normed, with_value
from one_bad_input import BadInput
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from multiview.bench.recipe import plain_recipe
from multiview.comparison import compare
from multiview.distill import Hinton


def compared(name: str, message: str, **changes: Any) -> BadInput:
    """A line about a comparison with other arguments."""
    given = {"net": linear, "train": TRAIN, "test": TEST, "methods": "one", "epochs": 1} | changes
    return BadInput(name, lambda here: compare(**given), message)


SAMPLES: list[BadInput] = [
    compared(
        "inputs without labels",
        "train is a Tensor: give a pair (inputs, labels) of tensors, or a data set "
        "with a length whose items are such pairs.",
        train=X,
    ),
    compared(
        "three in place of a pair",
        "train is a tuple: give a pair (inputs, labels) of tensors, or a data set "
        "with a length whose items are such pairs.",
        train=(X, Y, Y),
    ),
    compared(
        "no samples",
        "train has 0 inputs and 0 labels: give one each, and at least one; leave "
        "validation out where there is none.",
        train=(X[:0], Y[:0]),
    ),
    compared(
        "a data set of nothing",
        "train has 0 inputs and 0 labels: give one each, and at least one; leave "
        "validation out where there is none.",
        train=Items(),
    ),
    compared(
        "a data set of inputs alone",
        "train[0] is a tuple of 1: give a data set whose items are pairs (input, label).",
        train=TensorDataset(X),
    ),
    compared(
        "inputs of several shapes",
        "inputs of train make no tensor (stack expects each tensor to be equal "
        "size, but got [5] at entry 0 and [2] at entry 1): give tensors of one "
        "shape, or numbers.",
        train=Items((X[0], 0), (X[0, :2], 1)),
    ),
    compared(
        "inputs that are text",
        "inputs of train make no tensor (too many dimensions 'str'): give tensors "
        "of one shape, or numbers.",
        train=(["a", "b"], [0, 1]),
    ),
    compared(
        "a loader for a data set",
        "train is a DataLoader: give a pair (inputs, labels) of tensors, or a data "
        "set with a length whose items are such pairs.",
        train=DataLoader(TensorDataset(X, Y)),
    ),
    compared(
        "a label too few",
        "train has 60 inputs and 59 labels: give one each, and at least one; leave "
        "validation out where there is none.",
        train=(X, Y[:-1]),
    ),
    compared(
        "labels as floats",
        "labels of train is of type torch.float64: use a tensor of integers (int64).",
        train=(X, Y.double()),
    ),
    compared(
        "labels one-hot",
        "labels of train has shape (60, 3) with 2 axes: use (n,).",
        train=(X, nn.functional.one_hot(Y)),
    ),
    compared(
        "labels in 32 bits",
        "labels of train is of type torch.int32: use a tensor of integers (int64).",
        train=(X, Y.int()),
    ),
    compared(
        "a label below 0",
        "labels of train run from -1 to 1: with 2 classes use 0 to 1.",
        train=(X, Y - 1),
    ),
    compared(
        "a label of no class",
        "labels of train run from 0 to 2: with 2 classes use 0 to 1.",
        num_classes=2,
    ),
    compared(
        "a test label of no class",
        "labels of test run from 1 to 3: with 3 classes use 0 to 2.",
        test=(X[:20], Y[:20] + 1),
    ),
    compared(
        "one class",
        "labels of train are all 0, so that there is nothing to tell apart: give "
        "samples of two classes or more.",
        train=(X, Y * 0),
        test=(X[:20], Y[:20] * 0),
    ),
    compared(
        "inputs with NaN",
        "inputs of train holds 1 values that are NaN or infinite: use finite numbers.",
        train=(with_value(X, torch.nan), Y),
    ),
    compared(
        "test inputs with infinity",
        "inputs of test holds 1 values that are NaN or infinite: use finite numbers.",
        test=(with_value(X[:20], torch.inf), Y[:20]),
    ),
    compared(
        "validation of another shape",
        "validation has inputs of shape (4,), train of (5,): give the same.",
        validation=(X[:, :4], Y),
    ),
    compared(
        "inputs in 64 bits",
        "net fails on inputs of shape (2, 5) and type torch.float64: mat1 and mat2 "
        "must have the same dtype, but got Double and Float. Give inputs that it "
        "takes, or another net.",
        train=(X.double(), Y),
        test=(X[:20].double(), Y[:20]),
    ),
    compared(
        "inputs as integers",
        "net fails on inputs of shape (2, 5) and type torch.int64: mat1 and mat2 "
        "must have the same dtype, but got Long and Float. Give inputs that it "
        "takes, or another net.",
        train=(X.long(), Y),
        test=(X[:20].long(), Y[:20]),
    ),
    compared(
        "test inputs of another type",
        "test has inputs of type torch.float64 and train of type torch.float32: give the same.",
        test=(X[:20].double(), Y[:20]),
    ),
]
NETS: list[BadInput] = [
    compared(
        "no network",
        "give net, train and test, or a setting that has samples and networks.",
        net=None,
    ),
    compared(
        "a network that is made",
        "net is a Linear, already made: give what makes one, such as lambda: "
        "MyNet(...), since every network needs weights of its own.",
        net=nn.Linear(D, K),
    ),
    compared(
        "a network by name",
        "net='resnet' makes no module: give a function that makes one.",
        net="resnet",
    ),
    compared(
        "a network of no module",
        "net makes a str: give a function that makes a torch.nn.Module.",
        net=lambda: "net",
    ),
    compared(
        "a network that is made once",
        "net gives the same weights twice, so that all networks would be one: make "
        "a new module at every call.",
        net=(lambda net: lambda: net)(nn.Linear(D, K)),
    ),
    compared(
        "a network of too many outputs",
        "net gives (2, 4) for inputs of shape (2, 5): one output for each of 3 "
        "classes is needed, (2, 3).",
        net=lambda: nn.Linear(D, K + 1),
    ),
    compared(
        "a network of other inputs",
        "net fails on inputs of shape (2, 5) and type torch.float32: mat1 and mat2 "
        "shapes cannot be multiplied (2x5 and 6x3). Give inputs that it takes, or "
        "another net.",
        net=lambda: nn.Linear(D + 1, K),
    ),
    compared(
        "a network without parameters",
        "net makes a network (Identity) of which no parameter requires gradients, "
        "so that nothing can be trained: give one with such parameters.",
        net=nn.Identity,
        num_classes=D,
    ),
    compared(
        "a network that cannot be trained",
        "net makes a network (Linear) of which no parameter requires gradients, so "
        "that nothing can be trained: give one with such parameters.",
        net=lambda: nn.Linear(D, K).requires_grad_(False),
    ),
    compared(
        "a network that needs arguments",
        "net makes no network (Linear.__init__() missing 2 required positional "
        "arguments: 'in_features' and 'out_features'): give a function that takes "
        "no argument, such as lambda: MyNet(...).",
        net=nn.Linear,
    ),
    compared(
        "a network of two outputs",
        "net gives tuple for inputs of shape (2, 5): one output for each of 3 "
        "classes is needed, (2, 3).",
        net=lambda: nn.RNN(D, K),
    ),
    compared(
        "BatchNorm on one sample",
        "batch_size=59 leaves a batch of one of 60 samples, on which a BatchNorm "
        "of the module cannot be trained: use batch_size=60, or a norm such as "
        "GroupNorm.",
        net=normed,
        recipe=plain_recipe(1, batch_size=59),
        epochs=None,
    ),
    compared(
        "methods of no kind",
        "methods['mine']='one': give a Method or an Entry.",
        methods={"mine": "one"},
    ),
    compared(
        "methods without names",
        "methods=[Hinton(temperature=4.0)]: give names, or methods of your own by "
        'name, {"mine": Student(...)}.',
        methods=[Hinton()],
    ),
    compared("no methods", "methods is empty: name at least one.", methods={}),
    compared(
        "an empty list of methods", "methods='' names none: there are {image_methods}.", methods=[]
    ),
    compared(
        "dropout without a layer for it",
        "method 'dropout': net has no nn.Dropout layer, whose rate dropout sets: add one.",
        methods="dropout",
    ),
    compared(
        "repetitions as a word",
        "seeds='3' leaves nothing to compute: use an integer of at least 1.",
        seeds="3",
    ),
    compared(
        "no repetitions",
        "seeds=0 leaves nothing to compute: use an integer of at least 1.",
        seeds=0,
    ),
    compared(
        "members by half", "members=1.5 is a count: use members >= 1, an integer.", members=1.5
    ),
    compared("no epochs", "epochs=0 is a count: use epochs >= 1, an integer.", epochs=0),
    compared(
        "epochs twice",
        "epochs=1 does not apply where a recipe is given: set it there.",
        recipe=plain_recipe(1),
    ),
    compared(
        "a recipe by name", "recipe='fast' is no Recipe: use a Recipe.", recipe="fast", epochs=None
    ),
    compared(
        "samples and a setting",
        "train does not apply where a setting is given: leave it out, or set it there.",
        setting="patches",
    ),
    compared(
        "a setting of no kind",
        "setting=3: give a name or a Setting.",
        setting=3,
        net=None,
        train=None,
        test=None,
        epochs=None,
    ),
    compared(
        "images without a folder",
        "data_dir=None: mnist is read from --data-dir: give the folder that holds "
        "it (`multiview data verify DIR` says what is in one).",
        setting="mnist",
        net=None,
        train=None,
        test=None,
        epochs=None,
    ),
    compared(
        "an unknown device",
        "device='abacus' is not available here ({torch_says}): use cpu.",
        device="abacus",
    ),
]
