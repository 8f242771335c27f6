"""Every number of one run of the two passes beside its equation."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backpass.core.arrays import Array
from backpass.core.optimizers import OPTIMIZERS, Optimizer
from backpass.derivatives.batch import Subject, subject
from backpass.derivatives.notation import get_notation
from backpass.derivatives.tracing.formatter import Limits
from backpass.derivatives.tracing.nudge import nudge_section
from backpass.derivatives.tracing.recording import (
    Recording,
    Values,
    record,
    record_chained,
    record_jacobians,
    record_neurons,
    record_thin_chain,
    record_update,
)
from backpass.derivatives.tracing.result import Trace
from backpass.derivatives.tracing.steps import (
    Section,
    Step,
    batch_steps,
    mean_steps,
    of_one_sample,
    update_step,
)
from backpass.derivatives.tracing.table_columns import TableColumn
from backpass.errors import InputError
from backpass.network.network import Network

__all__ = ["EXAMPLES", "Trace", "example", "trace"]

SHOWN_SAMPLES, SHOWN_LINES = 4, 12
"""The most samples that are shown one by one, and the most elements of an array written out."""


def trace(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    notation: str = "code",
    form: str = "batch",
    layer: int | None = None,
    max_elements: int | None = 64,
    digits: int = 4,
    sample_weight: Any = None,
    alpha: float | None = None,
    update: str | Optimizer | None = None,
    learning_rate: float = 0.1,
    nudge: tuple[Any, ...] | None = None,
    derivations: bool = False,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
) -> Trace:
    """Run the forward and the backward pass on some rows and keep every number for showing.

    Parameters
    ----------
    model : Network, MLPClassifier, MLPRegressor, Pipeline that ends in one, or TabularModel
    X : array of shape (N, n_0), or a table for a TabularModel
    y : array of shape (N,) or (N, k), optional
        Targets as the loss takes them; labels for a classifier. Left out or None: those in
        a TabularModel's table.
    notation : str
        ``"code"`` (ours), or that of a lecture note: ``"error"`` (1), ``"chain"`` (2), ``"nabla"``
        (3), ``"omega"`` (4), ``"bracket"`` (5).
    form : str
        ``"batch"``: matrices of all rows; ``"sample"``: one row after the other, then the mean;
        ``"parameter"``: one parameter after the other, with sums; ``"jacobian"``: note 4's product
        of Jacobians; ``"neuron"``: the single neurons of a layer (`layer`, by default 1);
        ``"chain"``: note 3's fractions, for a network with one unit in every layer.
    layer : int, optional
        Show this layer only, 1 … L.
    max_elements : int or None
        The most entries of an array that are shown; None shows all.
    digits : int
        Significant digits of the numbers shown.
    sample_weight : array of shape (N,), optional
    alpha : float, optional
        L2 strength; by default the estimator's own, 0 for the others.
    update : str or Optimizer, optional
        Show the first step of this optimiser, too.
    learning_rate : float
        Of that step.
    nudge : tuple, optional
        ``("W", layer, i, j)`` or ``("b", layer, j)``, units from 0 in our layout: move that
        parameter by ε, run again, and show the new cost beside ε times the derivative, and the
        paths to the cost that the derivative sums.
    derivations : bool
        Show the records' derivations of φ′ and ∂C/∂z line by line, too.
    input_names, output_names : sequence of str, optional
        What the units of the first and of the last layer stand for.

    Returns
    -------
    Trace
        It prints as text, shows as HTML in notebooks, and has ``to_html``, ``to_latex``,
        ``to_dict`` and ``save``.

    Raises
    ------
    InputError
        When rows and targets do not fit, or a notation, form or layer is unknown.

    Examples
    --------
    >>> seen = trace(Network([1, 1], "logistic", "logistic", seed=0), [[0.5]], [[1.0]])
    >>> seen["delta", 1].shape
    (1, 1)
    """
    table = get_notation(notation)
    if form not in FORMS:
        raise InputError(f"unknown form {form!r}; known: {', '.join(FORMS)}")
    limits = Limits(max_elements, digits)
    columns: Sequence[TableColumn] = ()
    if hasattr(model, "table_columns"):
        X = model.read(X)  # once: it may be standard input
        columns = model.table_columns(X, y)
    given = subject(model, X, y, sample_weight, alpha=alpha)
    optimizer = None if update is None else OPTIMIZERS.get_record(update)
    decoupled = optimizer is not None and optimizer.decoupled
    batch = replace(given, alpha=0.0) if decoupled else given  # decay is then no part of the cost
    network, whole = batch.network, record(batch)
    _check_layer(layer, network)
    if optimizer is not None:
        _update(given, whole, form, optimizer, learning_rate)
    most = None if max_elements is None else SHOWN_LINES
    values = Values(table, whole, derivations=derivations, most_lines=most)
    sections = _sections(values, batch, form, optimizer, layer)
    if layer is not None:
        sections = [_only_layer(section, layer) for section in sections]
    many = len(batch.s) > 1 and form == "batch" and not table.samples_alone
    if nudge is not None:
        alone = (
            [record(sample) for sample in _alone(batch)] if len(batch.s) > 1 and not many else []
        )
        sections.append(nudge_section(table, batch, whole, nudge, alone))
    named = (
        _checked_names("input_names", input_names, network.sizes[0]),
        _checked_names("output_names", output_names, network.sizes[-1]),
    )
    shown = {"input": batch.X, "target": batch.y, "weight": batch.s[:, None]}
    columns = [
        replace(column, numbers=shown[column.kind][:, column.places])
        for column in columns
        if column.kind != "weight" or sample_weight is None
    ]
    seen = tuple(sections), limits, many, *named, tuple(columns)
    return Trace(network, table, form, whole, *seen)


FORMS = {
    "batch": "matrices of all rows",
    "sample": "one row after the other, with vectors, then the mean",
    "parameter": "one parameter after the other, with sums",
    "jacobian": "a product of Jacobians (note 4)",
    "neuron": "the single neurons of one layer (note 4)",
    "chain": "the chain of fractions of a thin network (note 3)",
}
"""The forms that a trace can take."""

WITHOUT_GRADIENTS = ("neuron", "chain")
"""Forms that show a few derivatives only, of which no mean and no update can be shown."""


def _update(given: Subject, whole: Recording, form: str, optimizer: Optimizer, rate: float) -> None:
    """Add the first step of the optimiser to the recording."""
    if form in WITHOUT_GRADIENTS:
        raise InputError(f"form {form} shows no gradients to update by; leave update out")
    if not 0 < rate < math.inf:
        raise InputError(f"learning_rate must be a number above 0, not {rate:g}")
    record_update(given, whole, optimizer, rate, given.alpha)


def _sections(
    values: Values, batch: Subject, form: str, optimizer: Optimizer | None, layer: int | None
) -> list[Section]:
    """Return all steps: of every sample alone, of one in a form of its own, or of the batch."""
    several, alone = len(batch.s) > 1, form not in ("batch", "sample")
    if several and (alone or form == "sample" or values.notation.samples_alone):
        return _by_sample(values, batch, form, optimizer, layer)
    if alone:
        steps = _steps_of_one(form, values, batch, layer)
        values.recording.add(steps[0].lines[0].values.recording)
        return [Section("", steps + _update_steps(values, optimizer))]
    steps = batch_steps(values, batch=several, alpha=batch.alpha, optimizer=optimizer)
    return [Section("", steps)]


def _steps_of_one(form: str, values: Values, batch: Subject, layer: int | None) -> list[Step]:
    """Return the steps of one sample in any form."""
    from backpass.derivatives.tracing import jacobian_forms, unit_forms  # most are of a batch

    network = batch.network
    if form == "chain":
        unit_forms.check_thin(network)
    if form in ("jacobian", "neuron", "chain"):  # they need ∂C/∂a and φ' apart
        values = replace(values, recording=record(batch, fused=False))
    seen = values.recording
    if form == "parameter":
        if not network.model.activations[-1].elementwise:  # note 3 goes through its Jacobian
            seen.add(record_chained(batch))
        return unit_forms.element_steps(values, batch.alpha)
    if form == "jacobian":
        record_jacobians(batch, seen)
        return jacobian_forms.jacobian_steps(values)
    if form == "neuron":
        record_neurons(batch, seen, layer or 1)
        return jacobian_forms.neuron_steps(values, layer or 1)
    if form == "chain":
        return unit_forms.chain_steps(values, record_thin_chain(batch, seen))
    return batch_steps(values, batch=False, alpha=batch.alpha)


def _alone(batch: Subject) -> list[Subject]:
    """Return every sample alone, whose cost is its own."""
    one = np.ones_like(batch.s[:1])
    return [replace(batch.rows(n, n + 1), s=one, alpha=0.0) for n in range(len(batch.s))]


def _by_sample(
    values: Values, batch: Subject, form: str, optimizer: Optimizer | None, layer: int | None
) -> list[Section]:
    """Return the steps of every sample alone, then the mean."""
    notation, alone = values.notation, _alone(batch)
    seen = [record(sample) for sample in alone]
    sections = [
        Section(
            f"sample {n + 1 - notation.from_zero}",
            [
                of_one_sample(step, n)
                for step in _steps_of_one(form, replace(values, recording=seen[n]), alone[n], layer)
            ],
        )
        for n in range(min(len(alone), SHOWN_SAMPLES))
    ]
    left = len(alone) - len(sections)
    title = "the mean over the samples" + (f" ({left} of them not shown above)" if left else "")
    if form in WITHOUT_GRADIENTS:
        return sections
    steps = mean_steps(notation, values.recording, seen, batch.alpha)
    return [*sections, Section(title, steps + _update_steps(values, optimizer))]


def _update_steps(values: Values, optimizer: Optimizer | None) -> list[Step]:
    """Return the update of every layer, if one is asked for."""
    layers = range(1, values.last + 1) if optimizer is not None else ()
    return [update_step(values, number, optimizer) for number in layers if optimizer is not None]


def _only_layer(section: Section, layer: int) -> Section:
    return Section(section.title, [step for step in section.steps if step.layer == layer])


def _check_layer(layer: int | None, network: Network) -> None:
    last = len(network.sizes) - 1
    if layer is not None and (isinstance(layer, bool) or layer not in range(1, last + 1)):
        raise InputError(f"layer must be 1 … {last}, not {layer!r}")


def _checked_names(option: str, names: Sequence[str] | None, units: int) -> tuple[str, ...]:
    """Return the names of a layer's units; a class of two has one output, without a name."""
    if names is None or (option == "output_names" and units == 1 and len(names) == 2):
        return ()
    if len(names) != units:
        raise InputError(f"{option}: {len(names)} names for {units} units")
    return tuple(map(str, names))


