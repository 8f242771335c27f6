"""Predictions for a table that is read in pieces, and their evaluation, in constant memory."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import InputError
from backpass.storage.atomic_write import durable_write, shown_path
from backpass.tabular.column_values import as_numbers
from backpass.tabular.files import check_table_suffix, table_bytes
from backpass.tabular.large.learning import keys_of
from backpass.tabular.large.source import Source
from backpass.tabular.metrics import Evaluation
from backpass.tabular.prediction import TabularPredictor
from backpass.tabular.preparation import Encoded
from backpass.tabular.selection import original_rows, with_target

if TYPE_CHECKING:
    import polars as pl

SAMPLE = 1_000_000  # rows of metrics that are no means, such as the ROC area: right to 0.1 %
READ = 1 << 24  # bytes that are copied at a time


def predict_in_pieces(
    predictor: TabularPredictor, source: Source, predict: Callable[[Any], pl.DataFrame]
) -> Iterator[pl.DataFrame]:
    """Yield what a model predicts for each piece; what is odd about the rows is told at the end."""
    with predictor.encoder.telling_once():
        for piece in source.pieces():
            yield predict(piece)


def csv_in_pieces(frames: Iterator[pl.DataFrame], suffix: str = ".csv") -> Iterator[bytes]:
    """Yield the bytes of a file of delimited text, its header first."""
    for number, frame in enumerate(frames):
        data = table_bytes(frame, suffix)
        yield data if number == 0 else data.split(b"\n", 1)[1]


def write_in_pieces(frames: Iterator[pl.DataFrame], path: str | Path) -> None:
    """Write a table so that the file is all there, or as it was before.

    Raises
    ------
    InputError
        When the suffix is unknown or the file cannot be written.
    """
    import polars as pl

    suffix = check_table_suffix(path)
    if suffix not in (".parquet", ".pq"):
        chunks = csv_in_pieces(frames, suffix)
        if Path(path).suffix.lower() == ".gz":  # several such files in a row are one
            chunks = (gzip.compress(chunk, mtime=0) for chunk in chunks)
        return durable_write(path, chunks)
    try:
        with tempfile.TemporaryDirectory(dir=Path(path).resolve().parent) as folder:
            for number, frame in enumerate(frames):
                frame.write_parquet(Path(folder, f"{number:09}.parquet"))
            whole = Path(folder, "whole")
            pl.scan_parquet(Path(folder, "*.parquet")).sink_parquet(whole)
            with whole.open("rb") as file:
                durable_write(path, iter(lambda: file.read(READ), b""))
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{shown_path(path)}: cannot be written: {reason}; free space") from None
    return None


def evaluate_in_pieces(predictor: TabularPredictor, source: Source) -> tuple[Evaluation, int]:
    """Return the metrics of a model on a table, and how many of its rows have no target.

    Means over the rows and the confusion matrix are of all rows, the other metrics of up to a
    million drawn by chance.
    """
    parts, kept = list[tuple[Evaluation, float]](), list[Any]()
    rows, name, weight = 0, predictor.target.name, predictor.sample_weight or ""
    with predictor.encoder.telling_once():
        for piece in source.pieces():
            first, rows = rows, rows + piece.frame.height
            with original_rows(range(piece.frame.height), piece.label, piece.line_of):
                frame = predictor.read(piece).frame
                frame = frame.filter(with_target(frame, name))
            if not frame.height:
                continue
            told = predictor.encode(replace(piece, frame=frame))
            s = as_numbers(frame[weight]) if weight in frame.columns else np.ones(frame.height)
            output = predictor.outputs_of(told.X)
            parts.append((predictor.scored(told, output), float(s.sum())))
            own = told.sample_weight
            mean = None if own is None else own * s[s > 0].mean()
            keys = keys_of(first, len(told.y), 0)
            kept = _thinned([*kept, (keys, output, told.y, mean)])
    if not parts:
        raise InputError(f"{source.label}: no row has a target {name!r}; give rows with one")
    _, output, y, s = kept[0]
    evaluation = predictor.scored(Encoded(output, y, s), output)
    return _of_all(evaluation, parts), rows - sum(part.rows for part, _ in parts)


def _thinned(kept: list[Any]) -> list[Any]:
    """Return columns of arrays as one, with the rows of the highest keys."""
    columns = [None if a[0] is None else np.concatenate(a) for a in zip(*kept, strict=True)]
    keys: Any = columns[0]
    places = np.arange(len(keys))
    if len(keys) > SAMPLE:
        places = np.sort(np.argpartition(keys, len(keys) - SAMPLE)[len(keys) - SAMPLE :])
    return [tuple(None if column is None else column[places] for column in columns)]


def _of_all(sample: Evaluation, parts: list[tuple[Evaluation, float]]) -> Evaluation:
    """Return what was found in a sample with the means and counts of all rows."""
    masses = [mass for _, mass in parts]
    metrics = dict(sample.metrics)
    for name in ("accuracy", "log-loss", "Brier", "cost", "MAE"):
        if name in metrics:
            values = [part.metrics[name] for part, _ in parts]
            metrics[name] = float(np.average(values, weights=masses))
    if "RMSE" in metrics:
        squares = [part.metrics["RMSE"] ** 2 for part, _ in parts]
        metrics["RMSE"] = float(np.sqrt(np.average(squares, weights=masses)))
    tables: list[Any] = [part.confusion for part, _ in parts]
    confusion = None if sample.confusion is None else np.sum(tables, axis=0)
    rows = sum(part.rows for part, _ in parts)
    return replace(sample, rows=rows, metrics=metrics, confusion=confusion)
