r"""Mini-batches: which rows each step sees (note 4, slides Gradient descent to Mini-batch).

With N samples and batches of M, an epoch has ⌈N/M⌉ updates of M sample gradients each; M = N is
(full-batch) gradient descent with 1 update of N, M = 1 is stochastic gradient descent with N
updates of 1. Whatever M is, the expectation of the mini-batch gradient over uniformly drawn rows
is the full gradient:

>>> import numpy as np
>>> from backpass.network.network import Network
>>> network, rng = Network([2, 3, 1], "tanh", seed=0), np.random.default_rng(0)
>>> X, y = rng.normal(size=(5, 2)), rng.normal(size=5)
>>> def gradient(rows):
...     return network.loss_and_gradients(X[rows], y[rows])[1].flat
>>> expectation = sum(1 / 5 * gradient([i]) for i in range(5))  # E[∇C] = Σ P(i_k = i) ∇C_i
>>> bool(np.allclose(expectation, gradient([0, 1, 2, 3, 4]), rtol=1e-14))
True
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.errors import InputError

Rows = NDArray[np.integer[Any]]

SAMPLINGS = ("shuffle", "replacement", "sequential")
"""Ways to draw batches: a new order each epoch, uniform draws (note 4's i_k), as the rows lie."""


def steps_per_epoch(n_samples: int, batch_size: int) -> int:
    """Return the updates in an epoch, ⌈N/M⌉ (note 4's summary table).

    Examples
    --------
    >>> N = 1000  # gradient descent, stochastic, mini-batch
    >>> steps_per_epoch(N, N), steps_per_epoch(N, 1), steps_per_epoch(N, 32)
    (1, 1000, 32)
    """
    return -(-n_samples // batch_size)


def row_numbers(n: int) -> Rows:
    """Return 0 … n−1 in four bytes each where they suffice: 5 million rows are 20 MB, not 40."""
    return np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)


FEW = 1 << 20
"""Rows up to which their order is kept in eight bytes each, which NumPy shuffles twice as fast."""


def _order_of(n: int) -> Rows:
    return np.arange(n) if n <= FEW else row_numbers(n)


class Sampler:
    """Draws the batches of each epoch.

    Parameters
    ----------
    rows : array of int
        The row indices to train on.
    batch_size : int
        M, at least 1; the last batch of an epoch has what is left.
    sampling : {"shuffle", "replacement", "sequential"}
        ``"shuffle"`` reorders the previous epoch's order, as scikit-learn does.
    rng : Generator or RandomState
        What the order is drawn from.

    Examples
    --------
    >>> sampler = Sampler(np.arange(5), 2, "shuffle", np.random.default_rng(0))
    >>> sampler.epoch()  # three mini-batches: 2 and 4, 3 and 0, 1
    array([2, 4, 3, 0, 1])
    """

    def __init__(self, rows: Rows, batch_size: int, sampling: str, rng: Any) -> None:
        if sampling not in SAMPLINGS:
            raise InputError(f"sampling must be one of {', '.join(SAMPLINGS)}, not {sampling!r}")
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, not {batch_size}")
        self.rows, self.batch_size, self.sampling, self.rng = rows, batch_size, sampling, rng
        self.order = _order_of(len(rows))  # of the present epoch: places in `rows`

    def __len__(self) -> int:
        return steps_per_epoch(len(self.rows), self.batch_size)

    def epoch(self) -> Rows:
        """Draw the order of an epoch: every `batch_size` row indices are a mini-batch."""
        n = len(self.rows)
        if self.sampling == "shuffle":
            shuffled = _order_of(n)
            self.rng.shuffle(shuffled)
            self.order = self.order[shuffled]
            del shuffled
        elif self.sampling == "replacement":
            self.order = self.rng.choice(n, size=n)
        return self.again()

    def again(self) -> Rows:
        """Return the order of the present epoch without drawing another."""
        order: Rows = self.rows[self.order]
        return order