def xor() -> tuple[Network, Array, Array]:
    """Return a 2-2-1 network that is on its way to exclusive or, and the four rows."""
    W1, b1 = np.array([[1.0, -1.0], [1.0, -1.0]]), np.array([-0.5, 1.5])
    W2, b2 = np.array([[2.0], [2.0]]), np.array([-1.0])
    network = Network.from_arrays([W1, W2], [b1, b2], "tanh", "logistic", "binary_cross_entropy")
    X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    return network, X, np.array([0.0, 1.0, 1.0, 0.0])


def thin() -> tuple[Network, Array, Array]:
    """Return note 3's thin network, one unit in each of three layers, and one row."""
    weights = [np.array([[value]]) for value in (0.5, -1.0, 2.0)]
    biases = [np.array([value]) for value in (0.0, 0.5, 0.25)]
    network = Network.from_arrays(weights, biases, ["tanh", "logistic"])
    return network, np.array([[1.5]]), np.array([1.0])


def small() -> tuple[Network, Array, Array]:
    """Return a 2-3-2 network with logistic outputs and the squared error, and three rows."""
    return _small("logistic", "squared_error"), SMALL_ROWS, np.eye(2)[SMALL_CLASSES]


def classes() -> tuple[Network, Array, Array]:
    """Return the network of :func:`small` with softmax and cross-entropy: note 3's case."""
    return _small("softmax", "cross_entropy"), SMALL_ROWS, SMALL_CLASSES


