"""The model file of a table: what it holds, and how its parts must fit together."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.parameters import parameter_count
from backpass.errors import ModelFileError
from backpass.network.file import NETWORK_SCHEMA, model_from, network_json, shown_sizes
from backpass.network.network import Network
from backpass.storage.atomic_write import shown_path
from backpass.storage.container import read_container, write_container
from backpass.storage.schema import AnyOf, Int, ListOf, MapOf, Number, Optional, Schema, Text
from backpass.tabular.encoding import STATE_SCHEMA, TableEncoding
from backpass.tabular.pack.blending import Blend
from backpass.tabular.pack.intervals import FoldErrors
from backpass.tabular.pack.pack import Pack, PackedRecipe
from backpass.tabular.recipe import RECIPE_SCHEMA, Recipe
from backpass.tabular.targets import TARGET_SCHEMAS, ClassTarget, Target, target_from_state

KIND = "model"
TENSOR = "network.flat"  # the only one, but for a pack
PACKED = "pack.{}.{}"  # by recipe and fold
ERRORS = "errors.{}"  # by fold
USUAL = "usual_errors.{}"

MODEL_SCHEMA: dict[str, Schema] = {
    "target": AnyOf(*TARGET_SCHEMAS.values()),
    "encoder": STATE_SCHEMA,
    "recipe": RECIPE_SCHEMA,
    "seed": Int(),
    "weights": Optional(Text()),  # the column of sample weights
    "network": Optional(NETWORK_SCHEMA),  # or a pack
    "history": {
        "epochs": Int(min=0),
        "best_epoch": Int(min=0),
        "stop_reason": Text(),
        "seconds": Number(min=0),
        "rows": Int(min=1),
    },
    "pack": Optional(
        {
            "recipes": ListOf(
                {
                    "recipe": RECIPE_SCHEMA,
                    "network": NETWORK_SCHEMA,
                    "weight": Number(min=0, max=1),
                    "epochs": ListOf(Int(min=1), shortest=1),
                },
                shortest=1,
            ),
            "temperature": Number(min=0.1, max=10),
            "out_of_fold": MapOf(Number()),
        }
    ),
}
"""What the JSON of a model file must look like."""


def write_model(
    path: str | Path,
    target: Target,
    encoder: TableEncoding,
    network: Network | Pack,
    told: dict[str, Any],
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
    meta = {**told, "target": target.state(), "encoder": encoder.to_state()}
    newer = encoder.bins_.places or "costs" in meta["target"] or "loss" in meta["recipe"]
    version = 2 if newer else 1
    try:
        if isinstance(network, Pack):
            packed, tensors = _pack_parts(network)
            meta["pack"], version = told["pack"] | packed, 2
        else:
            meta["network"] = network_json(network.model)
            tensors = {TENSOR: network.parameters.flat}
    except ModelFileError as error:
        message = f"{shown_path(path)}: cannot be written: {error}; nothing was written"
        raise ModelFileError(message) from None
    write_container(path, KIND, meta, tensors, version=version)


def read_model(path: str | Path) -> tuple[Target, TableEncoding, Network | Pack, dict[str, Any]]:
    """Read a model file; nothing in it is executed.

    Returns
    -------
    target, encoder, network or pack
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
        network = _network_or_pack(meta, tensors, target, encoder)
    except ModelFileError as error:
        raise ModelFileError(f"{shown_path(path)}: {error}") from None
    return target, encoder, network, meta


