"""Activations and losses from two plain functions, a value and a derivative.

:class:`~backpass.core.activations.Activation` and :class:`~backpass.core.losses.Loss` say more (a
derivation, a fused error signal, every array library); here is the short way to try something. The
functions see NumPy arrays; :func:`backpass.check_gradients` says whether the second is the
derivative of the first.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from backpass.core.activations import ACTIVATIONS, Activation
from backpass.core.arrays import Array
from backpass.core.losses import LOSSES, Loss
from backpass.core.targets import checked_targets, class_targets, is_sign, numeric_targets
from backpass.errors import InputError

SOURCE = "registered by the user"
TRIALS = 101


def register_activation(
    name: str,
    value: Callable[[Array], Array],
    derivative: Callable[[Array], Array],
    *,
    kinks: Sequence[float] = (),
    domain: tuple[float, float] = (-8.0, 8.0),
) -> Activation:
    """Register an elementwise activation by its value and its derivative, and return the record.

    Networks, estimators and the command line then take it by its name, in this process: a model
    file keeps the name only. The native engine has no code for it; the readable one computes it.

    Parameters
    ----------
    name : str
        A word: letters, digits and underscores.
    value : callable
        φ: an array of any shape to one of the same shape, element by element.
    derivative : callable
        φ′, as a function of the same z.
    kinks : sequence of float
        Where the derivative jumps; a difference across one of them proves nothing.
    domain : tuple of float
        A range of z in which the functions neither overflow nor stop being defined.

    Raises
    ------
    InputError
        When the name is taken or no word, or the functions do not return what they should.

    Examples
    --------
    >>> phi = register_activation("cubed", lambda z: z**3, lambda z: 3 * z**2)
    >>> phi.analytic  # whether the complex step applies was tried out
    True
    >>> _ = ACTIVATIONS.unregister("cubed")
    """
    _check_name("activation", name)
    z = _grid(domain, kinks)
    _check_shape(f"activation {name!r}: value", value, z)
    _check_shape(f"activation {name!r}: derivative", derivative, z)
    record = Activation(
        name,
        value=value,
        derivative=lambda z, a: derivative(z),
        derivation=r"\varphi(z),\ \varphi'(z)",
        source=SOURCE,
        kinks=tuple(float(kink) for kink in kinks),
        analytic=_takes_complex_steps(value, z),
        domain=domain,
    )
    ACTIVATIONS.register(_maker(record, value))
    return record


TASKS = {"regression": (-2.0, 2.0), "margin": (-1.0, 1.0), "classification": (0.0, 1.0)}
"""Two targets of each task to try a loss with."""


def _encoder(name: str, task: str, output: str) -> Callable[..., Array]:
    """Return what turns the user's targets into (N, k)."""
    if task == "regression":
        return partial(numeric_targets, name=name)
    if task == "margin":
        return partial(checked_targets, name=name, good=is_sign, needs="−1 or 1")
    if output == "softmax":
        return partial(class_targets, smoothing=0.0)
    needs = "between 0 and 1"
    return partial(checked_targets, name=name, good=lambda y: (y >= 0) & (y <= 1), needs=needs)


