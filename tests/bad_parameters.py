"""Wrong parameters of the estimators, and wrong settings of `train`; see `test_bad_inputs`."""

from typing import Any

import numpy as np

__all__ = ["PARAMETERS", "SETTINGS"]

NAN, INF = float("nan"), float("inf")

# what each is set to, and what the message says beside its name
PARAMETERS: dict[str, tuple[list[Any], str]] = {
    "solver": (["newton", None, 3, ["adam"], np.array(["adam", "sgd"])], "one of lbfgs, sgd"),
    "alpha": ([-1, NAN, INF, "a", None, True, 1j, [0.1]], "at least 0 finite"),
    "batch_size": ([0, -1, 1.5, "all", None, True, np.array([2, 3]), INF], "'auto' integer"),
    "learning_rate": (["fast", 3, None, "step:x=1"], "schedule known constant cosine"),
    "learning_rate_init": ([0, -1, NAN, INF, "x", None], "positive"),
    "power_t": ([-1, NAN, INF, "x"], "at least 0"),
    "max_iter": ([0, -1, 1.5, "x", None, INF, True], "integer at least 1"),
    "shuffle": (["yes", 1, None], "True or False"),
    "tol": ([-1, NAN, "x", None], "at least 0"),
    "verbose": (["loud", -1, None], "True, False or an integer"),
    "warm_start": ([1, "no"], "True or False"),
    "momentum": ([-0.1, 1.1, NAN, "x"], "between 0 and 1"),
    "nesterovs_momentum": (["x"], "True or False"),
    "early_stopping": (["yes", 1], "True or False"),
    "validation_fraction": ([1, -0.1, 1.5, NAN, "x"], "at least 0 below 1"),
    "beta_1": ([1, -1, NAN], "at least 0 below 1"),
    "beta_2": ([1, -1, NAN], "at least 0 below 1"),
    "epsilon": ([0, -1, NAN], "positive"),
    "n_iter_no_change": ([0, -1, 1.5, NAN, None], "integer inf"),
    "max_fun": ([0, -1, "x"], "integer at least 1"),
    "dropout": ([1, -0.1, NAN, "half"], "at least 0 below 1"),
    "clip_norm": ([0, -1, NAN, INF, "x"], "None positive"),
    "time_limit": ([0, -1, NAN, INF], "None positive"),
    "gradient_norms": (["yes"], "True or False"),
    "engine": (["gpu", None, 3], "known auto, native, reference"),
    "n_threads": ([0, -1, 1.5, 2000, "all"], "None integer 1024"),
    "hidden_layer_sizes": (
        [(0,), (-1,), (1.5,), "ab", (4, "x"), None, NAN, ((4,),), -3],
        "integers > 0",
    ),
    "activation": (["relux", 3, None, len, ["relu", "tanh"]], "activation"),
    "random_state": (["x", -1, 1.5, 2**40], "random_state="),
    "early_stopping_metric": (["accuracy", 3, ["accuracy"]], "early_stopping"),
    "loss": (["hinges", 3, None, "poisson"], "loss"),
    "class_weight": (
        ["even", {0: -1, 1: 1}, {5: 1}, {0: NAN, 1: 1}, {0: INF, 1: 1}, {0: 0, 1: 0}, [1, 2]],
        "class_weight=",
    ),
}

SETTINGS: dict[str, tuple[list[Any], str]] = {
    "epochs": ([0, -1, 1.5, "x", NAN], "integer of at least 1"),
    "batch_size": ([0, -1, 1.5, "auto"], "None or an integer"),
    "learning_rate": ([0, -1, NAN, INF, "x"], "positive"),
    "optimizer": (["newton", 3, "adam:beta_1=2", "momentum:momentum=x"], ""),
    "schedule": (["x", 3, "cosine:warmup=2"], ""),
    "sampling": (["x", None], "one of shuffle, replacement, sequential"),
    "alpha": ([-1, NAN, INF, "x"], "at least 0 finite"),
    "dropout": ([1, -1, NAN], "below 1"),
    "clip_norm": ([0, -1, NAN], "positive"),
    "tolerance": ([-1, NAN], "at least 0"),
    "patience": ([-1, NAN, "x"], "at least 0"),
    "gradient_norms": (["x"], "True or False"),
    "time_limit": ([0, -1, NAN], "positive"),
    "n_threads": ([0, -1, 2000], "1024"),
    "epoch": ([3], "unknown setting 'epoch' mean 'epochs'"),
    "engine": (["gpu"], "unknown engine"),
    "seed": ([-1, "x", 1.5], "seed integer of at least 0"),
    "resume": ([True], "checkpoint=FOLDER"),
    "checkpoint_every": ([3, -1], "checkpoint=FOLDER"),
    "checkpoint": (["notes", "notes/run", "a\0b", "run"], "give another folder"),
    "sample_weight": ([np.ones(3), -np.ones(40), np.full(40, NAN), "x"], "sample_weight numbers"),
    "ceiling": ([1.0], "unknown setting 'ceiling'"),
}

OTHER_SETTINGS: dict[str, tuple[list[Any], str]] = {
    "ceiling": ([NAN, -1, 0], "positive"),
    "early_stopping": (["x", 1], "True or False"),
    "outputs_averaged": (["x"], "True or False"),
}
"""Those that ``train`` does not take: the estimators' own."""