def _pack_parts(pack: Pack) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the JSON and the tensors of a pack."""
    recipes, tensors = [], {}
    for i, packed in enumerate(pack.recipes):
        recipes.append(
            {
                "recipe": packed.recipe.to_json(),
                "network": network_json(packed.networks[0].model),
                "weight": pack.blend.weights[i],
                "epochs": list(packed.epochs),
            }
        )
        for k, network in enumerate(packed.networks):
            tensors[PACKED.format(i, k)] = network.parameters.flat
    for k, fold in enumerate(pack.errors):
        tensors[ERRORS.format(k)] = fold.errors
        tensors[USUAL.format(k)] = np.stack([fold.at, fold.usual])
    return {"recipes": recipes, "temperature": pack.blend.temperature}, tensors


def _network_or_pack(
    meta: dict[str, Any], tensors: dict[str, Any], target: Target, encoder: TableEncoding
) -> Network | Pack:
    """Return what predicts, after checking that the parts of a file fit together."""
    told, left = meta.get("pack"), dict(tensors)
    predictor: Network | Pack
    if (told is None) == (meta.get("network") is None):
        raise ModelFileError("it must hold a network or a pack, one of them; train again")
    if told is None:
        predictor = _network_from(meta["network"], left, TENSOR, target, encoder.width)
    else:
        recipes = []
        for i, packed in enumerate(told["recipes"]):
            recipe = Recipe.from_json(packed["recipe"])
            width = encoder.width if recipe.bins else encoder.plain_width
            networks = (
                _network_from(packed["network"], left, PACKED.format(i, k), target, width)
                for k in range(len(packed["epochs"]))
            )
            recipes.append(PackedRecipe(recipe, tuple(networks), tuple(packed["epochs"])))
        weights = tuple(packed["weight"] for packed in told["recipes"])
        if not math.isclose(sum(weights), 1):
            raise ModelFileError(f"the weights of its recipes sum to {sum(weights):g}, not to 1")
        predictor = Pack(
            tuple(recipes), Blend(weights, told["temperature"]), _errors(recipes, left)
        )
    if left:
        raise ModelFileError(f"tensor {min(left)!r} belongs to no model; train again")
    return predictor


def _errors(recipes: list[PackedRecipe], tensors: dict[str, Any]) -> tuple[FoldErrors, ...]:
    """Return the errors on each fold, whose tensors are taken out; none of a classification."""
    errors = []
    for k in range(len(recipes[0].networks)):
        of_fold = tensors.pop(ERRORS.format(k), None)
        if of_fold is None:
            break
        ordered = of_fold.dtype == np.float64 and of_fold.ndim == 1 and of_fold.size
        if not ordered or of_fold[0] < 0 or np.any(np.diff(of_fold) < 0):
            raise ModelFileError(f"tensor {ERRORS.format(k)!r} holds no errors in order")
        errors.append(FoldErrors(of_fold, *_usual(tensors, USUAL.format(k))))
    # one list of all, where folds went forward in time
    if len(errors) > 1 and any(len(packed.networks) != len(errors) for packed in recipes):
        raise ModelFileError("its errors do not fit its networks")
    return tuple(errors)


def _usual(tensors: dict[str, Any], name: str) -> NDArray[np.float64]:
    """Return predictions and their usual errors, whose tensor is taken out; 1 in older files."""
    usual = tensors.pop(name, None)
    if usual is None:
        return np.array([[0.0], [1.0]])
    fits = usual.dtype == np.float64 and usual.ndim == 2 and len(usual) == 2 and usual.size
    if not fits or usual[1].min() <= 0 or np.any(np.diff(usual[0]) < 0):
        raise ModelFileError(f"tensor {name!r} holds no usual errors")
    checked: NDArray[np.float64] = usual
    return checked


def _network_from(
    told: dict[str, Any], tensors: dict[str, Any], name: str, target: Target, n_inputs: int
) -> Network:
    """Return a network of a model file, whose tensor is taken out."""
    sizes, flat = told["sizes"], tensors.pop(name, None)
    n_outputs = len(target.classes) if isinstance(target, ClassTarget) else 1
    if flat is None or flat.dtype.kind != "f" or flat.shape != (parameter_count(sizes),):
        raise ModelFileError(f"tensor {name!r} does not fit {shown_sizes(sizes)}")
    if sizes[0] != n_inputs or sizes[-1] != n_outputs:
        raise ModelFileError(
            f"the network is {sizes[0]} to {sizes[-1]}, but the encoder gives {n_inputs} "
            f"inputs and the target has {n_outputs} output(s)"
        )
    return Network.from_model(model_from(told, flat))
