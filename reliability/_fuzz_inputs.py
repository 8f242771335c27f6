"""Fuzzing of what people write: tables, homework answers and specs."""

import io
import json
import warnings
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from reliability._fuzz_models import SMALL
from reliability._fuzzing import Found, Input, Target, never, one_line
from reliability._mutations import damaged, edited
from reliability._tables import drawn_parquet, drawn_text, spoilt_table, spoilt_text

from backpass.core.activations import ACTIVATIONS
from backpass.core.initializers import INITIALIZERS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.schedules import SCHEDULES, Clock
from backpass.derivatives.homework.answer_files import read_answer
from backpass.derivatives.homework.answers import parts_of
from backpass.derivatives.notation import get_notation
from backpass.errors import InputError
from backpass.tabular.files import read_table
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.selection import usable_rows

# --- tables ----------------------------------------------------------------------------------


class TableFile(Target):
    """`read_table`, then all that comes before training: judging and encoding the columns."""

    name = "table"
    title = "tables, up to encoded rows"
    layers = ("bytes", "rows", "columns")
    bytes_allowed = 1000, 1 << 30  # Parquet is polars's: see SECURITY.md
    whole_is_accepted = False  # drawn at random, they may be empty

    def seeds(self, folder: Path) -> list[Input]:
        """Return tables in several dialects, Parquet and gzip."""
        rng = Random(0)
        texts = [(".csv", drawn_text(rng)) for _ in range(10)]
        return texts + [(".parquet", drawn_parquet(rng)) for _ in range(6)]

    def mutate(self, rng: Random, corpus: list[Input]) -> Input:
        """Return a new table, or a spoilt one."""
        kind = rng.random()
        if kind < 0.25:
            return rng.choice((".csv", ".csv", ".tsv", ".txt")), drawn_text(rng)
        if kind < 0.35:
            return ".parquet", drawn_parquet(rng)
        (suffix, data), (_, other) = rng.choice(corpus), rng.choice(corpus)
        return suffix, spoilt_table(rng, data, other)

    def load(self, path: Path) -> Any:
        """Read the table, and encode it with its last column as target."""
        frame = read_table(path)
        if len(set(frame.columns)) < frame.width or frame.height < 1:
            raise Found(f"columns {frame.columns} and {frame.height} rows were read")
        return frame, PreparedTable.of(frame, Question(frame.columns[-1], recipe=SMALL))

    def use(self, loaded: Any, path: Path) -> None:
        """Hold the encoded rows to finite numbers, and reading to the same table twice."""
        frame, prepared = loaded
        rows = prepared.rows
        if not np.isfinite(rows.X).all() or rows.X.dtype != np.float32:
            raise Found("the encoder gives numbers that are not finite")
        if not np.isfinite(rows.y).all() or len(rows.y) != len(rows.X):
            raise Found("the target is encoded as numbers that are not finite")
        with never("a table that was read cannot be read again"):
            if not read_table(path).equals(frame):
                raise Found("a table is read differently the second time")
        with never("a table that was encoded is not encoded again"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            again = read_table(path, as_text=prepared.text_columns())
            # a value that cannot be encoded may stand in a row without a target: those are left out
            prepared.encoder.transform(again[usable_rows(again, again.columns[-1], None)])

    def layer_of(self, message: str, functions: set[str]) -> int:
        """Return which layer refused."""
        if "read_table" not in functions:
            return 2
        return 0 if "read_content" in functions else 1


# --- answers ---------------------------------------------------------------------------------


class AnswerFile(Target):
    """`read_answer` and what names the arrays it read."""

    name = "answer"
    title = "homework answers"
    layers = ("file", "names and numbers")

    def seeds(self, folder: Path) -> list[Input]:
        """Return answers in every format."""
        W, b = np.arange(6.0).reshape(2, 3) / 7, np.array([0.5, -1e-3, 3])
        found: list[Input] = []
        for array in (W, b, W.astype("f4"), np.asfortranarray(W), b.astype(int), W > 0.2):
            file = io.BytesIO()
            np.save(file, array)
            found.append((".npy", file.getvalue()))
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(file, W1=W, b1=b)
            found.append((".npz", file.getvalue()))
        for answer in ({"W1": W.tolist(), "b1": b.tolist()}, W.tolist(), [b.tolist()] * 2):
            found.append((".json", json.dumps(answer).encode()))
        lines = b"0.5,-1,3\n2,3e-2,1\n", b"0.5;1\r\n2;3\r\n", b"1 2"
        return found + [(".csv", text) for text in lines]

    def mutate(self, rng: Random, corpus: list[Input]) -> Input:
        """Return a damaged answer, its JSON edited as JSON."""
        suffix, data = rng.choice(corpus)
        others = [other for kind, other in corpus if kind == suffix]
        if suffix == ".csv" and rng.random() < 0.6:
            return suffix, spoilt_text(rng, data)
        if suffix == ".json" and rng.random() < 0.7:
            try:
                value = edited(rng, json.loads(data), ["W1", "b1", "dW2", "delta1", "X", "a0"])
                return suffix, json.dumps(value).encode()
            except (ValueError, RecursionError):
                pass
        if suffix == ".npz" and rng.random() < 0.5:
            return suffix, _other_archive(rng, corpus)
        return suffix, damaged(rng, data, rng.choice(others))

    def load(self, path: Path) -> Any:
        """Read the answer and name its parts."""
        return parts_of(read_answer(path), (2, 3, 1), get_notation("code"))

    def use(self, loaded: Any, path: Path) -> None:
        """Hold the parts to finite numbers."""
        for part in loaded:
            if not np.isfinite(part.numbers).all():
                raise Found(f"{part.name} was read with numbers that are not finite")

    def layer_of(self, message: str, functions: set[str]) -> int:
        """Return which layer refused."""
        return int("parts_of" in functions)


def _other_archive(rng: Random, corpus: list[Input]) -> bytes:
    """Return an archive of damaged arrays under odd names, its own structure sound."""
    file = io.BytesIO()
    arrays = [data for suffix, data in corpus if suffix == ".npy"]
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")  # of a name that is there twice
        for _ in range(rng.choice((0, 1, 2, 3))):
            name = rng.choice(["W1", "b1", "W2", "x", "é", "a\nb", "\x1b[2J", "../W1", "W1/"])
            data = rng.choice(arrays)
            data = damaged(rng, data, rng.choice(arrays)) if rng.random() < 0.5 else data
            archive.writestr(name + rng.choice((".npy", "")), data)
    return file.getvalue()


# --- specs -----------------------------------------------------------------------------------


class SpecText(Target):
    """Activations, losses, optimizers, schedules and initializers given as text."""

    name = "spec"
    title = "specs of records"
    layers = ("name", "numbers")
    registries = (ACTIVATIONS, LOSSES, OPTIMIZERS, SCHEDULES, INITIALIZERS)

    def seeds(self, folder: Path) -> list[Input]:
        """Return every registered name, with its numbers."""
        texts = [r.spec(record) for r in self.registries for record in r.records()]
        return [(".txt", text.encode()) for text in dict.fromkeys(texts)]

    def mutate(self, rng: Random, corpus: list[Input]) -> Input:
        """Return a spec with another name, other numbers, or bytes that are neither."""
        suffix, data = rng.choice(corpus)
        values = [b"nan", b"inf", b"-inf", b"1e400", b"-1", b"0", b"1", b"5e-324", b"1e308", b"2",
                  b"0.5", b"", b"x", b"1_0", b"=", "٣".encode(), b"1e-300", b"True"]  # fmt: skip
        name, _, rest = data.partition(b":")
        if rest and rng.random() < 0.6:
            pairs = [pair.partition(b"=") for pair in rest.split(b",")]
            at = rng.randrange(len(pairs))
            pairs[at] = (pairs[at][0], b"=", rng.choice(values))
            return suffix, name + b":" + b",".join(b"".join(pair) for pair in pairs)
        return suffix, damaged(rng, data, rng.choice(corpus)[1])

    def load(self, path: Path) -> Any:
        """Look the text up in every registry; at least one must know it."""
        text, found, refused = path.read_bytes().decode("utf-8", "replace"), [], None
        for registry in self.registries:
            try:
                found.append((registry, registry.get_record(text)))
            except InputError as error:
                one_line(str(error), path)
                known = text.strip().partition(":")[0] in registry
                refused = error if known or refused is None else refused
        if not found and refused is not None:
            raise refused
        return found

    def use(self, loaded: Any, path: Path) -> None:
        """Spell the record and look it up again; compute with it where it is simple to."""
        for registry, record in loaded:
            with never("a spec is not read back"):
                again = registry.get_record(registry.spec(record))
            if dict(again.numbers) != dict(record.numbers):
                raise Found(f"{registry.spec(record)} is read back as {registry.spec(again)}")
            if not np.isfinite(list(record.numbers.values())).all():
                raise Found(f"{registry.spec(record)} has a number that is not finite")
            if registry is ACTIVATIONS and record.elementwise:
                z = np.linspace(-3, 3, 13)
                with np.errstate(all="ignore"):
                    a = record.value(z)
                    slope = record.derivative(z, a)
                if np.isnan(a).any() or np.isnan(slope).any():
                    raise Found(f"{registry.spec(record)} is NaN at a finite number")
            if registry is SCHEDULES and not 0 <= record.factor(Clock(3, 10, 40, 1)) <= 1:
                raise Found(f"{registry.spec(record)} leaves [0, 1]")

    def layer_of(self, message: str, functions: set[str]) -> int:
        """Return which layer refused."""
        return int(not message.startswith("unknown"))
