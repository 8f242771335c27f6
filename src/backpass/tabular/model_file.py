"""The model file of a table: what it holds, and how its parts must fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backpass.errors import InputError, ModelFileError
from backpass.network import Network
from backpass.parameters import Model, Parameters, parameter_count
from backpass.storage.container import read_container, write_container
from backpass.storage.schema import AnyOf, Int, ListOf, Number, Optional, Schema, Text
from backpass.tabular.encoder import STATE_SCHEMA, TableEncoder
from backpass.tabular.recipe import RECIPE_SCHEMA
from backpass.tabular.targets import TARGET_SCHEMAS, ClassTarget, Target, target_from_state

__all__ = ["MODEL_SCHEMA", "read_model", "write_model"]

KIND = "model"

MODEL_SCHEMA: dict[str, Schema] = {
    "target": AnyOf(*TARGET_SCHEMAS.values()),
    "encoder": STATE_SCHEMA,
    "recipe": RECIPE_SCHEMA,
    "seed": Int(),
    "weights": Optional(Text()),
    "network": {
        "sizes": ListOf(Int(min=1), shortest=2),
        "activations": ListOf(Text(), shortest=1),
        "loss": Text(),
    },
    "history": {
        "epochs": Int(min=0),
        "best_epoch": Int(min=0),
        "stop_reason": Text(),
        "seconds": Number(min=0),
        "rows": Int(min=1),
    },
}
"""What the JSON of a model file must look like."""


def write_model(
    path: str | Path, target: Target, encoder: TableEncoder, network: Network, told: dict[str, Any]
) -> None:
    """Write a model file: arrays and schema-checked JSON with a SHA-256, no pickle.

    Parameters
    ----------
    path : str or Path
    target, encoder, network
    told : dict
        Recipe, seed, weights and history, as `MODEL_SCHEMA` has them.

    Raises
    ------
    ModelFileError
        When it cannot be written; an old file of that name is then untouched.
    """
    state, arrays = encoder.to_state()
    activations, loss = network.model.specs()
    meta = {
        **told,
        "target": target.state(),
        "encoder": state,
        "network": {"sizes": list(network.sizes), "activations": activations, "loss": loss},
    }
    tensors = {f"encoder.{name}": array for name, array in arrays.items()}
    write_container(path, KIND, meta, {**tensors, "network.flat": network.parameters.flat})


def read_model(path: str | Path) -> tuple[Target, TableEncoder, Network, dict[str, Any]]:
    """Read a model file; nothing in it is executed.

    Returns
    -------
    target, encoder, network
    told : dict
        Recipe, seed, weights and history.

    Raises
    ------
    ModelFileError
        When it is no model file, or damaged; the message says what and where.
    """
    meta, tensors = read_container(path, KIND, MODEL_SCHEMA)
    arrays = {
        name.removeprefix("encoder."): array
        for name, array in tensors.items()
        if name.startswith("encoder.")
    }
    target = target_from_state(meta["target"])
    encoder = TableEncoder.from_state(meta["encoder"], arrays)
    n_inputs = sum(len(column.outputs) for column in encoder.columns_)
    network = _network_from(path, meta["network"], tensors, n_inputs, target)
    return target, encoder, network, meta


def _network_from(
    path: str | Path, told: dict[str, Any], tensors: dict[str, Any], n_inputs: int, target: Target
) -> Network:
    """Return the network of a model file, after checking that its parts fit together."""
    sizes, flat = told["sizes"], tensors.get("network.flat")
    n_outputs = len(target.classes) if isinstance(target, ClassTarget) else 1
    if flat is None or flat.dtype.kind != "f" or flat.shape != (parameter_count(sizes),):
        raise ModelFileError(f"{path}: tensor 'network.flat' does not fit sizes {sizes}")
    if sizes[0] != n_inputs or sizes[-1] != n_outputs:
        raise ModelFileError(
            f"{path}: the network is {sizes[0]} to {sizes[-1]}, but the encoder gives {n_inputs} "
            f"inputs and the target has {n_outputs} output(s)"
        )
    try:
        model = Model.from_specs(Parameters(sizes, flat), told["activations"], told["loss"])
    except InputError as error:
        raise ModelFileError(f"{path}: network: {error}") from None
    if not model.is_finite():
        raise ModelFileError(f"{path}: a parameter is not a finite number; train the model again")
    return Network.from_model(model)
