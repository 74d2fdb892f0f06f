"""Bad command lines of `multiview compare`."""

from one_bad_input import BadInput, usage

COMPARISONS: list[BadInput] = [
    usage(
        "an unknown method",
        "compare --methods one,hintom",
        "methods='one,hintom': 'hintom' is no method; there are {methods}.",
    ),
    usage("no method", "compare --methods ,", "methods=',' names none: there are {methods}."),
    usage(
        "no members", "compare --members 0", "members=0 is a count: use members >= 1, an integer."
    ),
    usage(
        "no samples",
        "compare --num-train 0",
        "num_train=0 is a count: use num_train >= 1, an integer.",
    ),
    usage(
        "epochs below none",
        "compare --epochs -1",
        "epochs=-1 is a count: use epochs >= 1, an integer.",
    ),
    usage(
        "epochs that are no integer",
        "compare --epochs 1.5",
        "Value error Error parsing --epochs: '1.5' is no integer: use one such as "
        "3. Argument helptext: --epochs INT Epochs of every training, as the "
        "setting has them unless said otherwise. (default: None) For full "
        "helptext, see compare.py --help",
    ),
    usage(
        "no repetitions",
        "compare --seeds 0",
        "seeds=0 leaves nothing to compute: use an integer of at least 1.",
    ),
    usage(
        "an unknown setting",
        "compare --setting imagenet",
        "Invalid choice invalid choice 'imagenet' for argument '--setting'. "
        "Expected one of ('patches', 'cifar10', 'cifar100', 'mnist'). For full "
        "helptext, run compare.py --help",
    ),
    usage(
        "an unknown network",
        "compare --setting mnist --net vgg",
        "Invalid choice invalid choice 'vgg' for argument '--net'. Expected one of "
        "('fast', 'quick', 'dense', 'lenet', 'resnet', 'wide_resnet'). For full "
        "helptext, run compare.py --help",
    ),
    usage(
        "a network of images on patches",
        "compare --net fast",
        "net='fast' is a network of images, and patches have their own: leave it out.",
    ),
    usage(
        "no folder of images",
        "compare --setting mnist",
        "data_dir=None: mnist is read from --data-dir: give the folder that holds "
        "it (`multiview data verify DIR` says what is in one).",
    ),
    usage(
        "images nowhere",
        "compare --setting mnist --data-dir .",
        ". holds no mnist: expected MNIST/raw, or its files in . itself. Mend it: "
        "mkdir -p MNIST/raw curl -L "
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-images-idx3-ubyte.gz "
        "| gzip -d > MNIST/raw/train-images-idx3-ubyte curl -L "
        "https://ossci-datasets.s3.amazonaws.com/mnist/train-labels-idx1-ubyte.gz "
        "| gzip -d > MNIST/raw/train-labels-idx1-ubyte curl -L "
        "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-images-idx3-ubyte.gz | "
        "gzip -d > MNIST/raw/t10k-images-idx3-ubyte curl -L "
        "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz | "
        "gzip -d > MNIST/raw/t10k-labels-idx1-ubyte",
    ),
    usage(
        "dropout of patches of images",
        "compare --setting mnist --methods patch_dropout",
        "method 'patch_dropout': kind='patch' drops patches of synthetic samples, "
        "and these inputs have none: use kind='neuron'.",
    ),
    usage(
        "dropout without a layer for it",
        "compare --setting mnist --methods dropout",
        "method 'dropout': Fast has no dropout layer: use net=Quick() or Dense(...).",
    ),
    usage(
        "gates without a layer for them",
        "compare --setting cifar10 --methods gates",
        "method 'gates': FastNet cannot have these gates: BatchNorm2d behind other "
        "layers would cancel the gates of the convolution before them: put it "
        "right behind the convolution.",
    ),
    usage(
        "kernels of too many",
        "compare --setting mnist --num-train 50000 --methods kernel",
        "method 'kernel': num_train=50000: tangent kernels of more than 10000 "
        "samples do not fit into memory: use fewer samples, or no kernels.",
    ),
    usage(
        "a device without numbers",
        "compare --device meta",
        "device='meta' is not available here (Tensor.item() cannot be called on "
        "meta tensors): use cpu.",
    ),
]
