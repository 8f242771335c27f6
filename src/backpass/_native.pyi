"""The native engine of backpass; see :mod:`backpass.engines.native`."""

from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", np.float32, np.float64)

_Spec: TypeAlias = tuple[str, list[float]]
"""A record's name and numbers."""
_Rows: TypeAlias = NDArray[Any] | tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Rows of a dense array, or (data, indices, indptr) of a CSR array."""

class Settings:
    """How a run learns; all by name, and what is left out as the attributes say."""

    def __init__(self, **settings: float) -> None: ...
    @property
    def batch_size(self) -> int: ...  # 1
    @property
    def n_threads(self) -> int: ...  # 1
    @property
    def alpha(self) -> float: ...  # 0
    @property
    def dropout(self) -> float: ...  # 0
    @property
    def clip_norm(self) -> float: ...  # 0: none
    @property
    def smoothing(self) -> float: ...  # 0
    @property
    def ceiling(self) -> float: ...  # infinite
    @property
    def seed(self) -> int: ...  # 0
    @property
    def decoupled(self) -> bool: ...  # False

class _RowSet(Generic[_Float]):
    """Rows with their targets and weights, read where they lie and kept alive.

    Targets are `y` or class `labels`; rows without either can only be predicted. `n_in` and
    `n_out` are the first and the last size of the network.
    """

    def __init__(
        self,
        X: _Rows,
        y: _Rows | None,
        labels: NDArray[np.int32] | None,
        weights: NDArray[_Float] | None,
        *,
        n_in: int,
        n_out: int,
    ) -> None: ...
    def __len__(self) -> int: ...

class Rows32(_RowSet[np.float32]): ...
class Rows64(_RowSet[np.float64]): ...

class _Run(Generic[_Float]):
    def __init__(
        self,
        isa: str,
        sizes: list[int],
        activations: list[_Spec],
        loss: _Spec,
        optimizer: _Spec,
        settings: Settings,
    ) -> None: ...
    def set_rows(self, rows: _RowSet[_Float]) -> None:
        """Train on `rows`, which have targets; they are read at every later call."""

    def load(self, flat: NDArray[_Float]) -> None: ...
    def store(self, flat: NDArray[_Float]) -> None: ...
    def load_state(self, slot: int, flat: NDArray[_Float]) -> None: ...
    def store_state(self, slot: int, flat: NDArray[_Float]) -> None: ...
    @property
    def steps(self) -> int: ...
    @steps.setter
    def steps(self, steps: int) -> None: ...
    @property
    def slots(self) -> int: ...
    def set_threads(self, n: int) -> None: ...
    def advance(
        self, rows: NDArray[np.int64], rates: NDArray[np.float64], costs: NDArray[np.float64]
    ) -> int: ...
    def evaluate(
        self,
        rows: NDArray[np.int64],
        costs: NDArray[np.float64],
        gradient: NDArray[_Float] | None,
        norms: NDArray[np.float64] | None,
    ) -> None: ...
    def shard(
        self,
        rows: NDArray[np.int64],
        offset: int,
        mass: float,
        costs: NDArray[np.float64],
        gradient: NDArray[_Float],
    ) -> None:
        """Write what rows of a mini-batch add to its mean loss and to its gradient, without L2.

        `mass` is S, the sum of the weights of the whole mini-batch, and `offset` where the rows
        begin in it: dropout masks are those that the next step of :meth:`advance` would draw for
        them. The bytes do not depend on the number of threads.
        """

    def apply(
        self, gradient: NDArray[_Float], mass: float, rate: float, costs: NDArray[np.float64]
    ) -> None:
        """Take the step of a mini-batch whose gradient, without L2, is given: L2, clipping, update.

        ``costs[1]`` becomes the penalty. The bytes are those of :meth:`advance` where that keeps
        its gradients: with clipping, or with more than 2048 rows in a mini-batch.
        """

    def evaluate_rows(
        self,
        data: _RowSet[_Float],
        rows: NDArray[np.int64] | None,
        costs: NDArray[np.float64] | None,
        outputs: NDArray[_Float] | None,
    ) -> None:
        """Write outputs, costs or both of any rows, by the parameters as they are now.

        One pass forward by the run's threads, without dropout; nothing of the run changes, and
        `data` may be other rows than those it trains on.

        Parameters
        ----------
        data : Rows32 or Rows64
            Of the run's dtype and sizes.
        rows : int64 (n,) or None
            Which of them, in this order, also more than once; None: all, in order.
        costs : float64 (2,) or None
            Becomes the weighted mean loss and the L2 penalty alpha ||W||^2 / (2 S), where S is the
            sum of the weights of `rows`; the penalty is 0 where weight decay is decoupled, and no
            cost has a ceiling. `data`
            has targets then, and n >= 1. The bytes are those of :meth:`evaluate` in a run with a
            batch of at least min(n, 2048) rows, as of ``Network.loss``. Rows without any weight
            cost NaN; a cost that is not finite is written as it is.
        outputs : (n * k,) of the run's dtype, or None
            Becomes a_L row by row. The bytes are those of :func:`predict` with more than 8 rows; it
            takes fewer another way, and the last digits differ.

        The bytes depend neither on the number of threads nor on the rows beside a row. Rows that do
        not fit, or nothing to write, are a ValueError; after Ctrl-C what was written is no result.
        """

class Run32(_Run[np.float32]): ...
class Run64(_Run[np.float64]): ...

class _RowPredictor(Generic[_Float]):
    def __init__(
        self, isa: str, sizes: list[int], activations: list[_Spec], flat: NDArray[_Float]
    ) -> None: ...
    def predict(self, x: NDArray[_Float], y: NDArray[_Float]) -> None: ...

class RowPredictor32(_RowPredictor[np.float32]): ...
class RowPredictor64(_RowPredictor[np.float64]): ...

def isas() -> list[str]:
    """Instruction sets this machine can run, the fastest first."""

def knows(kind: str, name: str, output: str = "") -> bool:
    """Whether there is native code for a record."""

def predict(
    isa: str,
    sizes: list[int],
    activations: list[_Spec],
    flat: NDArray[_Float],
    X: _Rows,
    output: NDArray[_Float],
    n_threads: int,
) -> None: ...
def elementary_into(isa: str, name: str, x: NDArray[_Float], y: NDArray[_Float]) -> None: ...
def activation_into(
    isa: str, spec: _Spec, z: NDArray[_Float], a: NDArray[_Float], d: NDArray[_Float]
) -> None: ...
