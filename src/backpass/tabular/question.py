"""What a person asks of a table, as one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backpass.tabular.recipe import RECIPE, Recipe

__all__ = ["Question"]


@dataclass(frozen=True)
class Question:
    """What is asked of a table, and how it is to be answered.

    Parameters
    ----------
    target : str
        The column to predict.
    task : {"auto", "classification", "regression"}
    weights : str, optional
        A column of sample weights.
    categorical, drop : sequence of str
        Number columns to be taken as categories; columns to leave out.
    test_fraction : float
        Part of the rows that the model is judged on, where there is no other table for it.
    recipe : Recipe
    seed : int
        The same seed gives the same split and the same network.
    time_limit : float, optional
        Most seconds of training.
    gradient_norms : bool
        Whether each layer's gradient norm and the noise of one row's are recorded every epoch.
    baselines : bool
        Whether other models are trained for comparison.
    """

    target: str
    task: str = "auto"
    weights: str | None = None
    categorical: Sequence[str] = ()
    drop: Sequence[str] = ()
    test_fraction: float = 0.2
    recipe: Recipe = RECIPE
    seed: int = 0
    time_limit: float | None = None
    gradient_norms: bool = False
    baselines: bool = True
