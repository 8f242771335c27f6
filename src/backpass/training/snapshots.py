"""The state of a training run, and its snapshot: what a checkpoint holds of it.

Parameters, optimiser state, random generator, the epoch's order and how far it has come, and the
history: the trainer advances this state; a snapshot of it is JSON values and arrays.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.core.schedules import Clock
from backpass.errors import ModelFileError
from backpass.storage.schema import AnyOf, Int, ListOf, MapOf, Number, OneOf, Schema, Text
from backpass.training.batches import Sampler, steps_per_epoch
from backpass.training.history import History

_ARRAY: dict[str, Schema] = {
    "dtype": OneOf("uint32", "uint64"),
    "values": ListOf(Int(min=0, max=2**64 - 1)),
}
_VALUE = AnyOf(Number(), _ARRAY)
_MOST = {"pos": 624, "buffer_pos": 4}  # NumPy takes any place in its buffers, also beyond them

GENERATOR_SCHEMA: Schema = MapOf(AnyOf(Text(), _VALUE, MapOf(_VALUE)))
"""What the JSON of a generator's state must look like."""


def generator_state(rng: Any) -> dict[str, Any]:
    """Return the state of a ``Generator`` or ``RandomState`` as JSON values.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> state = generator_state(rng)
    >>> first = rng.random()
    >>> set_generator_state(rng, state)
    >>> rng.random() == first
    True
    """
    if isinstance(rng, np.random.RandomState):
        state = rng.get_state(legacy=False)
    else:
        state = rng.bit_generator.state
    found: dict[str, Any] = _as_json(state)
    return found


def set_generator_state(rng: Any, state: dict[str, Any]) -> None:
    """Set `rng` to where `generator_state` found it.

    Parameters
    ----------
    rng : Generator or RandomState
        Of the same kind as the one whose state it was.
    state : dict
        As `generator_state` returns it.

    Raises
    ------
    ModelFileError
        When it is the state of another kind of generator.
    """
    inner = state.get("state", {})
    for key, most in _MOST.items():
        value = state.get(key, inner.get(key, 0) if isinstance(inner, dict) else 0)
        if not (isinstance(value, int) and 0 <= value <= most):
            raise ModelFileError(f"random generator: {key} must be 0 to {most}; train again")
    try:
        if isinstance(rng, np.random.RandomState):
            rng.set_state(_from_json(state))
        else:
            rng.bit_generator.state = _from_json(state)
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        raise ModelFileError(
            f"the state of the random generator does not fit a {type(rng).__name__} ({error}); "
            "give a generator of the same kind"
        ) from error


def _as_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "values": value.tolist()}
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if set(value) == {"dtype", "values"}:
        return np.array(value["values"], dtype=value["dtype"])
    return {key: _from_json(item) for key, item in value.items()}


FINISHED = ("max_epochs", "converged", "callback")
"""Reasons to stop after which there is nothing left to do; after the others training goes on."""

_COUNTS = ("epochs", "best_epoch", "stalled")
_CURVES = [f.name for f in fields(History) if f.default_factory is list]

_COUNT = Int(min=0, max=2**53)  # more than any run comes to, and exact in every number

SNAPSHOT_SCHEMA: dict[str, Schema] = {
    "run": MapOf(Text()),
    "generator_at_start": GENERATOR_SCHEMA,
    "generator": GENERATOR_SCHEMA,
    "clock": dict.fromkeys(Clock._fields, _COUNT),
    "history": dict.fromkeys(_COUNTS, _COUNT),
    "progress": {"first_epoch": _COUNT, "done": _COUNT, "last_rate": Number(min=0)},
    "steps": _COUNT,
    "seconds": Number(min=0),
    "stop": OneOf("", *FINISHED),
}
"""What the JSON of a checkpoint must look like."""


@dataclass
class TrainingState:
    """Where a training run stands between two steps: all that the rest of it depends on."""

    parameters: Array  # the flat buffer of the network that is trained, (P,)
    history: History
    sampler: Sampler  # with the order of the present epoch and the random generator
    last_rate: float  # the learning rate of the last step
    optimizer: dict[str, Array] | None = None  # the optimiser's state; None where it begins
    steps: int = 0  # steps that led to it
    first_epoch: int = 0  # epochs that the history had when training began
    done: int = 0  # rows of the present epoch that were trained on
    costs: list[Any] = field(default_factory=list)  # what the present epoch's steps reported

    @property
    def epoch(self) -> int:
        """The epoch under way, or the last one where none is, counted from 1."""
        return self.history.epochs + (self.done > 0)