def register_loss(
    name: str,
    value: Callable[[Array, Array], Array],
    derivative: Callable[[Array, Array], Array],
    *,
    outputs: Sequence[str] = ("identity",),
    task: str = "regression",
    kinks: Callable[[Array, Array], Array] | None = None,
) -> Loss:
    """Register a loss by its value and its derivative, and return the record.

    Parameters
    ----------
    name : str
        A word: letters, digits and underscores.
    value : callable
        The cost of each sample and output, (N, k), from targets and predictions ``(y, p)``, both
        (N, k); the mean over samples and the sum over outputs are taken by equation C.
    derivative : callable
        ∂C/∂p from ``(y, p)``, (N, k).
    outputs : sequence of str
        The output activations that it goes with, the usual one first.
    task : {"regression", "margin", "classification"}
        What targets are: numbers; −1 or 1; or classes, which come as one-hot rows (softmax) or
        as numbers between 0 and 1.
    kinks : callable, optional
        A number, from ``(y, p)``, whose sign changes where the derivative jumps.

    Raises
    ------
    InputError
        When the name is taken or no word, an output is unknown, or the functions do not return
        what they should.

    Examples
    --------
    >>> loss = register_loss("fourth", lambda y, p: (p - y) ** 4, lambda y, p: 4 * (p - y) ** 3)
    >>> loss.task, loss.analytic
    ('regression', True)
    >>> _ = LOSSES.unregister("fourth")
    """
    _check_name("loss", name)
    if task not in TASKS:
        raise InputError(f"loss {name!r}: task must be one of {', '.join(TASKS)}, not {task!r}")
    for output in (outputs := (outputs,) if isinstance(outputs, str) else tuple(outputs)):
        ACTIVATIONS.get_record(output)
    if not outputs:
        raise InputError(f"loss {name!r}: say with outputs which output activation it goes with")
    p = np.linspace(0.05, 0.95, TRIALS)[:, None] * np.ones(2)
    y = np.where(np.arange(TRIALS)[:, None] % 2, *TASKS[task]) * np.ones(2)
    _check_shape(f"loss {name!r}: value", lambda x: value(y, x), p)
    _check_shape(f"loss {name!r}: derivative", lambda x: derivative(y, x), p)
    record = Loss(
        name,
        terms=value,
        derivative=derivative,
        encode=_encoder(name, task, outputs[0]),
        outputs=outputs,
        derivation=r"C(y, \hat y),\ \frac{\partial C}{\partial \hat y}",
        source=SOURCE,
        task=task,
        kinks=kinks,
        analytic=_takes_complex_steps(lambda x: value(y, x), p, kinks and kinks(y, p)),
    )
    LOSSES.register(_maker(record, value))
    return record


def _check_name(kind: str, name: str) -> None:
    if not isinstance(name, str) or not name.isidentifier():
        raise InputError(f"{kind} {name!r}: the name must be a word, such as 'my_{kind}'")


def _grid(domain: tuple[float, float], kinks: Sequence[float]) -> Array:
    """Return numbers of the domain, (n, 1), that lie clear of the kinks."""
    z = np.linspace(*domain, TRIALS)
    for kink in kinks:
        z = z[abs(z - kink) > 1e-3 * (domain[1] - domain[0])]
    return z[:, None]


def _check_shape(what: str, f: Callable[[Array], Array], x: Array) -> None:
    """Raise InputError unless f(x) has the shape of x and is finite."""
    try:
        result = np.asarray(f(x))
    except Exception as error:
        raise InputError(f"{what} fails on an array of shape {x.shape}: {error}") from error
    if result.shape != x.shape or result.dtype.kind != "f":
        raise InputError(
            f"{what} must return real numbers of the shape it is given, {x.shape}, not "
            f"{result.dtype} of {result.shape}"
        )
    if not np.isfinite(result).all():
        i = tuple(int(j) for j in np.argwhere(~np.isfinite(result))[0])
        raise InputError(f"{what} is {result[i]} at {x[i]:g}, where it should be finite")


def _takes_complex_steps(f: Callable[[Array], Array], x: Array, clear: Any = None) -> bool:
    r"""Return whether Im f(x + ih) / h is the derivative, by differences, where it can be told.

    Functions such as \|x\| are not analytic as NumPy continues them; some take no complex numbers.
    """
    h = 1e-6
    try:
        with np.errstate(all="ignore"):
            exact = np.imag(f(x + 1e-30j)) / 1e-30
    except Exception:  # whatever a function of somebody's raises: it takes no complex numbers
        return False
    with np.errstate(all="ignore"):
        rough = (f(x + h) - f(x - h)) / (2 * h)
    off = abs(exact - rough) > 1e-5 * (1 + abs(rough))
    return not bool((off if clear is None else off & (abs(clear) > 2 * h)).any())


def _maker(record: Any, value: Any) -> Callable[[], Any]:
    def maker() -> Any:
        return record

    maker.__name__ = record.name
    # a record is native code's own where its maker is of this package
    maker.__module__ = getattr(value, "__module__", None) or "__main__"
    return maker
