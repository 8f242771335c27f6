"""An experiment as strict JSON: everything that the terminal and the page show, and the curves."""

from __future__ import annotations

import json
import math
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from backpass.storage.atomic_write import durable_write
from backpass.storage.container import version_of
from backpass.tabular.experiment import Experiment
from backpass.tabular.metrics import Evaluation
from backpass.tabular.setup import Understanding


def strict(value: Any) -> Any:
    """Return a value with plain JSON types, and null for what is not a finite number.

    Examples
    --------
    >>> strict({"a": np.float64("nan"), "b": np.arange(2), "c": (1.5, None)})
    {'a': None, 'b': [0, 1], 'c': [1.5, None]}
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(value: Any, path: str | Path) -> None:
    """Write JSON so that the file is all there, or as it was before."""
    text = json.dumps(strict(value), indent=1, ensure_ascii=False, allow_nan=False)
    durable_write(path, [text.encode(), b"\n"])


def _versions() -> dict[str, str]:
    packages = ("backpass", "numpy", "polars", "scikit-learn")
    return {"python": platform.python_version(), **{p: version_of(p) for p in packages}}


def _evaluation(test: Evaluation) -> dict[str, Any]:
    told: dict[str, Any] = {"rows": test.rows, "metrics": test.metrics}
    if test.confusion is not None:
        told["confusion"] = {"classes": test.classes, "matrix": test.confusion}
    if test.residuals is not None:
        told["residual_quantiles"] = test.residuals
    return told


def evaluation_json(test: Evaluation, model: str, table: str) -> dict[str, Any]:
    """Return what ``backpass evaluate`` found, as JSON values."""
    told = {"model": model, "table": table, "test": _evaluation(test), "versions": _versions()}
    plain: dict[str, Any] = strict(told)
    return plain


def experiment_json(
    experiment: Experiment, source: str, command: str, files: dict[str, str]
) -> dict[str, Any]:
    """Return an experiment as JSON values.

    Parameters
    ----------
    experiment : Experiment
    source, command : str
        The table's name, and what was typed.
    files : dict of str to str
        What was written, by kind.
    """
    table, question = experiment.table, experiment.question
    told = {
        "command": command,
        "versions": _versions(),
        "table": _table(table, source),
        "split": {"train": table.n_train, "test": table.n_test, "seed": question.seed},
        **(_network(experiment) if experiment.model.pack is None else _pack(experiment)),
        "test": _evaluation(experiment.test),
        "baselines": experiment.baselines,
        "what_mattered": asdict(experiment.explanation),
        "warnings": experiment.warnings,
        "interrupted": experiment.interrupted,
        "seconds": experiment.seconds,
        "files": files,
    }
    plain: dict[str, Any] = strict(told)
    return plain


def _table(table: Understanding, source: str) -> dict[str, Any]:
    return {
        "source": source,
        "rows": table.rows,
        "rows_left_out": table.left_out,
        "read_with": table.convention,
        "target": table.target,
        "task": table.task,
        "why": table.why,
        "classes": table.classes,
        "target_quantiles": table.quantiles,
        "sample_weight": table.sample_weight,
        "dropped": table.dropped,
        "columns": [vars(column) for column in table.columns],
    }


def _network(experiment: Experiment) -> dict[str, Any]:
    table = experiment.table
    return {
        "recipe": asdict(experiment.question.recipe),
        "network": {"sizes": table.sizes, "parameters": table.parameters},
        "history": _history(experiment),
    }


def _pack(experiment: Experiment) -> dict[str, Any]:
    """Return what a pack is made of, and how its training went."""
    pack, training = experiment.model.pack, experiment.model.training
    assert pack is not None
    assert training is not None
    weights = {packed.recipe: w for packed, w in zip(pack.recipes, pack.blend.weights, strict=True)}
    recipes = [
        {
            "recipe": asdict(packed.recipe),
            "weight": weights.get(packed.recipe, 0.0),
            "loss": loss,
            "best_epochs": packed.epochs,
        }
        for packed, loss in zip(training.recipes, training.own_losses, strict=True)
    ]
    return {
        "pack": {
            "effort": experiment.question.effort,
            "folds": training.folds.count,
            "recipes": recipes,
            "losses": training.losses,
            "temperature": pack.blend.temperature,
            "stop_reason": training.stop_reason,
            "seconds": training.seconds,
            "out_of_fold": experiment.model.out_of_fold,
            "test_loss_above_it_in_standard_errors": experiment.gap,
        }
    }


def _history(experiment: Experiment) -> dict[str, Any]:
    history, model = experiment.history, experiment.model
    return {
        "epochs": history.epochs,
        "best_epoch": history.best_epoch,
        "stop_reason": history.stop_reason,
        "seconds": model.seconds,
        "loss": history.loss_curve,
        "validation_loss": history.validation_loss_curve,
        f"validation_{model.main_metric}": model.metric_curve,
        "learning_rate": history.learning_rates,
        "layer_gradient_norms": history.layer_gradient_norms,
        "mean_squared_gradient_norms": history.mean_squared_gradient_norms,
        "gradient_noise": history.gradient_noise,
    }
