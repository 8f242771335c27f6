"""Fuzzing of model files, network files and checkpoints."""

from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from reliability._fuzzing import Found, Input, Target, never, one_line
from reliability._mutations import damaged_container

from backpass import Network, TabularModel
from backpass.core.activations import ACTIVATIONS
from backpass.core.losses import LOSSES
from backpass.core.optimizers import OPTIMIZERS
from backpass.core.settings import Settings
from backpass.errors import InputError, ModelFileError, NonFiniteError
from backpass.storage.container import read_container
from backpass.tabular.columns import CategoryColumn, DateColumn
from backpass.tabular.recipe import Recipe
from backpass.training.checkpoints import Checkpoints
from backpass.training.snapshots import SNAPSHOT_SCHEMA
from backpass.training.trainer import Trainer

SMALL = Recipe(hidden_layer_sizes=(4,), epochs=1)
HUGE = 1e6  # parameters beyond it may overflow in a prediction


class Container(Target):
    """What network files, model files and checkpoints have in common."""

    layers = ("layout", "JSON", "checksum", "content")
    refusals = ModelFileError
    words: tuple[str, ...] = (
        *ACTIVATIONS, *LOSSES, "huber:delta=2", "elu:alpha=inf", "pinball:tau=nan", "relu:",
        "cross_entropy:label_smoothing=0.5", "leaky_relu:slope=1e400", "tanh:x=1",
    )  # fmt: skip

    def mutate(self, rng: Random, corpus: list[Input]) -> Input:
        """Return a file that is wrong somewhere behind a right checksum, as a rule."""
        old = corpus[:4] if rng.random() < 0.5 else corpus  # undamaged ones, or all
        (suffix, data), (_, other) = rng.choice(old), rng.choice(corpus)
        return suffix, damaged_container(rng, data, other, self.words)

    def layer_of(self, message: str, functions: set[str]) -> int:
        """Return which layer refused."""
        if functions & {"read_header", "parse_header", "check_entries", "_check_version"}:
            return 0
        if "__metadata__" in message or "read_container" not in functions:
            return 0 if "__metadata__" in message else 3
        return 2 if "SHA-256" in message or "check_booleans" in functions else 1


class NetworkFile(Container):
    """`Network.load`, prediction, and saving again."""

    name = "network"
    title = "network files"

    def seeds(self, folder: Path) -> list[Input]:
        """Return networks of several sizes, records and dtypes."""
        networks = [
            Network([2, 3, 1], "tanh", seed=0),
            Network([1, 1], seed=1, dtype="float32"),
            Network([3, 4, 2], "relu", "softmax", "cross_entropy:label_smoothing=0.1", seed=2),
            Network([2, 2, 2, 1], ["elu:alpha=0.5", "mish"], "exp", "poisson", seed=3),
            Network([4, 1], "relu", "logistic", "binary_cross_entropy", seed=4, dtype="float32"),
        ]
        return _saved(networks, folder)

    def load(self, path: Path) -> Network:
        """Read a network."""
        return Network.load(path)

    def use(self, loaded: Network, path: Path) -> None:
        """Predict, and save to the same bytes twice."""
        flat = loaded.parameters.flat
        _check_finite(flat)
        with never("a loaded network does not predict"), np.errstate(all="ignore"):
            X = np.linspace(-1, 1, 3 * loaded.sizes[0]).reshape(3, -1)
            output = loaded.predict(X)
            loaded.predict_one(X[0])
        if output.shape != (3, loaded.sizes[-1]) and output.shape != (3,):
            raise Found(f"predictions of shape {output.shape} from sizes {loaded.sizes}")
        if abs(flat).max() < HUGE and np.isnan(output).any():
            raise Found("a loaded network predicts NaN")
        _saved_alike(loaded, Network.load, path)


