"""The metrics of a table that is judged piece by piece: of all its rows, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from backpass.core.arrays import power_of_two_near
from backpass.tabular.large.learning import keys_of
from backpass.tabular.metrics import (
    Evaluation,
    by_class,
    class_metrics,
    confusion,
    evaluate_numbers,
    number_metrics,
    roc_area_of_counts,
)
from backpass.tabular.preparation import Encoded, LearntColumns
from backpass.tabular.selection import with_target
from backpass.tabular.targets import ClassTarget

if TYPE_CHECKING:
    from backpass.tabular.raw_table import RawTable

KEPT = 1 << 18  # rows drawn by chance: the quantiles of their errors are right to 0.4 % of the rows
FINER = 11  # last bits of a float32 by which no two scores are told apart: two in 4 096 are alike
HALF = int(np.float32(0.5).view(np.int32))
SCORES = (2 * HALF >> FINER) + 1


def judge_pieces(
    model: LearntColumns,
    predict: Callable[[NDArray[Any]], NDArray[Any]],
    pieces: Iterable[RawTable],
) -> tuple[Evaluation, int]:
    """Return the metrics of a model on all rows of a table, and how many rows were left out.

    `predict` makes outputs of encoded rows. Metrics are those of the rows at once, but for the ROC
    area, which takes scores that agree to 12 binary digits for equal, and the quantiles of errors,
    which are of 262 144 rows drawn by chance.
    """
    import polars as pl

    judged, read, last, usual = Judged(model), 0, None, 0.0
    for piece in pieces:
        raw = model.read(piece)
        read += raw.frame.height
        known, weight = with_target(raw.frame, model.target.name), model.sample_weight
        if weight is not None and weight in raw.frame.columns:
            known &= (raw.frame[weight] != 0).fill_null(True)
        last = raw
        if not known.any():
            continue
        rows = model.encode(raw)
        if weight is not None and rows.sample_weight is not None:
            # they are divided by their mean in this piece
            weights = raw.frame[weight].filter(known).cast(pl.Float64).to_numpy()
            mean = weights.max() * (weights / weights.max()).mean()
            usual = usual or mean
            rows = rows._replace(sample_weight=rows.sample_weight * (mean / usual))
        judged.add(rows, predict(rows.X))
    if last is not None and not judged.rows:
        model.encode(last)  # which says what is missing
    return judged.evaluation(), read - judged.rows


@dataclass
class Judged:
    """What is kept of the rows judged so far."""

    model: LearntColumns
    rows: int = 0
    metrics: list[dict[str, float]] = field(default_factory=list)  # of each piece
    weights: list[float] = field(default_factory=list)  # likewise: the sum over its rows
    # of classes: how many of class i were taken for j, as they are and by their weight, and of two
    # the weight of those of each that has a score
    confusion: Any = 0
    weighed: Any = 0
    scores: Any = 0
    # of numbers: mean and spread of the true ones, the extreme errors, and some rows by their keys
    spreads: list[tuple[float, float]] = field(default_factory=list)
    extremes: tuple[float, float] = (np.inf, -np.inf)
    kept: NDArray[Any] = field(default_factory=lambda: np.empty((0, 2)))
    keys: NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype=np.uint64))

    def add(self, rows: Encoded, output: NDArray[Any]) -> None:
        """Judge more rows by what the network makes of them, (N, k)."""
        count, weights = len(rows.y), rows.sample_weight
        self.weights.append(float(count if weights is None else weights.sum()))
        if isinstance(self.model.target, ClassTarget):
            self._add_classes(rows.y, output, weights, self.model.target)
        else:
            y, told = (self.model.target.decode(v).to_numpy() for v in (rows.y, output[:, 0]))
            self._add_numbers(y, told, weights)
        self.rows += count

    def _add_classes(
        self, y: NDArray[Any], output: NDArray[Any], weights: Any, target: ClassTarget
    ) -> None:
        decided, k = target.decide(output), len(target.classes)
        self.metrics.append(class_metrics(y, output, weights, decided, target.costs))
        self.confusion = self.confusion + confusion(y, decided, k)
        self.weighed = self.weighed + confusion(y, decided, k, weights)
        if k == 2:
            weighed = np.ones(len(y)) if weights is None else weights
            place = _place(output)
            self.scores = self.scores + np.stack(
                [np.bincount(place, weighed * (y == c), minlength=SCORES) for c in (0, 1)]
            )

    def _add_numbers(self, y: NDArray[Any], told: NDArray[Any], weights: Any) -> None:
        self.metrics.append(number_metrics(y, told, weights))
        unit = float(power_of_two_near(y))
        mean = np.average(y / unit, weights=weights)
        spread = np.sqrt(np.average((y / unit - mean) ** 2, weights=weights))
        self.spreads.append((mean * unit, spread * unit))
        error, (low, high) = told - y, self.extremes
        self.extremes = min(low, float(error.min())), max(high, float(error.max()))
        self.kept = np.concatenate([self.kept, np.column_stack([y, told])])
        self.keys = np.concatenate([self.keys, keys_of(self.rows, len(y), 0)])
        if len(self.keys) > 2 * KEPT:
            best = np.sort(np.argpartition(self.keys, -KEPT)[-KEPT:])
            self.kept, self.keys = self.kept[best], self.keys[best]

    def evaluation(self) -> Evaluation:
        """Return the metrics of all rows."""
        means = {
            name: float(np.average([piece[name] for piece in self.metrics], weights=self.weights))
            for name in self.metrics[0]
            if all(name in piece for piece in self.metrics)
        }
        target = self.model.target
        if not isinstance(target, ClassTarget):
            told = evaluate_numbers(self.kept[:, 0], self.kept[:, 1], None)
            ends = dict(zip((0.0, 1.0), self.extremes, strict=True))
            residuals = {**(told.residuals or {}), **ends}
            return replace(
                told, rows=self.rows, metrics=self._of_numbers(means["MAE"]), residuals=residuals
            )
        means |= by_class(self.weighed)
        means.pop("ROC area", None)
        if len(target.classes) == 2 and self.weighed.sum(axis=1).all():
            means["ROC area"] = roc_area_of_counts(*self.scores[::-1])
        return Evaluation(self.rows, means, target.classes, self.confusion)

    def _of_numbers(self, mae: float) -> dict[str, float]:
        """Return R² and the RMSE: squared errors and spreads of the pieces add up."""
        mean, spread = np.array(self.spreads).T
        errors = np.array([piece["RMSE"] for piece in self.metrics])
        unit = float(power_of_two_near(mean, spread, errors))
        mean, spread, errors = mean / unit, spread / unit, errors / unit
        middle = np.average(mean, weights=self.weights)
        around = np.average(spread**2 + (mean - middle) ** 2, weights=self.weights)
        error = np.average(errors**2, weights=self.weights)
        r2 = float(1 - error / around) if around > 0 else float("nan")
        return {"R²": r2, "RMSE": float(np.sqrt(error)) * unit, "MAE": mae}


def _place(output: NDArray[Any]) -> NDArray[np.int64]:
    """Return where probabilities (N, 2) of the second class lie, as fine near 1 as near 0."""
    no, yes = np.ascontiguousarray(output.T, dtype=np.float32).view(np.int32).astype(np.int64)
    place: NDArray[np.int64] = np.where(yes <= HALF, yes, np.maximum(2 * HALF - no, HALF)) >> FINER
    return place