SMALL_ROWS = np.array([[1.0, 2.0], [0.5, -1.0], [-1.5, 0.25]])
SMALL_CLASSES = np.array([0, 1, 1])


def _small(output: str, loss: str) -> Network:
    W1 = np.array([[0.5, -1.0, 0.25], [1.0, 0.5, -0.75]])
    W2 = np.array([[1.0, -0.5], [-1.0, 0.75], [0.5, 1.0]])
    biases = [np.array([0.1, 0.0, -0.2]), np.array([0.0, 0.2])]
    return Network.from_arrays([W1, W2], biases, "tanh", output, loss)


EXAMPLES = {"xor": xor, "thin": thin, "small": small, "classes": classes}
"""Every example by name."""


def example(name: str) -> tuple[Network, Array, Array]:
    """Return a network, its rows and its targets.

    Parameters
    ----------
    name : {"xor", "thin", "small", "classes"}

    Raises
    ------
    InputError
        When there is no such example.

    Examples
    --------
    >>> network, X, y = example("xor")
    >>> network.predict(X).round(2).ravel()
    array([0.47, 0.7 , 0.7 , 0.47])
    """
    if name not in EXAMPLES:
        raise InputError(f"unknown example {name!r}; known: {', '.join(EXAMPLES)}")
    return EXAMPLES[name]()
