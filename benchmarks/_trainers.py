"""What trains in :mod:`benchmarks.training`: one class a program, each in a worker of its own.

All take the same rows, labels and first parameters, and Adam with the same numbers; all shuffle
every epoch and take the small last batch as a step too. `epoch` returns the seconds of one epoch,
`loss` the final loss by :func:`benchmarks._common.final_loss`. Setting up and compiling are over
when the constructor returns.
"""

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks._common import (
    SGEMM,
    Array,
    Layers,
    final_loss,
    layers_of,
    load_problem,
)

RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


class Trainer:
    """What is common: the problem, and the clock around one epoch.

    Parameters
    ----------
    folder : str
        Where the problem lies.
    sizes : list of int
    batch : int
    """

    def __init__(self, folder: str, sizes: list[int], batch: int, **arguments: Any) -> None:
        self.X, self.y, self.flat = load_problem(folder)
        self.sizes, self.batch = sizes, batch
        self.rng = np.random.default_rng(2)
        self.set_up(**arguments)

    def set_up(self) -> None:
        """Build, compile and warm up; afterwards the parameters are the first ones."""
        raise NotImplementedError

    def run(self) -> None:
        """Train for one epoch, and be done with it."""
        raise NotImplementedError

    def layers(self) -> Layers:
        """Return the present parameters, W (in, out)."""
        raise NotImplementedError

    def epoch(self) -> float:
        """Return the seconds of one epoch."""
        started = time.perf_counter()
        self.run()
        return time.perf_counter() - started

    def loss(self) -> float:
        """Return the loss of the present parameters on all rows."""
        return final_loss(self.layers(), self.X, self.y)

    def note(self) -> str:
        """Return what a reader has to know; empty where there is nothing."""
        return ""


class Backpass(Trainer):
    """Our engine, one epoch at a time through :class:`backpass.training.trainer.Trainer`."""

    def set_up(self, engine: str, threads: int | None = None) -> None:
        from backpass import Network
        from backpass.core.settings import Settings
        from backpass.training.trainer import Trainer as Ours

        layers = layers_of(self.sizes, self.flat)
        weights, biases = [W for W, _ in layers], [b for _, b in layers]
        outputs = ("relu", "softmax", "cross_entropy")
        self.network = Network.from_arrays(weights, biases, *outputs)
        settings = Settings(
            optimizer=f"adam:beta_1={BETA_1},beta_2={BETA_2},epsilon={EPSILON}",
            learning_rate=RATE,
            batch_size=self.batch,
            patience=math.inf,
            n_threads=threads,
        )
        few = slice(0, 4 * self.batch)
        told = {"settings": settings, "rng": self.rng, "engine": engine}
        Ours(self.network.copy(), self.X[few], self.y[few], **told).train(1)
        self.trainer = Ours(self.network, self.X, self.y, **told)

    def run(self) -> None:
        self.trainer.train(1)

    def layers(self) -> Layers:
        return list(zip(self.network.weights, self.network.biases, strict=True))


class Sklearn(Trainer):
    """MLPClassifier; ``partial_fit`` is one epoch, its check of the rows included.

    With two classes it has one logistic output, which starts from the same function.
    """

    def set_up(self) -> None:
        from sklearn.neural_network import MLPClassifier

        warnings.simplefilter("ignore")
        hidden, classes = tuple(self.sizes[1:-1]), np.arange(self.sizes[-1])
        self.model = MLPClassifier(
            hidden,
            alpha=0.0,
            batch_size=self.batch,
            learning_rate_init=RATE,
            beta_1=BETA_1,
            beta_2=BETA_2,
            epsilon=EPSILON,
            random_state=0,
        )
        self.model.partial_fit(self.X[: self.batch], self.y[: self.batch], classes=classes)
        self.binary = self.sizes[-1] == 2
        pairs = zip(self.model.coefs_, self.model.intercepts_, strict=True)
        for mine, first in zip(pairs, layers_of(self.sizes, self.flat), strict=True):
            for to, value in zip(mine, first, strict=True):
                # one logistic unit of z_1 - z_0 is the softmax of both
                one = value.shape[-1] != to.shape[-1]
                to[...] = value[..., 1:] - value[..., :1] if one else value
        del self.model._optimizer  # so that Adam begins anew

    def run(self) -> None:
        self.model.partial_fit(self.X, self.y)

    def layers(self) -> Layers:
        layers = list(zip(self.model.coefs_, self.model.intercepts_, strict=True))
        if self.binary:
            W, b = layers[-1]
            layers[-1] = np.hstack([0 * W, W]), np.hstack([0 * b, b])
        return layers

    def note(self) -> str:
        return "one logistic output instead of two of softmax" if self.binary else ""


