"""Random calls of the native engine's entry points, each held to what it may do.

A call is refused with a ValueError or a TypeError (with a MemoryError, where it asks for more than
there is), or it does what it says: it writes nowhere but into its outputs, leaves its inputs as
they were, takes what is right and nothing that is wrong, and says so where a number is not finite.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
from reliability._native_arrays import (
    DTYPES,
    Output,
    csr,
    filled,
    is_for,
    is_vector,
    laid_out,
    vector,
    view_of,
)
from reliability._native_models import Draw, draw_model, reference_cost, reference_output
from reliability._native_promises import Broken, Caller

from backpass.engines.extension import extension

TAME = 1e4  # outputs beyond it are not compared: their errors have grown with them
EXTREMES = [0, -1, 1, 7, 2**31 - 1, -(2**31), 10**6]


@dataclass
class Given:
    """Rows that the engine has taken, and what they are made of."""

    rows: Any  # Rows32 or Rows64
    parts: tuple[Any, ...]  # X, y, labels and weights
    fits: bool  # whether they have the network's width
    tampered: bool = False  # whether the arrays were written to

    @property
    def arrays(self) -> list[Any]:
        """The arrays that the engine reads."""
        X, *others = self.parts
        return [*(X if isinstance(X, tuple) else [X]), *others]

    @property
    def has_targets(self) -> bool:
        """Whether there are targets or class labels."""
        return any(x is not None for x in self.parts[1:3])


def unless_tampered(given: Given | None) -> bool | None:
    """Return that a call must be accepted; or that it may be, where its rows were written to."""
    return None if given is not None and given.tampered else True


class Scenario(Caller):
    """One run of random make, and random calls of it.

    Everything follows from the seed, but for what two threads do at once.
    """

    def __init__(self, seed: str, counts: Any) -> None:
        super().__init__(counts)
        self.rng = Random(seed)
        self.native = extension()
        self.isa = self.rng.choice(self.native.isas())
        self.dtype = np.dtype(self.rng.choice(("f4", "f8")))
        self.draw: Draw = draw_model(self.rng, self.dtype)
        self.run: Any = None
        self.own: Given | None = None  # what the run reads
        self.other: Given | None = None

    # --- the calls -------------------------------------------------------------------------

    def play(self) -> None:
        """Make a run, as a rule a good one, and call it some times."""
        self.construct()
        for _ in range(self.rng.choice((5, 15, 30))):
            calls: list[Callable[[], None]] = [self.predict, self.predict_row, self.functions]
            if self.run is not None:
                calls += [self.set_rows, self.evaluate, self.evaluate_rows, self.advance] * 3
                calls += [self.flat, self.settings, self.tamper, self.shard, self.apply]
            self.rng.choice(calls)()
        if self.run is not None and self.rng.random() < 0.3:
            self.two_at_once()

    def construct(self) -> None:
        """Make a run from settings, some of them hostile."""
        kind = self.of_dtype("Run")
        positional, keywords, right = self.draw.settings(self.rng)

        def make() -> None:
            self.run = kind(self.isa, *positional, self.native.Settings(**keywords))

        self.call("Run", make, right)

    def of_dtype(self, name: str) -> Any:
        """Return the engine's class for the run's type of numbers."""
        return getattr(self.native, f"{name}{8 * self.dtype.itemsize}")

    def source(self, n: int, width: int) -> tuple[Any, bool | None, list[Any]]:
        """Return rows, whether they are right, and the arrays they are made of."""
        rng = self.rng
        dtype = rng.choice(DTYPES)
        if rng.random() < 0.4:
            lie = rng.random() < 0.5
            parts = csr(rng, n, width, dtype, lie)
            return parts, None if lie else True, list(parts)
        if rng.random() < 0.1:
            n, width = rng.choice(
                [(n, width + 1), (n + 1, width), (0, width), (n, max(0, width - 1))]
            )
        x = laid_out(rng, filled(rng, (n, width), dtype, rng.choice((0, 0, 0.05))))
        if rng.random() < 0.05:
            x = rng.choice([None, x.tolist(), x[0] if n else x, x[None], (x,), (x, x, x), "rows"])
        return x, None, [x]

    def take_rows(self) -> Given | None:
        """Have the engine take rows, targets and weights; return them where it does."""
        rng, (n_in, *_, k) = self.rng, self.draw.sizes
        n = rng.choice((0, 1, 2, 7, 33, 150))
        width = n_in + (rng.random() < 0.05)
        X, right, reads = self.source(n, width)
        y = labels = weights = None
        fits, targets = True, rng.random() < 0.95  # or rows to predict only
        if targets and self.draw.labelled and rng.random() < 0.8:
            labels = np.array([rng.randrange(k) for _ in range(n)], np.int32)
            if n and rng.random() < 0.15:
                labels[rng.randrange(n)] = rng.choice((-1, k, 2**31 - 1, -(2**31)))
            labels = vector(rng, labels)
            in_range = is_vector(labels, np.int32, n) and ((labels >= 0) & (labels < k)).all()
            fits = labels is None or bool(in_range)
        elif targets:
            y = laid_out(rng, self.draw.targets(rng, n))
            fits = y.flags.aligned and all(s % y.itemsize == 0 for s in y.strides)
        if rng.random() < 0.5:
            weights = vector(rng, abs(filled(rng, (n,), self.dtype)))
            fits = fits and (weights is None or is_vector(weights, self.dtype, n))
        right = False if not fits else right
        reads += [x for x in (y, labels, weights) if x is not None]
        parts, kind, made = (X, y, labels, weights), self.of_dtype("Rows"), []
        if self.call("Rows", lambda: made.append(kind(*parts, n_in=width, n_out=k)), right, reads):
            return Given(made[0], parts, width == n_in)
        return None

    def set_rows(self) -> None:
        """Give the run rows, targets and weights."""
        given = self.take_rows()
        if given is not None:
            right = given.fits and given.has_targets
            if self.call("set_rows", lambda: self.run.set_rows(given.rows), right, given.arrays):
                self.own = given

    def row_numbers(self, given: Given | None) -> tuple[Any, int, bool]:
        """Return numbers of given rows, how many there are, and whether they are right."""
        rng, n = self.rng, len(given.rows) if given is not None else 0
        size = rng.choice((1, 2, 8, 40, 120)) if n else 0
        rows = np.array([rng.randrange(n) for _ in range(size)], np.int64)
        if size and rng.random() < 0.15:
            rows[rng.randrange(size)] = rng.choice((-1, n, 2**62, -(2**63), 2**31))
        rows = vector(rng, rows)
        if not isinstance(rows, np.ndarray):
            return rows, 1, False
        right = is_vector(rows, np.int64, rows.size)
        return rows, rows.size, right and bool(((rows >= 0) & (rows < n)).all())

    def place_for(self, size: int, dtype: Any, wrong: int, often: float) -> Output | None:
        """Return a place for results, its size now and then off by `wrong`; or none."""
        size = max(0, size + self.rng.choice((0, 0, 0, wrong)))
        return Output(size, dtype) if self.rng.random() < often else None

    def advance(self) -> None:
        """Take some steps."""
        rng = self.rng
        rows, size, right = self.row_numbers(self.own)
        batches = -(-size // self.draw.batch_size)
        batches += rng.choice((-1, 1)) if rng.random() < 0.1 and batches else 0
        right = right and batches == -(-size // self.draw.batch_size)
        rates = vector(rng, np.full(batches, rng.choice((0.01, 0.0, 1e300, np.nan, -1.0))))
        costs = Output(2 * batches, rng.choice(("f8", "f8", "f8", "f4")))
        right = right and is_vector(rates, "f8", batches) and costs.view.dtype == np.float64
        self.call(
            "advance",
            lambda: self.run.advance(rows, rates, costs.view),
            right and unless_tampered(self.own),
            [rows, rates],
            [costs],
        )

    def evaluate(self) -> None:
        """Take a cost, with or without gradient and norms, and compare it where it is simple."""
        P = self.draw.count
        rows, size, right = self.row_numbers(self.own)
        costs = Output(2, "f8")
        gradient = self.place_for(P, self.dtype, 1, 0.6)
        norms = self.place_for(size, "f8", -1, 0.4)
        right = right and size > 0 and is_for(gradient, P) and is_for(norms, size)
        accepted = self.call(
            "evaluate",
            lambda: self.run.evaluate(rows, costs.view, view_of(gradient), view_of(norms)),
            right and unless_tampered(self.own),
            [rows],
            [costs, gradient, norms],
        )
        if accepted and norms is None:
            self.compare_cost("evaluate", self.own, rows, costs.view)

    def shard(self) -> None:
        """Take a part of a mini-batch's cost and gradient, and see that the run is as it was."""
        rng, P = self.rng, self.draw.count
        rows, size, right = self.row_numbers(self.own)
        offset = rng.choice((0, 0, 3, 2**40, -1, 2**41, 2**63 - 1))
        mass = rng.choice((1.0, 7.5, 1e300, 0.0, -1.0, np.nan, np.inf))
        costs, gradient = Output(rng.choice((2, 2, 2, 1)), "f8"), Output(P, self.dtype)
        right = right and size > 0 and 0 <= offset <= 2**40 and 0 < mass < np.inf
        before = self.state()
        self.call(
            "shard",
            lambda: self.run.shard(rows, offset, mass, costs.view, gradient.view),
            right and costs.view.size == 2 and unless_tampered(self.own),
            [rows],
            [costs, gradient],
        )
        if self.state() != before:
            raise Broken("shard: the run is not as it was")

    def apply(self) -> None:
        """Take the step of a gradient that is given."""
        rng, P = self.rng, self.draw.count
        gradient = vector(rng, 0.1 * filled(rng, (P,), self.dtype, rng.choice((0, 0, 0.1))))
        mass = rng.choice((1.0, 7.5, 0.0, -1.0, np.nan, np.inf))
        rate, costs = rng.choice((0.01, 0.0, 1e300, np.nan, -1.0)), Output(2, "f8")
        right = is_vector(gradient, self.dtype, P) and 0 < mass < np.inf
        self.call(
            "apply",
            lambda: self.run.apply(gradient, mass, rate, costs.view),
            right,
            [gradient],
            [costs],
        )

    def evaluate_rows(self) -> None:
        """Take cost and outputs of other rows, and see that the run is as it was."""
        rng, k = self.rng, self.draw.sizes[-1]
        if self.other is None or rng.random() < 0.5:
            self.other = self.take_rows()
        given = rng.choice((self.other, self.other, self.own))
        if given is None:
            return
        rows, size, right = self.row_numbers(given)
        if rows is None or rng.random() < 0.2:  # all of them
            rows, size, right = None, len(given.rows), True
        costs = self.place_for(2, "f8", 1, 0.7)
        outputs = self.place_for(size * k, self.dtype, -1, 0.7)
        right = right and given.fits and is_for(costs, 2) and is_for(outputs, size * k)
        if costs is not None:
            right = right and size > 0 and given.has_targets
        before = self.state()
        accepted = self.call(
            "evaluate_rows",
            lambda: self.run.evaluate_rows(given.rows, rows, view_of(costs), view_of(outputs)),
            right and (costs or outputs) is not None and unless_tampered(given),
            [rows, *given.arrays],
            [costs, outputs],
        )
        if self.state() != before:
            raise Broken("evaluate_rows: the run is not as it was")
        if accepted and costs is not None:
            rows = np.arange(size) if rows is None else rows
            self.compare_cost("evaluate_rows", given, rows, costs.view)

    def state(self) -> list[Any]:
        """Return what the run holds, and what it makes of its own rows; nothing of two threads'."""
        if self.together:
            return []
        flat, costs = np.zeros(self.draw.count, self.dtype), np.zeros(2)
        told = [self.run.steps]
        for slot in range(self.run.slots):
            self.run.store_state(slot, flat)
            told.append(flat.tobytes())
        self.run.store(flat)
        told.append(flat.tobytes())
        if self.own is not None and len(self.own.rows):
            try:
                self.run.evaluate(np.arange(len(self.own.rows)), costs, flat, None)
            except ValueError as error:  # they were written to
                told.append(str(error))
        return [*told, costs.tobytes(), flat.tobytes()]

    def compare_cost(self, name: str, given: Given | None, rows: Any, costs: Any) -> None:
        """Hold a cost of given rows to the readable equations, where that is simple."""
        if self.together or given is None or given.tampered:
            return
        flat = np.zeros(self.draw.count, self.dtype)
        self.run.store(flat)
        if np.abs(flat).max(initial=0) > np.sqrt(np.finfo(self.dtype).max):
            return  # whose sums overflow in one order and not in another
        want = reference_cost(self.draw, flat, given.parts, rows)
        self.counts[3] += 1
        if np.isnan(want):
            if np.isfinite(costs).all():
                raise Broken(f"{name}: a cost that is NaN comes out as {costs}")
        elif abs(want) < TAME and not np.isclose(costs[0], want, *self.draw.tolerance):
            raise Broken(f"{name}: cost {costs[0]} instead of {want}")

    def flat(self) -> None:
        """Load and store parameters and optimiser state."""
        rng, P = self.rng, self.draw.count
        x = vector(rng, 0.1 * filled(rng, (P,), self.dtype, rng.choice((0, 0, 0.1))))
        right = is_vector(x, self.dtype, P)
        slot = rng.choice((0, 1, 2, -1, 2**31 - 1, 2**40))
        owned = 0 <= slot < self.run.slots
        out = Output(P + rng.choice((0, 0, 1, -1)), self.dtype)
        fits = out.view.size == P
        match rng.randrange(4):
            case 0:
                self.call("load", lambda: self.run.load(x), right, [x])
            case 1:
                self.call("store", lambda: self.run.store(out.view), fits, [], [out])
            case 2:
                accepts = right and owned
                self.call("load_state", lambda: self.run.load_state(slot, x), accepts, [x])
            case _:
                accepts = fits and owned
                self.call(
                    "store_state", lambda: self.run.store_state(slot, out.view), accepts, [], [out]
                )

    def settings(self) -> None:
        """Set steps or threads."""
        n = self.rng.choice((1, 2, 3, 0, -1, 2**31, 2**62, 2**63 - 1, 2**70, None))
        if self.rng.random() < 0.5:
            self.call("steps", lambda: setattr(self.run, "steps", n), n is not None and n <= 2**62)
        else:
            right = n is not None and 1 <= n <= self.draw.n_threads
            self.call("set_threads", lambda: self.run.set_threads(n), right)

    def tamper(self) -> None:
        """Write to the arrays that the engine reads, as their owner may."""
        rng = self.rng
        for given in filter(None, (self.own, self.other)):
            for x in given.arrays:
                writeable = isinstance(x, np.ndarray) and x.size and x.flags.writeable
                if writeable and rng.random() < 0.5 and x.dtype.kind in "iuf":
                    given.tampered = True
                    place = tuple(rng.randrange(side) for side in x.shape)
                    values = [0, 1, 100] if x.itemsize < 4 or x.dtype.kind == "u" else EXTREMES
                    with np.errstate(all="ignore"):
                        x[place] = rng.choice(values)

    def predict(self) -> None:
        """Predict many rows, and compare with the readable equations."""
        rng, draw, (n_in, *_, k) = self.rng, self.draw, self.draw.sizes
        n = rng.choice((0, 1, 2, 8, 9, 120))
        X, right, reads = self.source(n, n_in)
        flat = vector(rng, draw.parameters(rng))
        if isinstance(X, np.ndarray):
            n = len(X)
        elif isinstance(X, tuple) and isinstance(X[-1], np.ndarray):  # a lie may be of other rows
            n = max(0, X[-1].size - 1)
        output = Output(n * k + rng.choice((0, 0, 0, 0, 1)), self.dtype)
        threads = rng.choice((1, 2, 3, 1, 2, 0, -1, 1025, 64))
        fits = is_vector(flat, self.dtype, draw.count) and output.view.size == n * k
        fits = fits and 1 <= threads <= 1024
        given = self.isa, list(draw.sizes), draw.activations, flat, X, output.view, threads
        right = right if fits else False
        if not self.call(
            "predict", lambda: self.native.predict(*given), right, [*reads, flat], [output]
        ):
            return
        want = reference_output(draw, flat, X)
        self.counts[3] += 1
        got = output.view.reshape(n, k)
        tame = np.isfinite(want).all(axis=1) & (abs(want).max(axis=1, initial=0) < TAME)
        if not np.allclose(got[tame], want[tame], *draw.tolerance):
            raise Broken(f"predict: {got[tame]} instead of {want[tame]}")
        lost = np.isnan(want).any(axis=1) & np.isfinite(got).all(axis=1)
        if lost.any():
            raise Broken(f"predict: a row that is NaN comes out as {got[lost][0]}")

    def predict_row(self) -> None:
        """Predict one row."""
        rng, draw, (n_in, *_, k) = self.rng, self.draw, self.draw.sizes
        kind = self.of_dtype("RowPredictor")
        flat = vector(rng, draw.parameters(rng))
        made: list[Any] = []
        right = is_vector(flat, self.dtype, draw.count)
        given = self.isa, list(draw.sizes), draw.activations, flat
        if self.call("RowPredictor", lambda: made.append(kind(*given)), right, [flat]):
            x = vector(rng, filled(rng, (n_in,), self.dtype, rng.choice((0, 0.1))))
            y = Output(k + rng.choice((0, 0, 0, 1, -1)), self.dtype)
            right = is_vector(x, self.dtype, n_in) and y.view.size == k
            self.call("row", lambda: made[0].predict(x, y.view), right, [x, flat], [y])

    def functions(self) -> None:
        """Compute elementary functions and activations of vectors."""
        rng, n = self.rng, self.rng.choice((0, 1, 7, 16, 17, 100))
        x = vector(rng, filled(rng, (n,), self.dtype, 0.2))
        n = x.size if isinstance(x, np.ndarray) else n
        right = is_vector(x, self.dtype, n)
        a, d = Output(n + rng.choice((0, 0, 0, 1)), self.dtype), Output(n, self.dtype)
        right = right and a.view.size == n
        if rng.random() < 0.5:
            name = rng.choice(("exp", "log1p", "tanh", "erf", "", "warp"))
            call = lambda: self.native.elementary_into(self.isa, name, x, a.view)  # noqa: E731
            self.call("elementary_into", call, None if right else False, [x], [a])
        else:
            spec = self.draw.activations[0]
            right = right and spec[0] != "softmax"
            call = lambda: self.native.activation_into(self.isa, spec, x, a.view, d.view)  # noqa: E731
            self.call("activation_into", call, right, [x], [a, d])

    def two_at_once(self) -> None:
        """Call the same run from two threads."""
        broken: list[BaseException] = []
        self.together = True

        def calls(seed: int) -> None:
            rng = Random(seed)
            other = Scenario.__new__(Scenario)
            vars(other).update(vars(self), rng=rng)
            try:
                for _ in range(10):
                    choice = [other.set_rows, other.advance, other.evaluate, other.evaluate_rows]
                    choice += [other.shard, other.apply]
                    rng.choice([*choice, other.flat, other.settings, other.predict])()
            except BaseException as error:
                broken.append(error)

        seeds = [self.rng.getrandbits(32) for _ in range(2)]
        threads = [threading.Thread(target=calls, args=(seed,)) for seed in seeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if broken:
            raise broken[0]
