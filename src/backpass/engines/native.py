"""The native engine: the same algorithm as :mod:`backpass.core.backprop`, in C++ (``native/``).

A run packs parameters and optimiser state once and keeps them packed; ``publish`` brings the flat
buffers up to date. Batches are gathered from the caller's array, of any dtype, stride and order,
as they are needed: the data set is never copied or cast whole. Results do not depend on the number
of threads.
"""

import math
from typing import Any

import numpy as np

from backpass.core.activations import ACTIVATIONS
from backpass.core.arrays import Array, gather, is_sparse
from backpass.core.gradient_noise import GradientNoise, check_mass
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.parameters import Model
from backpass.engines.extension import extension, instruction_set, missing
from backpass.engines.native_arrays import is_direct, readable, row_source
from backpass.engines.protocols import Evaluation, Evaluator, Problem, check_row
from backpass.engines.threads import ThreadChoice, threads_for, threads_to_predict

TARGET_ROWS = 1 << 16  # targets are checked so many at a time
STAGED_ROWS = 4096  # rows that only NumPy can read are converted so many at a time


def model_obstacle(model: Model) -> str | None:
    """Return why native code cannot compute `model`, or None where it can."""
    native, flat = extension(), model.parameters.flat
    if not isinstance(flat, np.ndarray) or flat.dtype not in (np.float32, np.float64):
        return "parameters must be NumPy arrays of float32 or float64"
    for phi in model.activations:
        if not (native.knows("activation", phi.name) and ACTIVATIONS.is_ours(phi)):
            return f"there is no native code for the activation {phi.name!r}"
    loss, output = model.loss, model.activations[-1].name
    if not (native.knows("loss", loss.name, output) and LOSSES.is_ours(loss)):
        return f"there is no native code for the loss {loss.name!r}"
    return None


def specs_of(model: Model) -> list[tuple[str, list[float]]]:
    """Return the activations as native code takes them: names and numbers."""
    return [(phi.name, [float(x) for x in phi.numbers.values()]) for phi in model.activations]


def _own(x: Array, dtype: Any = None) -> Array:
    """Return `x` as native code reads it: contiguous and aligned."""
    return np.require(x, dtype, ["C", "A"])


def targets_for(model: Model, y: Any) -> tuple[Any, Any]:
    """Return (y, None), or (None, class labels), after the loss has checked every target."""
    loss, k, dtype = model.loss, model.parameters.sizes[-1], model.parameters.flat.dtype
    y = np.asarray(y)
    for start in range(0, len(y), TARGET_ROWS):
        loss.encode(y[start : start + TARGET_ROWS], k, np, dtype)
    if loss.name != "cross_entropy":
        return (y if is_direct(y) else _own(y, dtype)), None
    if y.ndim == 1 or (y.shape[1] == 1 and k > 1):
        # a copy: whatever becomes of the user's array, labels stay those that were checked
        return None, np.array(y.reshape(-1), dtype=np.int32)
    return _own(loss.encode(y, k, np, dtype)), None


