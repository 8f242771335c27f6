"""The network file: sizes, records and parameters of a network, nothing else.

A safetensors file as :mod:`backpass.storage.container` describes it, of kind ``"network"``. Its
tensors are the matrices under the notes' names, ``W_1``, ``b_1``, ``W_2``, …, each W (in, out); its
JSON has the sizes, the activations and the loss by name and numbers. A model file
(:mod:`backpass.tabular.model_file`) holds a network in the same JSON, with one flat tensor.
"""

import os
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np

from backpass.core.activations import ACTIVATIONS
from backpass.core.arrays import Array, to_numpy
from backpass.core.losses import LOSSES
from backpass.core.parameters import Model, Parameters, parameter_count
from backpass.core.registry import Record, Registry
from backpass.errors import InputError, ModelFileError
from backpass.storage.atomic_write import shown_path
from backpass.storage.container import read_container, write_container
from backpass.storage.schema import Int, ListOf, Schema, Text
from backpass.storage.strict_json import quoted

KIND = "network"

NETWORK_SCHEMA: dict[str, Schema] = {
    "sizes": ListOf(Int(min=1), shortest=2),
    "activations": ListOf(Text(longest=200), shortest=1),
    "loss": Text(longest=200),
}
"""What the JSON of a network must look like."""


def write_network(path: str | os.PathLike[str], model: Model) -> None:
    """Write a network file, durably: the old file stays as it was if anything fails.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write.
    model : Model
        Parameters of any library, in float64 or float32.

    Raises
    ------
    ModelFileError
        When a record could not be rebuilt from its name, a parameter is not a finite number or
        of another dtype, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> theta = Parameters([1, 1], np.array([2.0, 0.5]))
    >>> model = Model.from_specs(theta, ["tanh"], "huber:delta=2")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_network(Path(folder, "net.backpass"), model)
    ...     again = read_network(Path(folder, "net.backpass"))
    >>> again.parameters.flat, again.loss.numbers
    (array([2. , 0.5]), {'delta': 2.0})
    """
    try:
        theta = Parameters(model.parameters.sizes, _numbers(model.parameters.flat))
        meta = network_json(model.with_parameters(theta))
    except ModelFileError as error:
        message = f"{shown_path(path)}: cannot be written: {error}; nothing was written"
        raise ModelFileError(message) from None
    pieces = [piece for pair in zip(theta.weights, theta.biases, strict=True) for piece in pair]
    names = [name for name, _ in _tensors(theta.sizes)]
    write_container(path, KIND, meta, dict(zip(names, pieces, strict=True)))


def read_network(path: str | os.PathLike[str]) -> Model:
    """Read a network file; nothing in it is executed.

    Parameters
    ----------
    path : str or os.PathLike
        The file to read.

    Returns
    -------
    Model
        Over NumPy arrays, with the dtype that was written.

    Raises
    ------
    ModelFileError
        When it is no network file, damaged, too new, or names a record that is not registered;
        the message says what and where.
    """
    meta, tensors = read_container(path, KIND, NETWORK_SCHEMA)
    try:
        return model_from(meta, _joined(meta["sizes"], tensors))
    except ModelFileError as error:
        raise ModelFileError(f"{shown_path(path)}: {error}") from None


def network_json(model: Model) -> dict[str, Any]:
    """Return the JSON of a network, after checking that the network can be rebuilt from it.

    Raises
    ------
    ModelFileError
        When a record is not what its name makes, or a parameter is not a finite number.
    """
    for activation in model.activations:
        _check_record(ACTIVATIONS, activation)
    _check_record(LOSSES, model.loss)
    if not model.is_finite():
        raise ModelFileError("a parameter is not a finite number; train with a lower learning rate")
    activations, loss = model.specs()
    return {"sizes": list(model.parameters.sizes), "activations": activations, "loss": loss}