class Torch(Trainer):
    """PyTorch's modules, eager, with its fused Adam."""

    def set_up(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.torch = torch
        self.X_t, self.y_t = torch.from_numpy(self.X), torch.from_numpy(self.y)
        self.build()
        for rows in torch.arange(min(4 * self.batch, len(self.X))).split(self.batch):
            self.step(rows)
        self.step(torch.arange(len(self.X) % self.batch or self.batch))
        self.build()

    def build(self) -> None:
        """Make the model with the first parameters, and its optimiser."""
        torch, parts = self.torch, []
        for W, b in layers_of(self.sizes, self.flat):
            linear = torch.nn.Linear(*W.shape)
            with torch.no_grad():
                linear.weight.copy_(torch.from_numpy(W.T.copy()))
                linear.bias.copy_(torch.from_numpy(b))
            parts += [linear, torch.nn.ReLU()]
        self.linears, self.model = parts[::2], torch.nn.Sequential(*parts[:-1])
        numbers = {"lr": RATE, "betas": (BETA_1, BETA_2), "eps": EPSILON}
        self.optimizer = torch.optim.Adam(self.model.parameters(), fused=True, **numbers)
        self.loss_of = torch.nn.CrossEntropyLoss()

    def step(self, rows: Any) -> Any:
        """Take one step and return the loss before it."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.loss_of(self.model(self.X_t[rows]), self.y_t[rows])
        loss.backward()
        self.optimizer.step()
        return loss.detach()

    def run(self) -> None:
        total = self.torch.zeros(())
        for rows in self.torch.randperm(len(self.X)).split(self.batch):
            total += self.step(rows) * len(rows)
        total.item()

    def layers(self) -> Layers:
        return [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in self.linears]


class TorchCompiled(Torch):
    """``torch.compile`` of the whole step: gathering, both passes and Adam in one graph."""

    def build(self) -> None:
        torch = self.torch
        pairs = [part for pair in layers_of(self.sizes, self.flat) for part in pair]
        self.theta = [torch.from_numpy(part.copy()) for part in pairs]
        self.m = [torch.zeros_like(part) for part in self.theta]
        self.v = [torch.zeros_like(part) for part in self.theta]
        self.t = torch.zeros(())
        if not hasattr(self, "compiled"):
            self.compiled = torch.compile(self.whole_step(), fullgraph=True, dynamic=False)

    def whole_step(self) -> Callable[..., Any]:
        """Return the step as a function that moves its arguments in place."""
        torch = self.torch

        def loss_of(theta: Any, X: Any, y: Any) -> Any:
            a = X
            for i in range(0, len(theta) - 2, 2):
                a = torch.relu(torch.addmm(theta[i + 1], a, theta[i]))
            z = torch.addmm(theta[-1], a, theta[-2])
            return torch.nn.functional.cross_entropy(z, y)

        def step(theta: Any, m: Any, v: Any, t: Any, X: Any, y: Any, rows: Any) -> Any:
            gradients, loss = torch.func.grad_and_value(loss_of)(theta, X[rows], y[rows])
            t += 1
            rate = RATE / (1 - BETA_1**t)
            scale = (1 - BETA_2**t).sqrt()
            for p, g, m_i, v_i in zip(theta, gradients, m, v, strict=True):
                m_i.mul_(BETA_1).add_(g, alpha=1 - BETA_1)
                v_i.mul_(BETA_2).addcmul_(g, g, value=1 - BETA_2)
                p.sub_(rate * m_i / (v_i.sqrt() / scale + EPSILON))
            return loss

        return step

    def step(self, rows: Any) -> Any:
        with self.torch.no_grad():
            moved = self.theta, self.m, self.v, self.t
            return self.compiled(*moved, self.X_t, self.y_t, rows)

    def layers(self) -> Layers:
        arrays = [part.numpy() for part in self.theta]
        return list(zip(arrays[::2], arrays[1::2], strict=True))

    def note(self) -> str:
        return "one compiled graph a step: gather, passes, Adam"


class Jax(Trainer):
    """JAX: one jitted ``lax.scan`` over the epoch; the order of the rows is drawn by NumPy."""

    def set_up(self) -> None:
        import jax
        import jax.numpy as jnp

        pairs = layers_of(self.sizes, self.flat)
        self.X_j, self.y_j = jnp.asarray(self.X), jnp.asarray(self.y)
        first = [(jnp.array(W), jnp.array(b)) for W, b in pairs]
        zeros = [jax.tree.map(jnp.zeros_like, first) for _ in range(2)]
        self.jax, self.state = jax, (first, *zeros, jnp.zeros(()))
        self.compiled = jax.jit(self.whole_epoch(), donate_argnums=0).lower(
            self.state, self.X_j, self.y_j, *self.order()
        )
        self.compiled = self.compiled.compile()
        kept = jax.tree.map(jnp.copy, self.state)
        self.run()
        self.state = kept

    def order(self) -> tuple[Array, Array]:
        """Return the rows of every full batch (steps, M), and what is left."""
        order = self.rng.permutation(len(self.X)).astype(np.int32)
        full = len(order) // self.batch * self.batch
        return order[:full].reshape(-1, self.batch), order[full:]

    def whole_epoch(self) -> Callable[..., Any]:
        """Return an epoch as a function of the state, the data and the order."""
        import jax
        import jax.numpy as jnp

        def loss_of(theta: Any, X: Any, y: Any) -> Any:
            a = X
            for W, b in theta[:-1]:
                a = jax.nn.relu(a @ W + b)
            W, b = theta[-1]
            log_p = jax.nn.log_softmax(a @ W + b)
            return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

        def adam(p: Any, m: Any, v: Any, t: Any) -> Any:
            rate = RATE * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
            return p - rate * m / (jnp.sqrt(v) + EPSILON)

        def step(state: Any, X: Any, y: Any) -> Any:
            theta, m, v, t = state
            loss, g = jax.value_and_grad(loss_of)(theta, X, y)
            m = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, m, g)
            v = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, v, g)
            theta = jax.tree.map(lambda p, m, v: adam(p, m, v, t + 1), theta, m, v)
            return (theta, m, v, t + 1), loss

        def epoch(state: Any, X: Any, y: Any, batches: Any, rest: Any) -> Any:
            state, losses = jax.lax.scan(lambda s, r: step(s, X[r], y[r]), state, batches)
            total = losses.sum()
            if rest.shape[0]:
                state, last = step(state, X[rest], y[rest])
                total += last
            return state, total

        return epoch

    def run(self) -> None:
        self.state, total = self.compiled(self.state, self.X_j, self.y_j, *self.order())
        self.jax.block_until_ready((self.state, total))

    def layers(self) -> Layers:
        return [(np.asarray(W), np.asarray(b)) for W, b in self.state[0]]


class Sgemm:
    """NumPy's own float32 matrix product: the ceiling."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.A, self.B = rng.standard_normal((2, SGEMM, SGEMM), dtype=np.float32)
        self.C = self.A @ self.B

    def epoch(self) -> float:
        """Return the seconds of one product, the median over half a second."""
        seconds: list[float] = []
        while sum(seconds) < 0.5:
            started = time.perf_counter()
            np.matmul(self.A, self.B, out=self.C)
            seconds.append(time.perf_counter() - started)
        return float(np.median(seconds))
