"""A name in another library's words, or in another spelling, is answered with ours."""

from dataclasses import fields

import pytest

from backpass.core.activations import ACTIVATIONS
from backpass.core.hints import SAME_THING, closest, hint
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.schedules import SCHEDULES
from backpass.core.settings import Settings
from backpass.errors import InputError
from backpass.tabular.recipe import Recipe

NETWORK = ["sizes", "activation", "output", "loss", "init", "seed", "dtype"]
TRAINING = [*(field.name for field in fields(Settings)), "sample_weight", "seed", "on_epoch"]
RECIPE = [field.name for field in fields(Recipe)]
OPTIONS = ["--target", "--hidden", "--epochs", "--seed", "--time-limit", "--test-fraction"]
MEANT = [
    (ACTIVATIONS, "Relu:relu ReLU:relu RELU:relu LeakyReLU:leaky_relu leaky-relu:leaky_relu"),
    (ACTIVATIONS, "Sigmoid:logistic linear:identity swish:silu SiLU:silu LogSoftmax:softmax"),
    (LOSSES, "mse:squared_error MSELoss:squared_error mae:absolute_error L1Loss:absolute_error"),
    (LOSSES, "CrossEntropyLoss:cross_entropy categorical_crossentropy:cross_entropy"),
    (LOSSES, "bce:binary_cross_entropy BCEWithLogitsLoss:binary_cross_entropy SmoothL1Loss:huber"),
    (OPTIMIZERS, "Adam:adam AdamW:adamw SGD:sgd RMSprop:rmsprop nag:nesterov"),
    (SCHEDULES, "CosineAnnealingLR:cosine ReduceLROnPlateau:adaptive warmup:linear_warmup"),
    (INITIALIZERS, "xavier:glorot_uniform kaiming_normal:he_normal lecun:lecun_normal"),
    (NETWORK, "hidden_layer_sizes:sizes hidden:activation out_activation:output random_state:seed"),
    (TRAINING, "max_iter:epochs solver:optimizer tol:tolerance n_iter_no_change:patience"),
    (TRAINING, "random_state:seed learning_rate_init:learning_rate lr:learning_rate"),
    (TRAINING, "weights:sample_weight momentum:optimizer shuffle:sampling weight_decay:alpha"),
    (TRAINING, "batchsize:batch_size learningrate:learning_rate epoch:epochs"),
    (RECIPE, "hidden:hidden_layer_sizes max_iter:epochs alpha:weight_decay lr:learning_rate"),
    (OPTIONS, "--max-iter:--epochs --hidden-layer-sizes:--hidden --random-state:--seed"),
    (OPTIONS, "--test-size:--test-fraction --timeout:--time-limit --sed:--seed"),
]  # fmt: skip
CASES = [(known, *case.split(":")) for known, cases in MEANT for case in cases.split()]


@pytest.mark.parametrize(("known", "given", "meant"), CASES, ids=lambda x: str(x)[:20])
def test_what_was_meant_is_found(known, given, meant):
    assert closest(given, known) == meant
    assert hint(given, known) == f"did you mean {meant!r}?"
    if hasattr(known, "get_record"):
        with pytest.raises(InputError, match=f"unknown {known.kind} '{given}'; did you mean"):
            known.get_record(given)


def test_what_nobody_means_is_answered_with_a_list():
    assert closest("poem", ["relu", "tanh"]) is None
    assert closest("§§", ["relu", "tanh"]) is None
    assert hint("poem", ["relu", "tanh"]) == "known: relu, tanh"
    assert closest("device", ["engine", "year"], elsewhere=()) is None  # columns mean themselves


def test_every_line_of_the_table_is_of_use():
    """Each has a name of ours, and says so first."""
    ours = {name for known, _ in MEANT for name in known}
    known_later = {"alpha", "n_threads", "engine", "gradient_norms", "target", "test_fraction"}
    assert {line[0] for line in SAME_THING} <= ours | known_later | {"time_limit"}
    assert all(len(line) == len(set(line)) > 1 for line in SAME_THING)
