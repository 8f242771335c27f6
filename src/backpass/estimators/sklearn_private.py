"""Private names of scikit-learn's MLP that public code uses, and what there is in their place."""

from collections.abc import Mapping
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from backpass.errors import InputError, PrivateMethodWarning, warn_caller
from backpass.estimators.own_parameters import warn_of_own_parameters

_T = TypeVar("_T")
_GRADIENT = (
    "network_.loss_and_gradients(X, y) gives loss and gradients, backpass.register_loss adds a loss"
)
_FORWARD = "network_.predict(X) gives the output, backpass.trace(estimator, X, y) every layer's"
_FIRST = (
    "Network(sizes, init=…) draws first weights, from_weights(coefs, intercepts) takes yours, and "
    "fit with warm_start=True goes on from there"
)
_STEPS = (
    "solver, learning_rate and learning_rate_init say how it steps, and backpass.train trains a "
    "network of your own"
)
_STOPPING = "early_stopping_metric, n_iter_no_change, tol and callbacks say when it stops"
_DATA = "fit and partial_fit can be overridden, and a Pipeline can prepare the data"

INSTEAD = {
    "_backprop": _GRADIENT,
    "_best_coefs": "coefs_ are those of the best epoch after fit with early_stopping",
    "_best_intercepts": "intercepts_ are those of the best epoch after fit with early_stopping",
    "_compute_loss_grad": _GRADIENT,
    "_fit": _DATA,
    "_fit_lbfgs": _STEPS,
    "_fit_stochastic": _STEPS,
    "_forward_pass": _FORWARD,
    "_forward_pass_fast": _FORWARD,
    "_init_coef": _FIRST,
    "_initialize": _FIRST,
    "_label_binarizer": "classes_ has the labels, from_weights(…, classes=…) takes them",
    "_loss_grad_lbfgs": _GRADIENT,
    "_optimizer": _STEPS,
    "_parameter_constraints": "fit refuses a wrong parameter, and get_params lists them",
    "_predict": _FORWARD,
    "_random_state": "random_state is what fit draws from, in scikit-learn's order",
    "_score": _STOPPING,
    "_score_with_function": _STOPPING,
    "_unpack": "network_.parameters.flat has all weights and biases, layer by layer",
    "_update_no_improvement_count": _STOPPING,
    "_validate_input": _DATA,
}
"""What to use, by the name in scikit-learn."""


class _Elsewhere:
    """An attribute that is not there, and says what is; a subclass may have one of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, kind: type) -> Any:
        if instance is not None and self.name in vars(instance):
            return vars(instance)[self.name]
        raise AttributeError(
            f"{kind.__name__}.{self.name} is private to scikit-learn's MLP; of backpass, "
            f"{INSTEAD[self.name]}"
        )

    def __set__(self, instance: Any, value: Any) -> None:
        kind = type(instance)
        if kind.__module__.partition(".")[0] == "backpass":
            self.__get__(instance, kind)
        vars(instance)[self.name] = value
        warn_caller(_not_used(f"{kind.__name__}.{self.name}"), PrivateMethodWarning)


def _not_used(name: str) -> str:
    return (
        f"backpass does not use {name}, which scikit-learn's MLP does; of backpass, "
        f"{INSTEAD[name.rpartition('.')[2]]}"
    )


def says_what_is_instead(kind: type[_T]) -> type[_T]:
    """Have a class say, of scikit-learn's private names, what backpass has in their place."""
    for name in INSTEAD:
        setattr(kind, name, _Elsewhere(name))
    return kind


def refuse_theirs(kind: type, state: Mapping[str, Any]) -> None:
    """Refuse what an estimator of scikit-learn's holds where there should be what ours holds.

    Parameters
    ----------
    kind : type
        Of our estimator.
    state : mapping of str to object
        Its attributes, or those it is to have.
    """
    if "coefs_" in state and "_bp_network" not in state:
        classes = ", classes=m.classes_" if hasattr(kind, "predict_proba") else ""
        raise InputError(
            f"{kind.__name__} has coefs_ that no fit of backpass made; of a model m of "
            f"scikit-learn, {kind.__name__}.from_weights(m.coefs_, m.intercepts_{classes}, "
            "activation=m.activation) makes one"
        )


_told: WeakKeyDictionary[type, set[str]] = WeakKeyDictionary()


def warn_of_private_methods(estimator: Any) -> None:
    """Warn, at a class's first fit, of methods and parameters that do not reach ours.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Whose class, or one above it, has methods that are not called.
    """
    kind = type(estimator)
    told = _told.setdefault(kind, set())
    warn_of_own_parameters(estimator, told)
    for ancestor in kind.__mro__:
        for name in sorted((vars(ancestor).keys() & INSTEAD) - told):
            if not isinstance(vars(ancestor)[name], _Elsewhere):
                told.add(name)
                warn_caller(_not_used(f"{ancestor.__name__}.{name}"), PrivateMethodWarning)
