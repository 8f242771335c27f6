"""What runs in :mod:`benchmarks.scaling`'s workers: one fit each, watched from outside."""

import math
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from benchmarks._common import Array, learnable

NET_STATE = 3  # float arrays as long as the parameters: themselves and Adam's two moments


class Epochs:
    """Epochs of one program on rows that lie in its memory.

    Parameters
    ----------
    sizes : list of int
    batch, rows : int
    program : str
        One of our engines, or ``"torch"``: eager, fused Adam, as many threads as it takes.
    """

    def __init__(self, sizes: list[int], batch: int, rows: int, program: str) -> None:
        self.X, self.y = learnable(rows, sizes[0], sizes[-1])
        self.sizes, self.batch, self.program = sizes, batch, program
        few = slice(0, 64)  # imports, thread pools: what is allocated once, whatever grows
        self._make(self.X[few], self.y[few])()

    def epoch(self) -> float:
        """Return the seconds of the second of two epochs; the first makes and warms everything."""
        run = self._make(self.X, self.y)
        run()
        started = time.perf_counter()
        run()
        return time.perf_counter() - started

    def _make(self, X: Array, y: Array) -> Callable[[], None]:
        """Return what trains a new network for one epoch on these rows."""
        return self._torch(X, y) if self.program == "torch" else self._ours(X, y)

    def _ours(self, X: Array, y: Array) -> Callable[[], None]:
        from backpass import Network
        from backpass.core.settings import Settings
        from backpass.training.trainer import Trainer

        outputs = {"output": "softmax", "loss": "cross_entropy", "dtype": "float32"}
        network = Network(self.sizes, "relu", seed=1, **outputs)
        settings = Settings(batch_size=self.batch, patience=math.inf)
        trainer = Trainer(network, X, y, settings=settings, engine=self.program)

        def run() -> None:
            trainer.train(1)

        return run

    def _torch(self, X: Array, y: Array) -> Callable[[], None]:
        import torch

        parts: list[Any] = []
        for n_in, n_out in pairwise(self.sizes):
            parts += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
        model, loss_of = torch.nn.Sequential(*parts[:-1]), torch.nn.CrossEntropyLoss()
        optimizer = torch.optim.Adam(model.parameters(), fused=True)
        X_t, y_t = torch.from_numpy(X), torch.from_numpy(y)

        def run() -> None:
            for rows in torch.randperm(len(X)).split(self.batch):
                optimizer.zero_grad(set_to_none=True)
                loss_of(model(X_t[rows]), y_t[rows]).backward()
                optimizer.step()

        return run


class Fit:
    """One whole ``MLPClassifier.fit`` on many rows, with early stopping: rows are split too.

    Parameters
    ----------
    kind : {"memmap", "uint8"}
        A float32 memory map of a file, or a uint8 array in memory.
    path : str
        The file, for the former.
    rows, inputs : int
    engine : str
    """

    def __init__(self, kind: str, path: str, rows: int, inputs: int, engine: str) -> None:
        import backpass

        warnings.simplefilter("ignore")
        if kind == "memmap":
            self.X: Any = np.memmap(path, np.float32, "r", shape=(rows, inputs))
        else:
            rng = np.random.default_rng(0)
            self.X = rng.integers(0, 256, (rows, inputs), dtype=np.uint8)
        self.y = np.arange(rows) % 2
        told = {"max_iter": 1, "batch_size": 256, "early_stopping": True, "random_state": 0}
        self.model = backpass.MLPClassifier((64,), engine=engine, **told)
        # what the libraries allocate once is there before the clock and the watch start
        few = backpass.MLPClassifier((64,), engine=engine, **told)
        few.fit(np.asarray(self.X[:2000]), self.y[:2000])

    def fit(self) -> dict[str, float]:
        """Return the seconds of the fit, and the bytes of the network's own state."""
        started = time.perf_counter()
        self.model.fit(self.X, self.y)
        flat = self.model.network_.parameters.flat
        return {"seconds": time.perf_counter() - started, "state": NET_STATE * flat.nbytes}
