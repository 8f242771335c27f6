"""The native engine of backpass; see :mod:`backpass.engines.native`."""

from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

_Float = TypeVar("_Float", np.float32, np.float64)

_Spec: TypeAlias = tuple[str, list[float]]
"""A record's name and numbers."""
_Rows: TypeAlias = NDArray[Any] | tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""Rows of a dense array, or (data, indices, indptr) of a CSR array."""

class _Run(Generic[_Float]):
    def __init__(
        self,
        isa: str,
        sizes: list[int],
        activations: list[_Spec],
        loss: _Spec,
        optimizer: _Spec,
        *,
        batch_size: int,
        n_threads: int,
        alpha: float,
        decoupled: bool,
        dropout: float,
        seed: int,
        clip_norm: float,
        ceiling: float,
        smoothing: float,
    ) -> None: ...
    def set_rows(
        self,
        X: _Rows,
        y: _Rows | None,
        labels: NDArray[np.int32] | None,
        weights: NDArray[_Float] | None,
    ) -> None: ...
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
