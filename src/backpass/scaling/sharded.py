"""An engine whose mini-batches are computed in shards, by one worker or by many.

The rows of a table are cut into Q ranges, the logical shards; a worker has some of them, next to
each other. Of every mini-batch each shard's part is one gradient (F1 to B4, with the mini-batch's S
and dropout masks); the gradients are gathered to all workers and added up in the order of the
shards, and every worker takes the step (U). So the bytes depend on Q, and not on who computed what.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.engines import Problem
from backpass.engines.native import NativeEngine, NativeRun
from backpass.engines.protocols import Evaluator
from backpass.errors import InputError
from backpass.scaling.groups import Group, agree

SHARDS = 8
"""Q: as many workers at most, and each costs a gradient on the wire: gloo gathers 8 of 340 KB in
2 ms on one machine (docs/scaling.md)."""

EXACT_BYTES = 1 << 28
"""Most bytes of gradients that a step may gather: 256 MB take 0.2 s at 10 Gbit/s."""

CHECK_EVERY = 100
"""Steps after which the workers compare their parameters: seldom, as each time all of them wait."""

HEAD = 8  # bytes of a shard's cost, before its gradient


class ShardedEngine(NativeEngine):
    """The native engine on the shards of a group of workers.

    Parameters
    ----------
    group : Group
    shards : int
        Q, at least as many as there are workers.
    exact : bool
        Whether gradients are added up in the order of the shards: the same bytes for any number of
        workers. Otherwise each worker adds up its own and the network sums them, which carries less
        and rounds as it happens.

    Examples
    --------
    >>> from backpass.scaling.groups import Alone
    >>> ShardedEngine(Alone(), shards=4).name
    'native in 4 shards'
    """

    def __init__(self, group: Group, shards: int = SHARDS, exact: bool = True) -> None:
        if shards < group.size:
            raise InputError(
                f"{group.size} workers need as many shards at least, not {shards}; the number of "
                "shards is part of the result"
            )
        self.group, self.shards, self.exact = group, shards, exact
        self.name = f"native in {shards} shards" if exact else "native, summed by workers"

    def start(
        self, problem: Problem, state: dict[str, Any] | None = None, steps: int = 0
    ) -> "ShardedRun":
        """Begin a run, or go on with the optimiser `state` after so many `steps`.

        Raises
        ------
        InputError
            When the native engine cannot train on the problem, when a step would gather more than
            `EXACT_BYTES`, or when the workers differ.
        """
        if why := self.obstacle(problem):
            raise InputError(f"training in shards needs the native engine: {why}")
        flat = problem.model.parameters.flat
        if self.exact and self.shards * flat.nbytes > EXACT_BYTES:
            raise InputError(
                f"a step would gather {self.shards} gradients of {flat.nbytes / 1e6:.0f} MB; take "
                "fewer shards, or the fast mode (exact=False, --fast), whose last digits are not "
                "the same for every number of workers"
            )
        agree(self.group)
        if self.group.size > 1 and problem.settings.n_threads is None:  # a worker has one processor
            problem = replace(problem, settings=replace(problem.settings, n_threads=1))
        return ShardedRun(self, problem, state, steps)


class ShardedRun(NativeRun):
    """A run on shards: its steps and what judges them are shared out, the rest is each worker's."""

    def __init__(
        self, engine: ShardedEngine, problem: Problem, state: dict[str, Array] | None, steps: int
    ) -> None:
        super().__init__(problem, state, steps)
        self.engine, self.group = engine, engine.group
        owned = np.array_split(np.arange(engine.shards), self.group.size)
        self._most, self._mine = len(owned[0]), owned[self.group.rank]
        self._rooms: dict[int, Array] = {}  # by width, where shards are computed
        self._total = np.zeros(
            self.model.parameters.flat.size + 1, self.model.parameters.flat.dtype
        )

    def advance(self, rows: Array, rates: Sequence[float]) -> Any:
        """Take one step for each mini-batch of `rows`; stop after the first non-finite loss."""
        costs, M = [], self.problem.batch_size
        for start, rate in zip(range(0, len(rows), M), rates, strict=True):
            costs.append(self._step(rows[start : start + M], float(rate)))
            if not math.isfinite(sum(costs[-1])):
                break
            if self.steps % CHECK_EVERY == 0:
                self._compare()
        return np.array(costs)

    def _step(self, rows: Array, rate: float) -> tuple[float, float]:
        """Take the step of one mini-batch; return its mean loss and its L2 penalty."""
        weights, (order, bounds) = self.problem.sample_weight, self._shards(rows, self.problem.X)
        rows, mass = rows[order], float(len(rows))
        if weights is not None:  # added one by one, as the engine does
            mass = float(np.add.accumulate(weights[rows], dtype=np.float64)[-1])
        if mass == 0:
            return 0.0, 0.0
        gathered = self._gathered if self.engine.exact else self._summed
        loss, gradient = gathered(rows, bounds, mass)
        if not math.isfinite(loss):
            return loss, 0.0
        return loss, self.apply(gradient, mass, rate)

    def _shards(self, rows: Array, X: Array) -> tuple[Array, Array]:
        """Return the order that brings each shard's rows together, and where each begins."""
        shard = rows // -(-X.shape[0] // self.engine.shards)
        order = np.argsort(shard, kind="stable")
        return order, np.searchsorted(shard[order], np.arange(self.engine.shards + 1))

    def _gathered(self, rows: Array, bounds: Array, mass: float) -> tuple[float, Array]:
        """Return loss and gradient of a mini-batch: those of its shards, added in their order."""
        flat = self.model.parameters.flat

        def compute(q: int, into: Array) -> float:
            start, stop = int(bounds[q]), int(bounds[q + 1])
            cost, _ = self.shard(rows[start:stop], start, mass, into.view(flat.dtype))
            return cost

        loss, gradient = 0.0, self._total[1:]
        for n, (cost, part) in enumerate(self._by_shard(bounds, flat.nbytes, compute)):
            loss += cost
            if n:
                gradient += part.view(flat.dtype)
            else:  # 0 + it would make its −0 a 0
                gradient[:] = part.view(flat.dtype)
        return loss, gradient

    def _by_shard(
        self, bounds: Array, size: int, compute: Callable[[int, Array], float]
    ) -> list[tuple[float, Array]]:
        """Return a number and `size` bytes of each shard that has rows, whoever computed them.

        Shards without rows are left out: + 0 would make a single shard's −0 a 0.
        """
        width = HEAD + -(-size // HEAD) * HEAD  # aligned
        if width not in self._rooms:
            self._rooms[width] = np.zeros((self._most, width), np.uint8)
        mine = self._rooms[width]
        for place, q in enumerate(self._mine):
            if bounds[q] < bounds[q + 1]:
                into = mine[place, HEAD : HEAD + size]
                mine[place, :HEAD].view(np.float64)[:] = compute(int(q), into)
        found = []
        owned = np.array_split(np.diff(bounds) > 0, self.group.size)
        for part, used in zip(self.group.gather(mine), owned, strict=True):
            for row in (part[place] for place in np.flatnonzero(used)):  # which copies none
                found.append((float(row[:HEAD].view(np.float64)[0]), row[HEAD : HEAD + size]))
        return found

    def _summed(self, rows: Array, bounds: Array, mass: float) -> tuple[float, Array]:
        """Return loss and gradient of a mini-batch: each worker's own, summed by the network."""
        start, stop = int(bounds[self._mine[0]]), int(bounds[self._mine[-1] + 1])
        mine = self._total
        mine[:] = 0
        if start < stop:
            mine[0], _ = self.shard(rows[start:stop], start, mass, mine[1:])
        total = self.group.sum(mine)
        return float(total[0]), total[1:]

    def _compare(self) -> None:
        """Refuse to go on where the workers have other parameters."""
        if self.group.size == 1:
            return
        self.publish()
        digest = hashlib.sha256(self.model.parameters.flat.tobytes()).hexdigest()[:16]
        found = self.group.objects(digest)
        if len(set(found)) > 1:
            raise RuntimeError(f"after step {self.steps} the workers' parameters differ: {found}")

    def evaluator(self, X: Array, y: Array, sample_weight: Array | None, rows: Any) -> Evaluator:
        """Return what evaluates the present θ on other rows, each worker on its shards."""
        rows = np.arange(X.shape[0]) if rows is None else np.asarray(rows)
        order, bounds = self._shards(rows, X)
        rows, parts = rows[order], [slice(*pair) for pair in pairwise(bounds.tolist())]
        weights = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
        masses = [m for q in parts if q.start < q.stop for m in [float(weights[q].sum())]]
        evaluator_of = super().evaluator  # one of a comprehension's own is another
        own = {
            int(q): evaluator_of(X, y, sample_weight, rows[parts[q]])
            for q in self._mine
            if parts[q].start < parts[q].stop
        }
        flat, k = self.model.parameters.flat, self.model.parameters.sizes[-1]

        def compute(q: int, into: Array) -> float:
            output, loss = own[q]()
            into[: output.nbytes] = output.reshape(-1).view(np.uint8)
            return loss

        def evaluate() -> tuple[Array, float]:
            most = int(np.diff(bounds).max()) * k * flat.itemsize
            told = self._by_shard(bounds, most, compute)
            found, n = np.empty((len(rows), k), flat.dtype), [q.stop - q.start for q in parts]
            used = [count * k for count in n if count]
            outputs = [x.view(flat.dtype)[:m] for (_, x), m in zip(told, used, strict=True)]
            found[order] = np.concatenate(outputs).reshape(-1, k)
            terms = [m * loss for m, (loss, _) in zip(masses, told, strict=True) if m > 0]
            return found, sum(terms) / sum(masses) if terms else math.nan

        return evaluate
