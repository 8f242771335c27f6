"""Parameters that a subclass has of its own, by names that are ours and not scikit-learn's.

A script that gave scikit-learn's class a `class_weight` or `dropout` of its own means its own: ours
stays at its default, unless the subclass passes it on to our constructor.
"""

from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from typing import Any, TypeVar

from backpass.errors import PrivateMethodWarning, warn_caller

OURS = {
    "class_weight", "dropout", "clip_norm", "early_stopping_metric", "time_limit",
    "gradient_norms", "engine", "n_threads",
}  # fmt: skip
"""What scikit-learn's estimators have not; the attribute `loss` they all have."""

Init = TypeVar("Init", bound=Callable[..., None])


def leaves_own_parameters(init: Init) -> Init:
    """Have a constructor note which of our parameters a subclass names and does not pass on."""
    ours = {name: p.default for name, p in signature(init).parameters.items() if name in OURS}

    @wraps(init)
    def noted(self: Any, *args: Any, **given: Any) -> None:
        own = (ours.keys() & _named_by_subclasses(type(self))) - given.keys()
        if own:
            vars(self)["_bp_own"] = {name: ours[name] for name in sorted(own)}
        init(self, *args, **given)

    return noted  # type: ignore[return-value]


def _named_by_subclasses(kind: type) -> set[str]:
    names: set[str] = set()
    for ancestor in kind.__mro__:
        if ancestor.__module__.partition(".")[0] == "backpass":
            break
        if "__init__" in vars(ancestor):
            names |= signature(vars(ancestor)["__init__"]).parameters.keys()
    return names


def own_parameters(estimator: Any) -> Mapping[str, Any]:
    """Return our defaults of the parameters that are a subclass's own, by name."""
    own: Mapping[str, Any] = vars(estimator).get("_bp_own", {})
    return own


class _Given:
    """The attributes of an estimator, with our defaults for a subclass's own parameters."""

    def __init__(self, estimator: Any) -> None:
        self._estimator = estimator

    def __getattr__(self, name: str) -> Any:
        own = own_parameters(self._estimator)
        return own[name] if name in own else getattr(self._estimator, name)


def given(estimator: Any) -> Any:
    """Return what has the parameters that an estimator was given as ours."""
    return _Given(estimator) if own_parameters(estimator) else estimator


def warn_of_own_parameters(estimator: Any, told: set[str]) -> None:
    """Warn of those that are set, but for what is `told`, and add them to it."""
    kind = type(estimator).__name__
    for name, default in own_parameters(estimator).items():
        if name not in told and getattr(estimator, name, default) is not default:
            told.add(name)
            warn_caller(
                f"{name} is a parameter of {kind}'s own: {kind}.__init__ does not pass it on, and "
                f"that of backpass stays {default!r}; super().__init__({name}={name}) would set it",
                PrivateMethodWarning,
            )