class NativeRun:
    """A run of the native engine; see :class:`backpass.engines.Run`."""

    def __init__(self, problem: Problem, state: dict[str, Array] | None, steps: int) -> None:
        self.problem, self.model = problem, problem.model
        self._flat = problem.model.parameters.flat
        self._X = readable(problem.X)
        self._run = self._new_run()
        self._run.load(_own(self._flat))
        for slot, name in enumerate(problem.optimizer.slots):
            if state is not None:
                self._run.load_state(slot, _own(np.asarray(state[name], dtype=self._flat.dtype)))
        self._run.steps = steps
        self._y, self._labels = targets_for(self.model, problem.y)
        self._weights = None
        if problem.sample_weight is not None:
            self._weights = _own(problem.sample_weight, self._flat.dtype)
        self._direct = is_direct(self._X)
        self._set_rows(self._weights)

    def _set_rows(self, weights: Any) -> None:
        if self._direct:
            self._run.set_rows(self._rows(row_source(self._X), self._y, self._labels, weights))

    def _rows(self, X: Any, y: Any, labels: Any, weights: Any) -> Any:
        native, sizes = extension(), self.model.parameters.sizes
        kind = native.Rows32 if self._flat.dtype == np.float32 else native.Rows64
        return kind(X, y, labels, weights, n_in=sizes[0], n_out=sizes[-1])

    def _new_run(self) -> Any:
        problem, settings, loss = self.problem, self.problem.settings, self.model.loss
        candidates = threads_for(len(self._flat), problem.batch_size, settings.n_threads)
        self._threads = ThreadChoice(candidates)
        native = extension()
        kind = native.Run32 if self._flat.dtype == np.float32 else native.Run64
        return kind(
            instruction_set(),
            list(self.model.parameters.sizes),
            specs_of(self.model),
            (loss.name, [float(x) for x in loss.numbers.values()]),
            (problem.optimizer.name, [float(x) for x in problem.optimizer.numbers.values()]),
            native.Settings(
                batch_size=problem.batch_size,
                n_threads=candidates[0],
                alpha=float(settings.alpha),
                decoupled=problem.optimizer.decoupled,
                dropout=float(settings.dropout),
                seed=problem.seed & (2**64 - 1),
                clip_norm=float(settings.clip_norm or 0.0),
                ceiling=math.inf if settings.ceiling is None else float(settings.ceiling),
                smoothing=float(loss.numbers.get("label_smoothing", 0.0)),
            ),
        )

    def advance(self, rows: Array, rates: Array) -> Array:
        """Take one step for each mini-batch of `rows`; see :class:`backpass.engines.Run`."""
        rows = _own(rows, np.int64)
        rates = _own(rates, np.float64)
        costs = np.zeros((len(rates), 2))
        if self._direct:
            done = self._steps(rows, rates, costs)
            return costs[:done]
        return self._advance_staged(rows, rates, costs)

    def _advance_staged(self, rows: Array, rates: Array, costs: Array) -> Array:
        """Take steps on rows that only NumPy can read: it converts some batches at a time."""
        M = self.problem.batch_size
        batches = max(1, STAGED_ROWS // M)
        for start in range(0, len(rates), batches):
            stop = min(start + batches, len(rates))
            part = rows[start * M : stop * M]
            self._stage(part, self._weights)
            here = np.arange(len(part), dtype=np.int64)
            done = self._steps(here, rates[start:stop], costs[start:stop])
            if done < stop - start or not math.isfinite(costs[start + done - 1].sum()):
                return costs[: start + done]
        return costs

    def _steps(self, rows: Array, rates: Array, costs: Array) -> int:
        """Take steps with as many threads as have proved best; return how many were tried."""
        M, done = self.problem.batch_size, 0

        def work(threads: int, batches: int) -> int:
            nonlocal done
            part = slice(done, done + batches)
            self._run.set_threads(threads)
            tried = int(
                self._run.advance(
                    rows[done * M : (done + batches) * M], rates[part], costs[part].reshape(-1)
                )
            )
            done += tried
            finite = tried > 0 and math.isfinite(costs[done - 1].sum())
            return tried if finite else tried - 1  # no more after a loss that is not finite

        self._threads.share_out(len(rates), work)
        return done

    def _stage(self, rows: Array, weights: Any) -> None:
        def taken(x: Any) -> Any:
            return None if x is None else x[rows]

        X = _own(gather(self._X, rows, self._flat))
        self._run.set_rows(self._rows(X, taken(self._y), taken(self._labels), taken(weights)))

    def evaluate(self, rows: Array, *, gradient: bool = True) -> Evaluation:
        """Return the cost of all `rows` and its gradient; see :class:`backpass.engines.Run`."""
        costs, flat = self._evaluate(rows, gradient, self._weights)
        return Evaluation(float(costs[0]), float(costs[1]), flat)

    def shard(
        self, rows: Array, offset: int, mass: float, into: Array | None = None
    ) -> tuple[float, Array]:
        """Return what `rows` add to a mini-batch, as a ``PartialRun`` does."""
        flat, costs = np.empty_like(self._flat) if into is None else into, np.empty(2)
        rows = _own(rows, np.int64)
        if not self._direct:
            self._stage(rows, self._weights)
            rows = np.arange(len(rows), dtype=np.int64)
        self._run.shard(rows, offset, mass, costs, flat)
        return float(costs[0]), flat

    def apply(self, gradient: Array, mass: float, rate: float) -> float:
        """Take the step of a given gradient, as a ``PartialRun`` does."""
        costs = np.empty(2)
        self._run.apply(_own(gradient), mass, rate, costs)
        return float(costs[1])

    def evaluator(self, X: Array, y: Array, sample_weight: Array | None, rows: Any) -> Evaluator:
        """Return what evaluates the present θ on other rows; see :class:`backpass.engines.Run`."""
        dtype, X = self._flat.dtype, readable(X)
        y, labels = targets_for(self.model, y)
        weights = None if sample_weight is None else _own(sample_weight, dtype)
        rows = np.arange(X.shape[0]) if rows is None else _own(rows, np.int64)
        if is_direct(X):
            data = self._rows(row_source(X), y, labels, weights)
            return lambda: self._output_and_loss(data, rows)

        def staged() -> tuple[Array, float]:
            outputs, mean, mass = [], math.nan, 0.0
            for start in range(0, len(rows), STAGED_ROWS):
                here = rows[start : start + STAGED_ROWS]
                part = (x if x is None else x[here] for x in (y, labels, weights))
                data = self._rows(_own(gather(X, here, self._flat)), *part)
                output, loss = self._output_and_loss(data, np.arange(len(here)))
                outputs.append(output)
                if (S := len(here) if weights is None else float(weights[here].sum())) > 0:
                    mass += S
                    mean = loss if mass == S else mean + (loss - mean) * (S / mass)
            return np.concatenate(outputs), mean

        return staged

    def _output_and_loss(self, data: Any, rows: Any) -> tuple[Array, float]:
        output = np.empty((len(rows), self.model.parameters.sizes[-1]), self._flat.dtype)
        costs = np.empty(2)
        self._run.evaluate_rows(data, rows, costs, output.reshape(-1))
        return output, float(costs[0])

    def noise(self, rows: Array) -> GradientNoise:
        """Return mean ‖g_n‖² and ‖ḡ‖² over `rows`; see :class:`backpass.engines.Run`."""
        weights = None if self._weights is None else self._weights[rows]
        check_mass(len(rows) if weights is None else weights.sum())
        squares = np.empty(len(rows))
        _, flat = self._evaluate(rows, True, self._weights, squares)
        mean = flat.astype(np.float64)
        return GradientNoise(float(np.average(squares, weights=weights)), float(mean @ mean))

    def squared_norms(self, rows: Array) -> Array:
        """Return ‖g_n‖² (N,) of each of `rows`."""
        squares = np.empty(len(rows))
        self._set_rows(None)  # rows without weight have a gradient too
        try:
            self._evaluate(rows, False, None, squares)
        finally:
            self._set_rows(self._weights)
        return squares

    def _evaluate(
        self, rows: Array, gradient: bool, weights: Any, squares: Any = None
    ) -> tuple[Any, Any]:
        rows = _own(rows, np.int64)
        costs = np.zeros(2)
        flat = np.empty_like(self._flat) if gradient else None
        if not self._direct:
            self._stage(rows, weights)
            rows = np.arange(len(rows), dtype=np.int64)
        self._run.evaluate(rows, costs, flat, squares)
        return costs, flat

    def publish(self) -> None:
        """Bring the parameters of the model up to date."""
        flat = _own(self._flat)
        self._run.store(flat)
        if flat is not self._flat:
            self._flat[...] = flat

    def adopt(self) -> None:
        """Go on from the parameters as they are in the model: a callback may have changed them."""
        self._run.load(_own(self._flat))

    @property
    def steps(self) -> int:
        """How many steps were taken."""
        return int(self._run.steps)

    @property
    def state(self) -> dict[str, Array]:
        """The optimiser's state, each slot laid out like the flat parameters."""
        state = {}
        for slot, name in enumerate(self.problem.optimizer.slots):
            state[name] = np.empty_like(self._flat)
            self._run.store_state(slot, state[name])
        return state


class NativeEngine:
    """The fast engine; it trains on every problem over NumPy arrays and CSR matrices."""

    name = "native"
    uses_blas = False

    def obstacle(self, problem: Problem) -> str | None:
        """Return why this engine cannot train on `problem`, or None where it can."""
        why = self.prediction_obstacle(problem.model, problem.X)
        if why:
            return why
        optimizer = problem.optimizer
        known = extension().knows("optimizer", optimizer.name)
        if not (known and OPTIMIZERS.is_ours(optimizer)):
            return f"there is no native code for the optimizer {optimizer.name!r}"
        return None

    def prediction_obstacle(self, model: Model, X: Array) -> str | None:
        """Return why this engine cannot compute `model` on `X`, or None where it can."""
        why = missing() or model_obstacle(model)
        if why:
            return why
        if not (isinstance(X, np.ndarray) or is_sparse(X)):
            return "X must be a NumPy array or a SciPy sparse array"
        if X.dtype.kind not in "fiub":
            return f"X must hold real numbers, not {X.dtype}"
        return None

    def start(
        self, problem: Problem, state: dict[str, Any] | None = None, steps: int = 0
    ) -> NativeRun:
        """Begin a run, or go on with the optimiser `state` after so many `steps`."""
        return NativeRun(problem, state, steps)

    def predict(self, model: Model, X: Array, n_threads: int | None = None) -> Array:
        """Return the output a_L (N, k) for the rows of `X`, a NumPy array or a sparse one."""
        flat = model.parameters.flat
        output = np.empty((X.shape[0], model.parameters.sizes[-1]), dtype=flat.dtype)
        arguments = instruction_set(), list(model.parameters.sizes), specs_of(model), _own(flat)
        threads = threads_to_predict(len(flat), X.shape[0], n_threads)
        X = readable(X)
        if is_direct(X):
            extension().predict(*arguments, row_source(X), output.reshape(-1), threads)
            return output
        for start in range(0, X.shape[0], STAGED_ROWS):
            part = np.arange(start, min(start + STAGED_ROWS, X.shape[0]))
            rows = _own(gather(X, part, flat))
            to = output[start : start + STAGED_ROWS].reshape(-1)
            extension().predict(*arguments, rows, to, threads)
        return output


class NativeRowPredictor:
    """Predicts one row at a time from the flat buffer itself: nothing is packed."""

    def __init__(self, model: Model) -> None:
        self.model, self.flat = model, model.parameters.flat
        native = extension()
        kind = native.RowPredictor32 if self.flat.dtype == np.float32 else native.RowPredictor64
        row = kind(
            instruction_set(), list(model.parameters.sizes), specs_of(model), _own(self.flat)
        )
        self._predict, self._dtype, self._k = (
            row.predict,
            self.flat.dtype,
            model.parameters.sizes[-1],
        )

    def predict(self, x: Array) -> Array:
        """Return the output (k,) for one row (n_0,)."""
        output = np.empty(self._k, self._dtype)
        try:
            self._predict(x, output)
        except (TypeError, ValueError):  # another dtype or stride, or no such row
            x = np.asarray(x, dtype=self._dtype)
            check_row(x.shape, self.model)
            self._predict(_own(x), output)
        return output
