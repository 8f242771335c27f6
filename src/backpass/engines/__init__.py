"""Who computes a training step: the readable reference engine, or the same in C++.

An engine trains a :class:`~backpass.core.parameters.Model` on batches of rows; everything that
steers training (epochs, order, schedule, stopping, progress) stays in
:mod:`backpass.training.trainer`. The reference engine is the readable
:mod:`backpass.core.backprop`, batch by batch; the native engine is the same algorithm in C++.
"""

from collections.abc import Callable
from typing import cast

from backpass.core.arrays import Array
from backpass.core.parameters import Model
from backpass.engines.extension import missing, warn_once_if_missing
from backpass.engines.native import NativeEngine, NativeRowPredictor, model_obstacle
from backpass.engines.protocols import Engine, Evaluation, Problem, RowPredictor, Run
from backpass.engines.reference import ReferenceEngine, ReferenceRowPredictor
from backpass.errors import InputError

__all__ = [
    "ENGINES",
    "Engine",
    "Evaluation",
    "Problem",
    "Run",
    "choose",
    "predictor",
    "row_predictor",
]


ENGINES: dict[str, Engine] = {"native": NativeEngine(), "reference": ReferenceEngine()}
"""Engines by name, the fastest first."""


def choose(name: str | Engine, problem: Problem) -> Engine:
    """Return the engine called `name`, or for ``"auto"`` the fastest that can train on `problem`.

    An engine stands for itself.

    Raises
    ------
    InputError
        When the engine is unknown, or cannot train on the problem and was asked for by name.

    Examples
    --------
    >>> choose("warp", None)
    Traceback (most recent call last):
    backpass.errors.InputError: unknown engine 'warp'; known: auto, native, reference
    """
    if hasattr(name, "obstacle"):
        return cast(Engine, name)
    return _first(name, lambda engine: engine.obstacle(problem), "train")


def predictor(name: str, model: Model, X: Array) -> Engine:
    """Return the engine called `name`, or the fastest that can compute `model` on `X`."""
    return _first(name, lambda engine: engine.prediction_obstacle(model, X), "compute")


def _first(name: str, obstacle: Callable[[Engine], str | None], what: str) -> Engine:
    """Return the engine called `name`, or the first one, if nothing stands in its way."""
    if name != "auto" and name not in ENGINES:
        raise InputError(f"unknown engine {name!r}; known: auto, {', '.join(ENGINES)}")
    candidates = list(ENGINES.values()) if name == "auto" else [ENGINES[name]]
    if name == "auto":
        warn_once_if_missing()
    for engine in candidates:
        why = obstacle(engine)
        if why is None:
            return engine
    raise InputError(f"engine {name!r} cannot {what} this: {why}")


def row_predictor(model: Model) -> RowPredictor:
    """Return the fastest way to predict single rows with `model`."""
    if missing() is None and model_obstacle(model) is None:
        return NativeRowPredictor(model)
    return ReferenceRowPredictor(model)