def model_from(meta: Mapping[str, Any], flat: Array) -> Model:
    """Return the model that `network_json` described, over `flat`.

    Parameters
    ----------
    meta : mapping
        It fits `NETWORK_SCHEMA`.
    flat : array of shape (P,)
        θ, which is used, not copied.

    Raises
    ------
    ModelFileError
        When a record is unknown, records do not go together, or a parameter is not finite.
    """
    specs, n_layers = meta["activations"], len(meta["sizes"]) - 1
    if len(specs) != n_layers:  # before a record is made for each
        raise ModelFileError(f"{n_layers} layers need as many activations, not {len(specs)}")
    try:
        made = {spec: _known(ACTIVATIONS, spec) for spec in dict.fromkeys(specs)}
        loss = _known(LOSSES, meta["loss"])
        model = Model(Parameters(meta["sizes"], flat), tuple(made[spec] for spec in specs), loss)
    except ModelFileError:
        raise
    except InputError as error:
        raise ModelFileError(f"network: {error}") from None
    if not model.is_finite():
        raise ModelFileError("a parameter is not a finite number; train the model again")
    return model


def shown_sizes(sizes: list[int]) -> str:
    """Return sizes for a message, which a stranger's file must not make endless.

    Examples
    --------
    >>> shown_sizes([2, 3, 1]), shown_sizes([1] * 1000)
    ('sizes [2, 3, 1]', 'its 1000 layers')
    """
    return f"sizes {sizes}" if len(sizes) <= 8 else f"its {len(sizes)} layers"


def _check_record(registry: Registry[Any], record: Record) -> None:
    """Refuse a record that loading by its name would not bring back."""
    try:
        registry.spec(record)
    except InputError as error:
        raise ModelFileError(str(error)) from None
    maker = registry[record.name]
    if maker.__module__.startswith("backpass.") and not registry.is_ours(record):
        raise ModelFileError(
            f"{registry.kind} {record.name!r} has functions other than backpass's: register it "
            "under a name of its own"
        )


def _numbers(flat: Array) -> Array:
    """Return the parameters as NumPy's, or say in one line why their library will not give them."""
    try:
        return to_numpy(flat)
    except (BufferError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise ModelFileError(
            f"NumPy cannot read the parameters ({reason}); detach them or convert them to float64"
        ) from None


def _known(registry: Registry[Any], spec: str) -> Any:
    """Return the record that a file names, or say how to make it known."""
    name = spec.partition(":")[0]
    if name not in registry:
        raise ModelFileError(
            f"{registry.kind} {quoted(name)} is not registered: call register_{registry.kind} "
            "before loading, with the functions that the network was trained with"
        )
    return registry.get_record(spec)


def _tensors(sizes: list[int] | tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and the shape of every tensor, in the order of the flat buffer."""
    for layer, (n_in, n_out) in enumerate(pairwise(sizes), start=1):
        yield f"W_{layer}", (n_in, n_out)
        yield f"b_{layer}", (n_out,)


def _joined(sizes: list[int], tensors: Mapping[str, Array]) -> Array:
    """Return the tensors as one flat buffer, after checking that they fit the sizes."""
    if len(tensors) != 2 * len(sizes) - 2:  # before a name is made for each
        raise ModelFileError(f"{len(tensors)} tensors do not fit {shown_sizes(sizes)}")
    shapes = dict(_tensors(sizes))
    if shapes.keys() != tensors.keys():
        names = sorted(shapes.keys() ^ tensors.keys())
        raise ModelFileError(f"tensor {quoted(names[0])} is missing or one too many")
    dtype = tensors["W_1"].dtype
    for name, shape in shapes.items():
        found = tensors[name]
        if found.shape != shape or found.dtype != dtype or dtype.kind != "f":
            raise ModelFileError(
                f"tensor {name}: {found.dtype} of shape {found.shape} does not fit "
                f"{shown_sizes(sizes)}"
            )
    flat = np.empty(parameter_count(sizes), dtype)
    np.concatenate([tensors[name].reshape(-1) for name in shapes], out=flat)
    return flat