def snapshot(state: TrainingState, stop: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return JSON values and arrays from which training can go on.

    Parameters
    ----------
    state : TrainingState
        With the optimiser's state.
    stop : str
        Why training has ended, of `FINISHED`; "" where it has not.
    """
    history, sampler = state.history, state.sampler
    told = {
        "clock": history.clock._asdict(),
        "history": {name: getattr(history, name) for name in _COUNTS},
        "progress": {
            "first_epoch": state.first_epoch,
            "done": state.done,
            "last_rate": float(state.last_rate),
        },
        "generator": generator_state(sampler.rng),
        "steps": int(state.steps),
        "stop": stop,
    }
    arrays = {
        "parameters": state.parameters,
        "costs": np.concatenate(state.costs) if state.costs else np.empty((0, 2)),
        "order": sampler.order.astype(np.int64),
        "best": np.array([history.best_loss, history.best_score], dtype=np.float64),
        **{f"state.{name}": array for name, array in (state.optimizer or {}).items()},
        **{f"curve.{name}": _curve(getattr(history, name)) for name in _CURVES},
    }
    if history.best_parameters is not None:
        arrays["best_parameters"] = history.best_parameters
    return told, arrays


def restore(
    state: TrainingState, slots: Sequence[str], told: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Set the state of a run of the same network, data and settings to that of a snapshot.

    Parameters
    ----------
    state : TrainingState
    slots : sequence of str
        Names of the arrays in the optimiser's state.
    told, arrays : mapping
        As `snapshot` returned them.

    Raises
    ------
    ModelFileError
        When the arrays do not fit the run.
    """
    flat, sampler, at = state.parameters, state.sampler, told["progress"]
    of_parameters = ["parameters", *(f"state.{slot}" for slot in slots)]
    of_parameters += ["best_parameters"] * ("best_parameters" in arrays)
    for name in of_parameters:
        _require(arrays, name, flat.shape, flat.dtype)
        if not name.startswith("state.") and not np.isfinite(arrays[name]).all():
            raise ModelFileError(f"tensor {name}: a parameter is not a finite number; train again")
    n, M = len(sampler.rows), sampler.batch_size
    _require(arrays, "order", sampler.order.shape, np.dtype(np.int64))
    places = 2**62 if sampler.sampling == "blocks" else n
    if n and not 0 <= arrays["order"].min() <= arrays["order"].max() < places:
        raise ModelFileError("tensor order: a place is not among the rows; train again")
    steps = steps_per_epoch(at["done"], M)
    if at["done"] > n or (at["done"] < n and at["done"] % M):
        raise ModelFileError("progress.done: no mini-batch ends there; train again")
    _require(arrays, "costs", (steps, 2), np.dtype(np.float64))
    _require(arrays, "best", (2,), np.dtype(np.float64))
    flat[...] = arrays["parameters"]
    _restore_history(state.history, told, arrays)
    sampler.order = arrays["order"].astype(sampler.order.dtype)
    set_generator_state(sampler.rng, told["generator"])
    state.first_epoch, state.last_rate, state.done = at["first_epoch"], at["last_rate"], at["done"]
    state.costs = [arrays["costs"]] if steps else []
    state.optimizer = {slot: arrays[f"state.{slot}"] for slot in slots}
    state.steps = told["steps"]


def _restore_history(history: History, told: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    for name in _COUNTS:
        setattr(history, name, told["history"][name])
    for name in _CURVES:
        _check_curve(arrays, name, history.epochs)
        setattr(history, name, arrays[f"curve.{name}"].tolist())
    history.best_loss, history.best_score = arrays["best"].tolist()
    history.best_parameters = arrays.get("best_parameters")
    history.clock, history.stop_reason = Clock(**told["clock"]), told["stop"]


def _check_curve(arrays: Mapping[str, Any], name: str, epochs: int) -> None:
    """Refuse a curve that does not have a number (or a list of them) for each epoch, or none."""
    found = arrays.get(f"curve.{name}")
    if found is None:
        raise ModelFileError(f"tensor curve.{name} is missing; train again")
    axes = 2 if name == "layer_gradient_norms" else 1
    if len(found.shape) != axes or len(found) != epochs:
        _require(arrays, f"curve.{name}", (0,), np.dtype(np.float64))
    _require(arrays, f"curve.{name}", found.shape, np.dtype(np.float64))
    if name == "loss_curve" and not np.isfinite(found).all():
        raise ModelFileError("tensor curve.loss_curve: a loss is not a finite number; train again")


def _curve(values: Any) -> Any:
    return np.array(values, dtype=np.float64)


def _require(arrays: Mapping[str, Any], name: str, shape: Any, dtype: Any) -> None:
    """Refuse a tensor that is missing or does not fit."""
    array = arrays.get(name)
    if array is None or array.shape != shape or array.dtype != dtype:
        found = "missing" if array is None else f"{array.shape} {array.dtype}"
        raise ModelFileError(f"tensor {name} must be {shape} {dtype}, but is {found}; train again")
