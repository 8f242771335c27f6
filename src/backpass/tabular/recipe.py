"""The default recipe: how a network is trained on a table unless told otherwise.

One small record, chosen by measurement and then frozen; the docs say how, with every loss.
"""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from backpass.core.hints import hint
from backpass.errors import InputError, ModelFileError, brief
from backpass.storage.schema import Bool, Int, ListOf, Number, OneOf, Optional, Schema, Text, check


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
    bins : bool
        Whether numbers are cut into bins as well; see
        :class:`~backpass.tabular.encoder.TableEncoder`.
    loss : str or None
        With its numbers, as in ``"huber:delta=1.5"``; by default cross-entropy for classes, with
        `label_smoothing`, and half the squared error for a quantity.

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
    bins: bool = False
    loss: str | None = None

    def __new__(cls, *values: Any, **settings: Any) -> Self:  # before what dataclass makes refuses
        """Refuse settings that there are not."""
        known = [setting.name for setting in fields(cls)]
        for name in settings:
            if name not in known:
                raise InputError(f"recipe: unknown setting {name!r}; {hint(name, known)}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        widths = self.hidden_layer_sizes
        if not isinstance(widths, tuple | list):
            raise InputError(
                f"recipe: hidden_layer_sizes must be a tuple of widths, not {brief(widths)}"
            )
        try:
            check(self.to_json(), RECIPE_SCHEMA, "recipe")
        except ModelFileError as error:  # it is no file that is wrong
            raise InputError(str(error)) from None
        if self.loss is not None and self.label_smoothing:
            raise InputError(
                "recipe: give label_smoothing with the loss: loss='cross_entropy:label_smoothing=…'"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as JSON values, with the widths named as in model files."""
        told = asdict(self)
        if not self.bins:  # so that a network without them has the file it always had
            del told["bins"]
        if self.loss is None:
            del told["loss"]
        return {WIDTHS_IN_FILES: list(told.pop("hidden_layer_sizes")), **told}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Self:
        """Return the recipe that :meth:`to_json` told."""
        settings = dict(told)
        return cls(hidden_layer_sizes=tuple(settings.pop(WIDTHS_IN_FILES)), **settings)


WIDTHS_IN_FILES = "hidden"  # which load for ever

_RULES: dict[Any, Schema] = {
    tuple[int, ...]: ListOf(Int(min=1)),
    str: Text(),
    int: Int(min=1),
    float: Number(min=0),
    float | None: Optional(Number(min=0)),
    str | None: Optional(Text()),  # files of older versions have none
    bool: Bool(),
}
_NARROWER: dict[str, Schema] = {
    **dict.fromkeys(("dropout", "label_smoothing", "validation_fraction"), Number(min=0, max=1)),
    "judge": OneOf("loss", "metric"),
    "bins": Optional(Bool()),  # files of older versions have none
}

RECIPE_SCHEMA: dict[str, Schema] = {
    WIDTHS_IN_FILES if setting.name == "hidden_layer_sizes" else setting.name: _NARROWER.get(
        setting.name, _RULES[setting.type]
    )
    for setting in fields(Recipe)
}
"""What a recipe in a model file must look like."""

RECIPE = Recipe()
"""The recipe that ``backpass fit`` takes."""
