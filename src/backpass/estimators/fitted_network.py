"""The network of a fitted estimator, and its weights as the lists that scikit-learn has.

scikit-learn reads `coefs_`, `intercepts_` and `activation` whenever it predicts or trains, so that
what a script has written to them counts. Our parameters lie in one buffer. The lists are what is
true: where each array in them is a view of that buffer nothing has to be done, and where one is
not, a network is made of what they hold. Training writes back into the arrays, as there.
"""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import Any, Never, Self

import numpy as np

from backpass.core.losses import Loss
from backpass.core.parameters import Parameters
from backpass.core.registry import shown
from backpass.errors import InputError, VersionWarning, brief
from backpass.estimators.layer_arrays import (
    LayerArrays,
    check_apart,
    check_arrays,
    dense,
    listed,
    network_of,
    outputs_of,
)
from backpass.estimators.parameters import check_parameters, check_unchanged, listed_activation
from backpass.estimators.sklearn_private import refuse_theirs
from backpass.network.construction import hidden_records
from backpass.network.network import Network
from backpass.training.history import History


def _forgetting(name: str) -> Callable[[Any], None]:
    """Return what deletes an attribute, as scripts do that delete all that fit has left."""

    def forget(self: Any) -> None:
        vars(self).pop(name, None)

    return forget


def _of_the_network(name: str, doc: str, read: Callable[[Network], Any]) -> property:
    """Return an attribute that the network has and nobody can set."""

    def value(self: "FittedNetwork") -> Any:
        if "_bp_network" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no {name!r} before fit")
        return read(self._bp_network)

    def refuse(self: "FittedNetwork", value: Any) -> None:
        if "_bp_network" in vars(self) and value == read(self._bp_network):  # a copy, name by name
            return
        raise AttributeError(
            f"{name} is that of network_ and cannot be set to {brief(value)}: make another network "
            "by Network.from_arrays(coefs, intercepts, activation, output, loss), which predicts, "
            f"and of which {type(self).__name__}.from_network(network) makes an estimator"
        )

    return property(value, refuse, _forgetting(name), doc=f"{doc}.")


def _by_name(theta: Parameters) -> dict[str, tuple[Any, ...]]:
    """Return the views of all weights and of all biases by the names that scikit-learn gives."""
    return {"coefs_": theta.weights, "intercepts_": theta.biases}


def _layers(name: str, doc: str) -> property:
    """Return an attribute that is a list of one array a layer, which counts as it is written."""

    def value(self: "FittedNetwork") -> list[Any]:
        arrays: list[Any] = self._bp_of_fit(name)
        return arrays

    def write(self: "FittedNetwork", arrays: Any) -> None:
        if "_bp_network" not in vars(self):
            raise AttributeError(
                f"{name} cannot be set before fit; {type(self).__name__}.from_weights(coefs, "
                "intercepts) makes a fitted estimator of given weights"
            )
        own = listed(name, arrays)  # the very list, so that what its owner does to it counts, too
        check_arrays(name, own, [x.shape for x in _by_name(self._bp_network.parameters)[name]])
        vars(self)[name] = own

    told = f"{doc}; what is written to them, or to the list, counts."
    return property(value, write, _forgetting(name), doc=told)


# what only this package sets has the prefix _bp_, so that a subclass may call its own as it likes
OF_OLD = ("_network", "_activation", "_engine", "_history", "_optimizer_state", "_steps",
          "_target_type")  # fmt: skip
"""Names of such attributes in pickles of versions that had no prefix."""

_SHAPE = ("n_layers_", "n_outputs_", "out_activation_")


