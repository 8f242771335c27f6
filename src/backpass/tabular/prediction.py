"""What a trained model makes of a table: predictions, probabilities, intervals and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import InputError
from backpass.network.batch import refuse_overflow
from backpass.network.network import Network
from backpass.tabular.large.source import too_large
from backpass.tabular.metrics import (
    MAIN_METRIC,
    Evaluation,
    evaluate_classes,
    evaluate_numbers,
)
from backpass.tabular.pack.pack import Pack
from backpass.tabular.preparation import Encoded, LearntColumns
from backpass.tabular.selection import original_rows
from backpass.tabular.targets import ClassTarget, NumberTarget

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from backpass.tabular.raw_table import RawTable


class TabularPredictor(LearntColumns, ABC):
    """Predicts from tables with the columns of training, however it was trained."""

    @property
    @abstractmethod
    def predictor(self) -> Network | Pack:
        """What predicts: the pack, or the only network."""

    def predict(self, table: Any) -> pl.Series:
        """Return the predicted target of every row, as the column had it.

        Parameters
        ----------
        table : DataFrame of polars or pandas, mapping of columns, or name of a file
            With the columns of training, in any order; others are ignored.
        """
        return self._predicted(self._outputs(table))

    def predict_proba(self, table: Any) -> pl.DataFrame:
        """Return the probability of every class, a column each.

        Raises
        ------
        InputError
            When the target is a quantity.
        """
        return self._chances(self._outputs(table))

    def predict_table(self, table: Any, *, proba: bool = False) -> pl.DataFrame:
        """Return the predictions as a column named as the target, in the order of the rows.

        Parameters
        ----------
        table : DataFrame of polars or pandas, mapping of columns, or name of a file
        proba : bool
            Whether the probability of each class is added, as ``churn=yes``.
        """
        output = self._outputs(table)
        predictions = self._predicted(output).to_frame()
        if not proba:
            return predictions
        name = self.target.name
        return predictions.hstack(self._chances(output).rename(lambda level: f"{name}={level}"))

    def explain_table(self, table: Any, columns: int = 3) -> pl.DataFrame:
        """Return the predictions, and for each row the columns that move it most.

        A column moves a prediction by ∂ŷ/∂x · (x − reference): the derivative of the backward pass
        times how far the value lies from that of a usual row, with median numbers and every level
        of a category as likely. ŷ is the number in units of the target, or the probability of the
        class that is predicted.

        Parameters
        ----------
        table : DataFrame of polars or pandas, mapping of columns, or name of a file
        columns : int
            How many are named; fewer where there are fewer.

        Returns
        -------
        polars.DataFrame
            Columns named as the target, ``why_1``, ``moved_1``, ``why_2`` and so on.
        """
        import polars as pl

        from backpass.tabular.explanation import column_places, effects

        raw, names = self._opened(table), np.array(list(column_places(self.encoder)), dtype=object)
        scale = self.target.scale if isinstance(self.target, NumberTarget) else 1.0
        outputs, moved = [], []
        with original_rows(range(raw.frame.height), raw.label, raw.line_of):
            for X in self.encoder.encode_in_parts(raw.frame):
                outputs.append(refuse_overflow(self.predictor.predict(X)))
                moved.append(scale * effects(self.predictor, self.encoder, X))
        told = self._predicted(np.vstack(outputs)).to_frame()
        every = np.vstack(moved)
        order = np.argsort(-np.abs(every), axis=1, kind="stable")[:, :columns]
        for i, places in enumerate(order.T, start=1):
            told = told.with_columns(
                pl.Series(f"why_{i}", names[places].tolist(), dtype=pl.String),
                pl.Series(f"moved_{i}", np.take_along_axis(every, places[:, None], axis=1)[:, 0]),
            )
        return told

    def predict_interval(self, table: Any, coverage: float = 0.9) -> pl.DataFrame:
        """Return the predicted number of every row, and the ends of an interval around it.

        Of rows like those of training, about `coverage` lie inside: see
        :mod:`backpass.tabular.pack.intervals` for what a theorem says.

        Parameters
        ----------
        table : DataFrame of polars or pandas, mapping of columns, or name of a file
        coverage : float
            Part of the rows, between 0 and 1.

        Returns
        -------
        polars.DataFrame
            Columns named as the target: ``price``, ``price_low`` and ``price_high``.

        Raises
        ------
        InputError
            When the target is no quantity, or the model no pack.
        """
        import polars as pl

        name = self.target.name
        if isinstance(self.target, ClassTarget):
            raise InputError(f"target {name!r} holds classes; intervals are of quantities")
        pack = self.predictor
        if isinstance(pack, Network):
            raise InputError("a single network knows no interval; train a pack")
        raw = self._opened(table)
        with original_rows(range(raw.frame.height), raw.label, raw.line_of):
            parts = [
                (pack.predict(X)[:, 0], *pack.interval(X, coverage))
                for X in self.encoder.encode_in_parts(raw.frame)
            ]
        ends = ("", "_low", "_high")
        columns = [np.concatenate(part) for part in zip(*parts, strict=True)]
        decoded = [self.target.decode(refuse_overflow(column)) for column in columns]
        return pl.DataFrame({name + e: c for e, c in zip(ends, decoded, strict=True)})

    def _predicted(self, output: NDArray[Any]) -> pl.Series:
        if isinstance(self.target, ClassTarget):
            return self.target.decode(self.target.decide(output))
        return self.target.decode(output[:, 0])

    def _chances(self, output: NDArray[Any]) -> pl.DataFrame:
        import polars as pl

        if not isinstance(self.target, ClassTarget):
            raise InputError(
                f"target {self.target.name!r} is a quantity: there are no probabilities to predict"
            )
        p = output.astype(np.float64)
        p /= p.sum(axis=1, keepdims=True)  # of float32 they sum to 1 to seven digits only
        return pl.DataFrame({name: p[:, i] for i, name in enumerate(self.target.classes)})

    def _outputs(self, table: Any) -> NDArray[Any]:
        """Return what the network makes of the rows of a table."""
        raw = self._opened(table)
        with original_rows(range(raw.frame.height), raw.label, raw.line_of):
            parts = [self.predictor.predict(X) for X in self.encoder.encode_in_parts(raw.frame)]
        output: NDArray[Any] = refuse_overflow(parts[0] if len(parts) == 1 else np.vstack(parts))
        return output

    def evaluate(self, table: Any) -> dict[str, float]:
        """Return the metrics of the predictions against the target column of `table`.

        Parameters
        ----------
        table : DataFrame of polars or pandas, mapping of columns, or name of a file
            Rows without a target are left out; a column of weights counts where there is one. A
            lazy frame, and files too large for memory, are judged in pieces.
        """
        if (source := too_large(table)) is not None:
            return self.judge_pieces(source.pieces())[0].metrics
        return self.judge(self.encode(table)).metrics

    def judge(self, rows: Encoded) -> Evaluation:
        """Return the metrics on encoded rows, and where the predictions err."""
        return self.scored(rows, refuse_overflow(self.predictor.predict(rows.X)))

    def judge_pieces(self, pieces: Iterable[RawTable]) -> tuple[Evaluation, int]:
        """Return the metrics on a table that is read piece by piece, and the rows left out."""
        from backpass.tabular.large.judging import judge_pieces  # not to predict

        return judge_pieces(self, lambda X: refuse_overflow(self.predictor.predict(X)), pieces)

    def scored(self, rows: Encoded, output: NDArray[Any]) -> Evaluation:
        """Return the metrics of outputs (N, k) for encoded rows."""
        if isinstance(self.target, ClassTarget):
            target = self.target
            decided = target.decide(output)
            return evaluate_classes(
                rows.y, output, rows.sample_weight, target.classes, decided, target.costs
            )
        y, predicted = (self.target.decode(v).to_numpy() for v in (rows.y, output[:, 0]))
        return evaluate_numbers(y, predicted, rows.sample_weight)

    @property
    def main_metric(self) -> str:
        """The metric shown first: accuracy or R²."""
        return MAIN_METRIC[self.task]