class ModelFile(Container):
    """`TabularModel.load`, prediction, and saving again."""

    name = "model"
    title = "model files"
    warned = (UserWarning, RuntimeWarning)  # of parameters that overflow

    def seeds(self, folder: Path) -> list[Input]:
        """Return models of several kinds of target and column."""
        import polars as pl

        n = 60
        table = pl.DataFrame(
            {
                "x": [i % 7 + 0.5 if i % 5 else None for i in range(n)],
                "city": ["Bonn", "Oslo", None] * (n // 3),
                "day": pl.Series(range(0, 20 * n, 20), dtype=pl.Int32).cast(pl.Date),
                "flag": [i % 2 == 0 for i in range(n)],
                "k": [i % 3 for i in range(n)],
                "w": [1.0 + i % 2 for i in range(n)],
                "y": [0.25 * i for i in range(n)],
            }
        )
        models = []
        for target, left_out in (("y", "w"), ("city", "day"), ("flag", "x"), ("k", "city")):
            model = TabularModel.fit(table, target, drop=[left_out], recipe=SMALL, seed=0)
            models.append(model)
        models.append(TabularModel.fit(table, "y", sample_weight="w", recipe=SMALL))
        return _saved(models, folder)

    def load(self, path: Path) -> TabularModel:
        """Read a model."""
        return TabularModel.load(path)

    def use(self, loaded: TabularModel, path: Path) -> None:
        """Predict a table of the right columns, and save to the same bytes twice."""
        import polars as pl

        _check_finite(loaded.network.parameters.flat)
        columns: dict[str, Any] = {}
        for column in loaded.encoder.columns_:
            if isinstance(column, CategoryColumn):
                columns[column.name] = pl.Series([*column.levels[:1], None], dtype=pl.String)
            elif isinstance(column, DateColumn):
                columns[column.name] = pl.Series([18000, None], dtype=pl.Int32).cast(pl.Date)
            else:
                columns[column.name] = pl.Series([1.5, None])
            columns[column.name] = columns[column.name].extend_constant(None, 1)
        frame = pl.DataFrame(columns)
        with never("a loaded model does not predict"):
            try:
                predicted = loaded.predict_table(frame, proba=loaded.task == "classification")
            except InputError as error:
                if abs(loaded.network.parameters.flat).max() < HUGE:
                    raise
                one_line(str(error), path)  # that the output overflows
                predicted = frame
            encoded = loaded.encoder.transform(frame)
            loaded.encoder.describe()
            loaded.text_columns()
        if not np.isfinite(encoded).all():
            raise Found("a loaded encoder gives numbers that are not finite")
        if predicted.height != frame.height:
            raise Found(f"{predicted.height} predictions for {frame.height} rows")
        if predicted is not frame and predicted.to_series(0).null_count():
            raise Found("a loaded model predicts a class that is missing")
        _saved_alike(loaded, TabularModel.load, path)


class CheckpointFile(Container):
    """A folder with one checkpoint: training goes on from it, or it is refused."""

    name = "checkpoint"
    title = "checkpoints, and training on from them"
    refusals = (InputError, NonFiniteError)
    bytes_allowed = 32, 96 << 20
    sizes, epochs = (2, 3, 1), 4
    words = (*OPTIMIZERS, "PCG64", "MT19937", "uint32", "uint64", "max_epochs", "converged", "")

    def _trainer(self, folder: Path, optimizer: str, seed: int = 0) -> Trainer:
        rng = np.random.default_rng(seed)
        X = np.random.default_rng(1).normal(size=(12, 2))
        checkpoints = Checkpoints(folder, resume=True, every=0)
        checkpoints.start(rng, seed)
        settings = Settings(
            optimizer=optimizer, batch_size=5, epochs=self.epochs, schedule="cosine", dropout=0.1
        )
        network = Network(self.sizes, "tanh", seed=0)
        return Trainer(
            network, X, X[:, 0] * X[:, 1], settings=settings, rng=rng, checkpoints=checkpoints
        )

    def seeds(self, folder: Path) -> list[Input]:
        """Return checkpoints from the middle and from the end of a run."""
        found = []
        for optimizer in ("adam", "sgd"):
            place = folder / optimizer
            self._trainer(place, optimizer).train(on_epoch=lambda history: history.epochs == 2)
            self._trainer(place, optimizer).train()
            files = sorted(place.glob("*.backpass"))
            found += [(".backpass", file.read_bytes()) for file in files]
        return found

    def load(self, path: Path) -> Any:
        """Go on from the checkpoint to the end of the run."""
        read_container(path, "checkpoint", SNAPSHOT_SCHEMA)  # which says in which layer it fails
        folder = path.with_suffix(".run")
        folder.mkdir(exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        (folder / "checkpoint-000000000006.backpass").write_bytes(path.read_bytes())
        optimizer = "adam" if b"state.v" in path.read_bytes() else "sgd"
        trainer = self._trainer(folder, optimizer)
        trainer.checkpoints.every = 1e9  # the one at the end is enough
        return trainer, trainer.train()

    def use(self, loaded: Any, path: Path) -> None:
        """Hold the end of the run to finite numbers."""
        trainer, history = loaded
        _check_finite(trainer.network.parameters.flat)
        if not np.isfinite(history.loss_curve).all():
            raise Found("a resumed run ends with a loss that is not finite")

    def layer_of(self, message: str, functions: set[str]) -> int:
        """Return which layer refused."""
        resuming = functions & {"_trainer", "train"}
        return 3 if resuming else super().layer_of(message, functions)


def _saved(things: list[Any], folder: Path) -> list[Input]:
    found = []
    for number, thing in enumerate(things):
        thing.save(folder / f"seed-{number}.backpass")
        found.append((".backpass", (folder / f"seed-{number}.backpass").read_bytes()))
    return found


def _check_finite(flat: Any) -> None:
    if not np.isfinite(flat).all():
        raise Found("a parameter that was loaded is not finite")


def _saved_alike(loaded: Any, load: Any, path: Path) -> None:
    again = path.with_suffix(".again")
    with never("what was loaded cannot be saved and loaded"):
        loaded.save(again)
        first = again.read_bytes()
        load(again).save(again)
    if again.read_bytes() != first:
        raise Found("what was loaded is not the same after it was saved and loaded")
