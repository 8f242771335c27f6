"""The model file of a table: what it holds, and how its parts must fit together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backpass.core.parameters import parameter_count
from backpass.errors import ModelFileError
from backpass.network.file import NETWORK_SCHEMA, model_from, network_json, shown_sizes
from backpass.network.network import Network
from backpass.storage.atomic_write import shown_path
from backpass.storage.container import read_container, write_container
from backpass.storage.schema import AnyOf, Int, Number, Optional, Schema, Text
from backpass.tabular.encoding import STATE_SCHEMA, TableEncoding
from backpass.tabular.recipe import RECIPE_SCHEMA
from backpass.tabular.targets import TARGET_SCHEMAS, ClassTarget, Target, target_from_state

KIND = "model"
TENSOR = "network.flat"  # the only one

MODEL_SCHEMA: dict[str, Schema] = {
    "target": AnyOf(*TARGET_SCHEMAS.values()),
    "encoder": STATE_SCHEMA,
    "recipe": RECIPE_SCHEMA,
    "seed": Int(),
    "weights": Optional(Text()),  # the column of sample weights
    "network": NETWORK_SCHEMA,
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
    path: str | Path, target: Target, encoder: TableEncoding, network: Network, told: dict[str, Any]
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
    try:
        network_meta = network_json(network.model)
    except ModelFileError as error:
        message = f"{shown_path(path)}: cannot be written: {error}; nothing was written"
        raise ModelFileError(message) from None
    meta = {**told, "target": target.state(), "encoder": encoder.to_state()}
    tensors = {TENSOR: network.parameters.flat}
    write_container(path, KIND, {**meta, "network": network_meta}, tensors)


def read_model(path: str | Path) -> tuple[Target, TableEncoding, Network, dict[str, Any]]:
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
    try:
        target = target_from_state(meta["target"])
        encoder = TableEncoding.from_state(meta["encoder"], checked=True)
        if strange := tensors.keys() - {TENSOR}:
            raise ModelFileError(f"tensor {min(strange)!r} belongs to no model; train again")
        network = _network_from(meta["network"], tensors.get(TENSOR), target, encoder)
    except ModelFileError as error:
        raise ModelFileError(f"{shown_path(path)}: {error}") from None
    return target, encoder, network, meta


def _network_from(
    told: dict[str, Any], flat: Any, target: Target, encoder: TableEncoding
) -> Network:
    """Return the network of a model file, after checking that its parts fit together."""
    sizes, n_inputs = told["sizes"], encoder.width
    n_outputs = len(target.classes) if isinstance(target, ClassTarget) else 1
    if flat is None or flat.dtype.kind != "f" or flat.shape != (parameter_count(sizes),):
        raise ModelFileError(f"tensor {TENSOR!r} does not fit {shown_sizes(sizes)}")
    if sizes[0] != n_inputs or sizes[-1] != n_outputs:
        raise ModelFileError(
            f"the network is {sizes[0]} to {sizes[-1]}, but the encoder gives {n_inputs} "
            f"inputs and the target has {n_outputs} output(s)"
        )
    return Network.from_model(model_from(told, flat))
