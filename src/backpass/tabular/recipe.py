"""The default recipe: how a network is trained on a table unless told otherwise.

One small record, chosen by measurement and then frozen; the docs say how, with every loss.
"""

from dataclasses import asdict, dataclass
from typing import Any

from backpass.errors import InputError, ModelFileError
from backpass.storage.schema import (
    Bool,
    Int,
    ListOf,
    Number,
    OneOf,
    Optional,
    Schema,
    Text,
    check,
)

__all__ = ["RECIPE", "RECIPE_SCHEMA", "Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Every choice of a training run on a table.

    Parameters
    ----------
    hidden_layer_sizes : tuple of int
        Units of the hidden layers.
    activation, init : str
        Of the hidden layers.
    optimizer, schedule : str
    learning_rate, weight_decay, dropout : float
    label_smoothing : float
        Of a classification.
    batch_size : int
        At most; small tables take smaller batches, so that an epoch has `min_steps` steps.
    min_steps : int
        Fewest steps in an epoch, as far as batches of 8 rows allow.
    epochs, patience : int
        Most epochs, and epochs without a better validation score before training stops.
    validation_fraction : float
        Part of the training rows that judges epochs.
    judge : {"loss", "metric"}
        Whether an epoch is judged by its validation loss, or by accuracy or R².
    clip_norm : float or None
        Largest norm of a gradient.
    robust : bool
        Whether a regression's target is scaled by median and interquartile range.

    Raises
    ------
    InputError
        When one of them cannot be used.
    """

    hidden_layer_sizes: tuple[int, ...] = (128, 128)
    activation: str = "mish"
    init: str = "he_normal"
    optimizer: str = "adamw"
    schedule: str = "cosine:warmup=0.05"
    learning_rate: float = 2e-3
    weight_decay: float = 1.0
    dropout: float = 0.3
    label_smoothing: float = 0.0
    batch_size: int = 256
    min_steps: int = 20
    epochs: int = 60
    patience: int = 15
    validation_fraction: float = 0.1
    judge: str = "loss"
    clip_norm: float | None = 1.0
    robust: bool = False

    def __post_init__(self) -> None:
        widths = self.hidden_layer_sizes
        if not isinstance(widths, tuple | list):
            raise InputError(
                f"recipe: hidden_layer_sizes must be a tuple of widths, not {widths!r}"
            )
        try:
            check(self.to_json(), RECIPE_SCHEMA, "recipe")
        except ModelFileError as error:  # it is no file that is wrong
            raise InputError(str(error)) from None

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON values."""
        told = asdict(self)
        # the name in model files, which load for ever
        return {"hidden": list(told.pop("hidden_layer_sizes")), **told}


RECIPE_SCHEMA: dict[str, Schema] = {
    "hidden": ListOf(Int(min=1)),
    "activation": Text(),
    "init": Text(),
    "optimizer": Text(),
    "schedule": Text(),
    "learning_rate": Number(min=0),
    "weight_decay": Number(min=0),
    "dropout": Number(min=0, max=1),
    "label_smoothing": Number(min=0, max=1),
    "batch_size": Int(min=1),
    "min_steps": Int(min=1),
    "epochs": Int(min=1),
    "patience": Int(min=1),
    "validation_fraction": Number(min=0, max=1),
    "judge": OneOf("loss", "metric"),
    "clip_norm": Optional(Number(min=0)),
    "robust": Bool(),
}
"""What a recipe in a model file must look like."""

RECIPE = Recipe()
"""The recipe that ``backpass fit`` takes."""