class FittedNetwork:
    """What an estimator has once it is fitted: a network, its weights as lists, and a history."""

    _bp_network: Network
    activation: Any
    loss: Any
    _bp_activation: Any  # the parameter, as the network was made with
    _bp_engine: str
    _bp_history: History
    _bp_optimizer_state: dict[str, Any] | None
    loss_curve_: list[Any]
    validation_scores_: Any
    best_loss_: Any
    best_validation_score_: Any
    _bp_set_results: Callable[[int], None]
    _bp_set_outputs: Callable[[int, Any, bool], None]
    _bp_loss_record: Callable[[], Loss]
    _bp_output_activation: Callable[[Loss], str]

    def _bp_take(self, network: Network, *, anew: bool) -> None:
        """Hold a network, in lists that are new, or in those that there are."""
        theta, told = network.parameters, vars(self)
        self._bp_network, self._bp_activation = network, self.activation
        for name in _SHAPE:
            told[name] = getattr(self, name)  # for those who look into vars(estimator)
        for name, views in _by_name(theta).items():
            if anew:
                told[name] = LayerArrays(name, views, theta.flat)
                continue
            list.__setitem__(told[name], slice(None), views)
            if isinstance(told[name], LayerArrays):
                told[name].flat = theta.flat

    def _bp_has_own_arrays(self) -> bool:
        """Return whether the lists hold views of the network's parameters, and nothing else."""
        told, flat = vars(self), self._bp_network.parameters.flat
        first, second = told.get("coefs_"), told.get("intercepts_")
        return getattr(first, "flat", None) is flat and getattr(second, "flat", None) is flat

    def _bp_current_network(self) -> Network:
        """Return the network with what was written to the lists and to `activation`."""
        refuse_theirs(type(self), vars(self))
        if self.activation is not self._bp_activation:
            self._bp_network = self._bp_with_activation(self._bp_network)
        if not self._bp_has_own_arrays():
            self._bp_network = self._bp_gathered(self._bp_network)
        return self._bp_network

    def _bp_with_activation(self, network: Network) -> Network:
        """Return the network with the hidden activations that the parameter names."""
        *hidden, output = network.model.activations
        records = hidden_records(listed_activation(self.activation), len(hidden))
        if [*map(shown, records)] != [*map(shown, hidden)]:
            model = replace(network.model, activations=(*records, output))
            network = Network.from_model(model)
        self._bp_activation = self.activation
        return network

    def _bp_gathered(self, network: Network) -> Network:
        """Return a network of the arrays in the lists, the same one where they are its own."""
        theta = network.parameters
        found = Parameters(theta.sizes, np.empty_like(theta.flat))
        for name, views in _by_name(found).items():
            arrays = getattr(self, name)
            check_arrays(name, arrays, [view.shape for view in views])
            for view, array in zip(views, arrays, strict=True):
                view[...] = dense(array)
        if np.array_equal(found.flat.view(np.uint8), theta.flat.view(np.uint8)):
            return network
        return Network.from_model(network.model.with_parameters(found))

    def _bp_hand_back(self) -> None:
        """Write what training has changed into the arrays of the lists, where they are others'."""
        if self._bp_has_own_arrays():
            return
        for name, views in _by_name(self._bp_network.parameters).items():
            arrays = vars(self)[name]
            for layer, (array, view) in enumerate(zip(arrays, views, strict=True)):
                floats = isinstance(array, np.ndarray) and array.dtype.kind == "f"
                if floats and array.flags.writeable:
                    array[...] = view
                else:
                    list.__setitem__(arrays, layer, view)

    def _bp_of_fit(self, name: str) -> Any:
        """Return what fit has left under a name."""
        needed = {"_bp_network", "coefs_"} | ({name} - {"network_"})
        if not needed <= vars(self).keys():
            raise AttributeError(f"{type(self).__name__} has no {name!r} before fit")
        return vars(self).get(name)

    @property
    def network_(self) -> Network:
        """The trained network, which `coefs_` and `intercepts_` are views of."""
        self._bp_of_fit("network_")
        network = self._bp_current_network()
        if not self._bp_has_own_arrays():
            self._bp_take(network, anew=False)
        return network

    @network_.setter
    def network_(self, network: Network) -> None:
        if "_bp_network" in vars(self):
            ends = [
                (n.sizes[0], n.sizes[-1], n.model.loss.task) for n in (self._bp_network, network)
            ]
            if ends[0] != ends[1]:
                raise InputError(
                    f"network_ must have {ends[0][0]} inputs, {ends[0][1]} outputs and a loss for "
                    f"{ends[0][2]}; from_network(network) of the estimator takes any"
                )
        self._bp_take(network, anew=True)

    coefs_ = _layers("coefs_", "W_1 … W_L, each (in, out)")
    intercepts_ = _layers("intercepts_", "b_1 … b_L, each (out,)")
    n_layers_ = _of_the_network(
        "n_layers_", "Layers, the input's included", lambda network: len(network.sizes)
    )
    n_outputs_ = _of_the_network(
        "n_outputs_", "Number of outputs", lambda network: network.sizes[-1]
    )
    out_activation_ = _of_the_network(
        "out_activation_",
        "Name of the output's activation",
        lambda network: network.model.activations[-1].name,
    )

    @property
    def engine_(self) -> str:
        """Name of the engine that trained."""
        if "_bp_engine" not in vars(self):
            raise AttributeError(f"{type(self).__name__} has no 'engine_' before it has trained")
        return self._bp_engine

    @engine_.setter
    def engine_(self, value: Any) -> Never:
        raise AttributeError(
            f"engine_ says which engine trained; to choose another, "
            f"set_params(engine={brief(value)})"
        )

    # --- going on ------------------------------------------------------------------------

    def _bp_begin_with(self, network: Network) -> None:
        """Hold a network that this estimator has not trained yet, with a history that is empty."""
        self._bp_take(network, anew=True)
        self._bp_history = History()
        self._bp_optimizer_state = None
        self._bp_steps, self.t_ = 0, 0

    def _bp_go_on(self) -> None:
        """Go on with the network as it was written to, and with results that were set."""
        network, history = self._bp_current_network(), self._bp_history
        check_unchanged(self)
        if not self._bp_has_own_arrays():
            check_apart([*self.coefs_, *self.intercepts_])
            self._bp_network = network.copy()  # of which no list holds a view until it is trained
        elif not network.parameters.flat.flags.writeable:  # joblib maps large arrays read-only
            self._bp_take(network.copy(), anew=False)
        history.clock = history.clock._replace(samples=self.t_)
        told = self.loss_curve_
        history.loss_curve = told if isinstance(told, list) else list(told)
        if self.best_loss_ is not None:
            history.best_loss = self.best_loss_
        if getattr(self, "best_validation_score_", None) is not None:
            history.validation_scores = self.validation_scores_
            history.best_score = self.best_validation_score_

    @classmethod
    def from_weights(
        cls,
        coefs: Sequence[Any],
        intercepts: Sequence[Any],
        *,
        classes: Any = None,
        multilabel: bool = False,
        layout: str = "code",
        **parameters: Any,
    ) -> Self:
        """Return a fitted estimator with copies of the given weights; it predicts and trains on.

        Parameters
        ----------
        coefs : sequence of arrays (in, out)
            W_1 … W_L of any shapes that fit together; their number and sizes are the layers.
        intercepts : sequence of arrays (out,)
            b_1 … b_L.
        classes : array-like, optional
            Of a classifier: the labels in ascending order, one an output, or two for one output;
            0, 1, … by default.
        multilabel : bool, default False
            Of a classifier: whether each output is a label of its own. Two outputs are a softmax of
            two classes otherwise.
        layout : str, default "code"
            How the weights are written, of :data:`~backpass.core.layouts.LAYOUTS`: PyTorch's
            (out, in) are ``"nabla"``.
        **parameters
            As of the constructor: `activation`, `loss`, `solver` and so on.

        Raises
        ------
        InputError
            When shapes do not fit together, `classes` do not fit the outputs, a number is not
            finite, or a parameter cannot be used.

        Examples
        --------
        >>> from backpass import MLPClassifier
        >>> W, b = [np.array([[1.0, -1.0, 0.0]])], [np.zeros(3)]
        >>> model = MLPClassifier.from_weights(W, b, classes=["down", "level", "up"])
        >>> model.predict([[2.0], [-2.0]])
        array(['down', 'level'], dtype='<U5')
        """
        model = cls(**parameters)
        model._bp_set_outputs(outputs_of(coefs, intercepts), classes, multilabel)
        loss = model._bp_loss_record()
        output = model._bp_output_activation(loss)
        network = network_of(coefs, intercepts, model.activation, output, loss, layout)
        parameters = {"activation": model.activation, **parameters, "loss": model.loss}
        return cls.from_network(network, classes=classes, multilabel=multilabel, **parameters)

    @classmethod
    def from_network(
        cls, network: Network, *, classes: Any = None, multilabel: bool = False, **parameters: Any
    ) -> Self:
        """Return a fitted estimator with a copy of a network; it predicts and trains on.

        Parameters
        ----------
        network : Network
            Of any activations; its loss is one for numbers or for classes, as the estimator is.
        classes, multilabel, **parameters
            As of :meth:`from_weights`; layers, activations and loss are the network's.

        Raises
        ------
        InputError
            When the loss, `classes` or a parameter does not fit.

        Examples
        --------
        >>> from backpass import MLPRegressor, Network
        >>> network, X = Network([2, 3, 1], "tanh", seed=0), np.array([[0.5, 1.0]])
        >>> regressor = MLPRegressor.from_network(network, max_iter=50)
        >>> bool(regressor.predict(X)[0] == network.predict(X)[0, 0])
        True
        """
        if not isinstance(network, Network):
            raise InputError(
                f"from_network takes a Network, not {type(network).__name__}; from_weights takes "
                "arrays"
            )
        if "hidden_layer_sizes" in parameters:
            raise InputError("hidden_layer_sizes are those of the weights; leave them out")
        *hidden, output = map(shown, network.model.activations)
        told = {"hidden_layer_sizes": network.sizes[1:-1], "loss": shown(network.model.loss)}
        if hidden:
            told["activation"] = hidden[0] if len({*hidden}) == 1 else hidden
        model = cls(**{**told, **parameters})
        model._bp_set_outputs(network.sizes[-1], classes, multilabel)
        wanted = model._bp_output_activation(model._bp_loss_record())
        if hasattr(model, "classes_") and output != wanted:
            raise InputError(
                f"a classifier of loss {model.loss!r} takes outputs by {wanted!r}, not {output!r}"
            )
        return model._bp_fitted_with(network.copy())

    def _bp_fitted_with(self, network: Network) -> Self:
        """Return this estimator, fitted as if it had drawn a network and not trained it yet."""
        check_parameters(self)
        self._bp_begin_with(network)
        self.n_features_in_ = network.sizes[0]
        self._bp_set_results(0)
        return self

    @property
    def _no_improvement_count(self) -> int:
        """Epochs in a row without improvement: what scikit-learn calls so, to be read and set."""
        return self._bp_history.stalled

    @_no_improvement_count.setter
    def _no_improvement_count(self, count: int) -> None:
        self._bp_history.stalled = count

    # --- copies --------------------------------------------------------------------------------

    def __copy__(self) -> Self:
        """Return an estimator with the same lists and arrays, as scikit-learn's has."""
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self))
        if "_bp_history" in vars(twin):
            vars(twin)["_bp_history"] = copy.copy(
                vars(self)["_bp_history"]
            )  # its counts are its own
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return an estimator of its own; what else is copied with it keeps its arrays' aliases."""
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        lists = [vars(self).get(name) for name in ("coefs_", "intercepts_")]
        ours = [arrays for arrays in lists if isinstance(arrays, LayerArrays)]
        flat, ids = None, [id(array) for arrays in ours for array in arrays]
        own = "_bp_network" in vars(self) and self._bp_has_own_arrays()
        if own and not memo.keys() & {*ids}:  # which something else would have copied
            theta = copy.deepcopy(self._bp_network, memo).parameters
            flat = theta.flat
            memo.update(zip(ids, [*theta.weights, *theta.biases], strict=True))
        for arrays in ours:  # a copy of such a list alone is a plain one
            if id(arrays) not in memo:
                memo[id(arrays)] = LayerArrays(arrays.name, copy.deepcopy([*arrays], memo), flat)
        vars(twin).update(copy.deepcopy(vars(self), memo))
        return twin

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = {**super().__getstate__()}  # type: ignore[dict-item]
        if {"_bp_network", "coefs_", "intercepts_"} <= state.keys():
            state["_bp_network"], own = self._bp_current_network(), self._bp_has_own_arrays()
            for name in ("coefs_", "intercepts_"):  # views of a buffer are made anew from it
                state[name] = None if own else [*state[name]]
        return {**state, "_backpass_version": installed()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "coefs_" in state and "_bp_network" not in state and "_network" in state:
            state = {f"_bp{name}" if name in OF_OLD else name: x for name, x in state.items()}
        refuse_theirs(type(self), state)
        state = dict(state)
        made_by = state.pop("_backpass_version", None)
        if made_by != installed():
            warnings.warn(
                f"this {type(self).__name__} was pickled by backpass {made_by or 'of old'} and is "
                f"read by {installed()}, which may take it for something else; to keep a model for "
                "longer, write estimator.network_.save(file) or a TabularModel",
                VersionWarning,
                stacklevel=2,
            )
        super().__setstate__(state)  # type: ignore[misc]
        for name in ("coefs_", "intercepts_"):
            if isinstance(state.get(name), list):
                vars(self)[name] = LayerArrays(name, state[name], None)
            elif name in state:
                self._bp_take(self._bp_network, anew=True)


@cache
def installed() -> str:
    """Return the version of backpass."""
    return version("backpass")
