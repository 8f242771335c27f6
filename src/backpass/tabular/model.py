"""A network trained on a table, with all it takes to predict from another one."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from backpass.core.hints import closest, hint
from backpass.errors import InputError, TableError
from backpass.network.network import Network
from backpass.tabular.conventions import Convention, as_convention
from backpass.tabular.large.source import Source, too_large
from backpass.tabular.model_file import read_model, write_model
from backpass.tabular.pack.pack import Pack
from backpass.tabular.prediction import TabularPredictor
from backpass.tabular.preparation import PreparedTable
from backpass.tabular.question import Question
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.series import as_series
from backpass.training.history import History

if TYPE_CHECKING:
    from backpass.derivatives.tracing.table_columns import TableColumn
    from backpass.tabular.pack.training import OnProgress, PackTraining
    from backpass.tabular.raw_table import RawTable
    from backpass.tabular.training import Elsewhere
    from backpass.training.checkpoints import Checkpoints


@dataclass
class TabularModel(TabularPredictor):
    """A network trained on a table, its encoder and its target: what a model file holds.

    Parameters
    ----------
    target : ClassTarget or NumberTarget
    encoder : TableEncoding
        Fitted.
    sample_weight : str or None
        The column of sample weights, which is not an input.
    network : Network
        Trained.
    recipe : Recipe
        How it was trained.
    seed : int
    history : History
        Of the training; empty in a model that was loaded, but for its epochs.
    seconds : float
        Training time.
    n_rows : int
        Rows it was trained on.
    metric_curve : list of float
        Accuracy or R² on the validation rows after each epoch of the training; empty in a model
        that was loaded.
    pack : Pack, optional
        What predicts, where there is more than one network; `network`, `recipe` and `history` are
        then those of the one whose recipe counts most.
    out_of_fold : dict of str to float
        Metrics of the pack on its training rows, each predicted by networks that had not seen it,
        blended as the other folds would have it.
    training : PackTraining, optional
        How the training of the pack went; not in a model that was loaded.

    Examples
    --------
    >>> import polars
    >>> table = polars.DataFrame({"x": [i / 100 for i in range(200)]})
    >>> table = table.with_columns(high=polars.col("x") > 1)
    >>> model = TabularModel.fit(table, "high", seed=0)
    >>> model.predict(polars.DataFrame({"x": [0.1, 1.9]})).to_list()
    [False, True]
    >>> round(model.evaluate(table)["accuracy"], 1)
    1.0
    """

    network: Network
    recipe: Recipe
    seed: int
    history: History
    seconds: float
    n_rows: int
    metric_curve: list[float] = field(default_factory=list, repr=False)
    pack: Pack | None = field(default=None, repr=False)
    out_of_fold: dict[str, float] = field(default_factory=dict)
    training: PackTraining | None = field(default=None, repr=False)

    # --- training ------------------------------------------------------------------------------

    @classmethod
    def fit(
        cls,
        table: Any,
        target: Any,
        *,
        task: str = "auto",
        sample_weight: Any = None,
        group: Any = None,
        time: Any = None,
        class_weight: str | None = None,
        costs: Mapping[Any, float] | None = None,
        categorical: Sequence[Any] | None = (),
        drop: Sequence[Any] | None = (),
        recipe: Recipe | None = None,
        effort: str | None = None,
        recipes: int | None = None,
        bins: str | int = "auto",
        seed: int = 0,
        time_limit: float | None = None,
        n_threads: int | None = None,
        gradient_norms: bool = False,
        convention: Convention | None = None,
        on_epoch: Callable[[History], bool | None] | None = None,
        checkpoint: str | Path | None = None,
        resume: bool = False,
        checkpoint_every: float | None = None,
        cache: str | Path | None = None,
        **unknown: Any,
    ) -> TabularModel:
        """Train a network that predicts the column `target` of `table` from the others.

        Parameters
        ----------
        table : table, or name of a file
            What :func:`~backpass.tabular.frames.as_frame` takes. All its rows are used for
            training, a part of them to judge epochs. A lazy frame, and files too large for
            memory, are read in pieces: a fifth of the rows, 65 536 at most, judge the model
            in the command ``backpass fit``, and are not trained on here either.
        target : str, int or tuple
            The column to predict, by its name or, where there are no names, its position; rows
            without a value there are left out.
        task : {"auto", "classification", "regression"}
        sample_weight : str, int or tuple, optional
            A column of sample weights, at least 0.
        group : str, int or tuple, optional
            A column whose equal values mark rows that belong together: they stay in one fold, and
            it is no input.
        time : str, int or tuple, optional
            A column that tells when each row was: networks are judged on rows later than those
            they were trained on, and then trained on all.
        class_weight : {"balanced"}, optional
            Every class counts alike in training: rare ones are found more often, and probabilities
            are those of classes that are as frequent.
        costs : mapping of class to float, optional
            What it costs not to find a row of a class, 1 where it is not named: the class is
            predicted that costs least by the probabilities.
        categorical : sequence of str, int or tuple
            Number columns to be taken as categories.
        drop : sequence of str, int or tuple
            Columns to leave out.
        recipe : Recipe, optional
            Of a single network, in place of a pack; ``Recipe()`` is what ``--plain`` takes.
        effort : {"quick", "default", "best"}, optional
            How much work a pack of networks may take; by default ``"default"``.
        recipes : int, optional
            Most recipes of the pack.
        bins : {"auto", "none"} or int
            Into how many bins the pack's recipes may have numbers cut as well; see
            :class:`~backpass.tabular.encoder.TableEncoder`.
        seed : int
            The same seed trains the same network.
        time_limit : float, optional
            Most seconds of training.
        n_threads : int, optional
            How many networks of a pack are trained at once, or threads train a single one; the same
            come of any number.
        gradient_norms : bool
            Whether each layer's gradient norm is recorded every epoch.
        convention : Convention, optional
            How numbers, dates and missing values are written where they are texts; what is None
            in it is told from the cells of the whole table.
        on_epoch : callable, optional
            Called with the history after every epoch; a true result stops training.
        checkpoint : str or Path, optional
            A folder of its own, where training is written down while it runs.
        resume : bool
            Whether training goes on from the last checkpoint there, if there is one; it ends with
            the bytes of a run that was never interrupted.
        checkpoint_every : float, optional
            Seconds between two checkpoints; see
            :class:`~backpass.training.checkpoints.Checkpoints`.
        cache : str or Path, optional
            A folder of its own for the encoded rows of a table that is read in pieces, from where
            the same call goes on; given, every file is read so. By default one that is removed.
        **unknown
            Nothing else is taken; the error says what was probably meant.

        Raises
        ------
        TableError
            When the table cannot be used; the message says which column and why.
        InputError
            When an argument cannot be used.
        NonFiniteError
            When training diverges.
        """
        from backpass.training.checkpoints import Checkpoints  # not to predict with a model

        if recipe is not None and effort:
            raise InputError("recipe is of a single network, effort of a pack; give one of the two")
        if recipe is None and (on_epoch is not None or gradient_norms):
            name = "gradient_norms" if on_epoch is None else "on_epoch"
            raise InputError(f"{name} is of a single network; give recipe=Recipe(…), too")
        if unknown:
            raise InputError(_unknown_argument(next(iter(unknown))))
        question = Question(
            target,
            task=task,
            sample_weight=sample_weight,
            group=group,
            time=time,
            class_weight=class_weight,
            costs=costs,
            categorical=() if categorical is None else categorical,
            drop=() if drop is None else drop,
            recipe=RECIPE if recipe is None else recipe,
            effort=("default" if recipe is None else "") if effort is None else effort,
            recipes=recipes,
            bins=bins,
            seed=seed,
            time_limit=time_limit,
            n_threads=n_threads,
            gradient_norms=gradient_norms,
            convention=as_convention(convention),
        )
        source = too_large(table) if cache is None else Source.of(table)
        if source is None:
            checkpoints = Checkpoints.of(checkpoint, resume, checkpoint_every)
            return cls.train(PreparedTable.of(table, question), on_epoch, checkpoints)
        if checkpoint is not None or resume:
            raise InputError(
                "checkpoint and resume are of a table in memory; one that is read in pieces goes on"
                " by itself from its cache: give cache=FOLDER"
            )
        return cls._fit_in_pieces(source, question, cache, checkpoint_every, on_epoch)

    @classmethod
    def _fit_in_pieces(
        cls,
        source: Source,
        question: Question,
        cache: str | Path | None,
        every: float | None,
        on_epoch: Callable[[History], bool | None] | None,
    ) -> TabularModel:
        """Train on a table that is read in pieces, from a cache of its encoded rows."""
        from backpass.tabular.large.cached_table import cached  # not to predict

        folder = Path(tempfile.mkdtemp() if cache is None else cache)
        kept = cache is not None
        with cached(source, question, folder, keep=kept, every=every) as (prepared, checkpoints):
            return cls.train(prepared, on_epoch, checkpoints)

    @classmethod
    def train(
        cls,
        prepared: PreparedTable,
        on_epoch: Callable[[History], bool | None] | None = None,
        checkpoints: Checkpoints | None = None,
        metric_curve: list[float] | None = None,
        on_progress: OnProgress | None = None,
        elsewhere: Elsewhere | None = None,
    ) -> TabularModel:
        """Return a network trained on a table that was prepared; Ctrl-C keeps the best epoch.

        Parameters
        ----------
        prepared : PreparedTable
            It stays as it is.
        on_epoch : callable, optional
            Called with the history after every epoch; a true result stops training.
        checkpoints : Checkpoints, optional
            Where training is written down, and goes on from where it was.
        metric_curve : list of float, optional
            An empty list; accuracy or R² on the validation rows is added to it before each call
            of `on_epoch`.
        on_progress : callable, optional
            Called now and then while a pack is trained; see
            :func:`~backpass.tabular.pack.training.train_pack`.
        elsewhere : callable, optional
            Trains the single network in place of this process, as
            :func:`backpass.scaling.table_training` does: called with `prepared`, `on_epoch` and
            `metric_curve`.

        Raises
        ------
        NonFiniteError
            When training diverges.
        """
        from backpass.tabular.training import train_one, train_several  # not to predict

        if prepared.question.effort:
            trained = train_several(prepared, checkpoints, on_progress)
        elif elsewhere is not None:
            trained = elsewhere(prepared, on_epoch, metric_curve)
        else:
            trained = train_one(prepared, on_epoch, checkpoints, metric_curve)
        model = cls(
            prepared.target,
            prepared.encoder,
            prepared.sample_weight,
            seed=prepared.question.seed,
            n_rows=len(prepared.rows.y),
            **vars(trained),
        )
        training = model.training
        if training is not None and training.cross_fitted is not None:
            told = training.folds.predicted
            output = training.cross_fitted[told]
            rows = prepared.rows._replace(sample_weight=prepared.weights).of(told)
            model.out_of_fold = model.scored(rows, output).metrics
        return model

    @property
    def stop_reason(self) -> str:
        """Why training ended."""
        return self.history.stop_reason if self.training is None else self.training.stop_reason

    @property
    def predictor(self) -> Network | Pack:
        """What predicts: the pack, or the only network."""
        return self.network if self.pack is None else self.pack

    def with_network(self, number: int) -> TabularModel:
        """Return the model whose `network`, which is traced and checked, is another of its pack.

        Parameters
        ----------
        number : int
            From 1 on: recipe by recipe, and in each fold by fold.

        Raises
        ------
        InputError
            When there is none of that number.
        """
        networks = [self.network] if self.pack is None else [*self.pack.networks]
        if not 1 <= number <= len(networks):
            have = "one network" if len(networks) == 1 else f"networks 1 … {len(networks)}"
            raise InputError(f"there is no network {number}: the model has {have}")
        return replace(self, network=networks[number - 1])

    def rows_for_network(self, X: Any, y: Any = None) -> tuple[Network, Any, Any, Any]:
        """Return the network, and rows, targets and weights (or None) of a table as it takes them.

        Parameters
        ----------
        X : DataFrame of polars or pandas, mapping of columns, or name of a file
        y : sequence, optional
            Targets in place of those in the table's target column.
        """
        rows, targets, weights = self.encode(self._with_targets(X, y))
        targets = self.targets(targets, self.network.model.loss)
        return self.network, rows[:, : self.network.sizes[0]], targets, weights

    def table_columns(self, X: Any, y: Any = None) -> tuple[TableColumn, ...]:
        """Return what the columns of a table are to the network, for a trace of its rows.

        Parameters
        ----------
        X, y
            As of :meth:`rows_for_network`.
        """
        from backpass.tabular.traced_columns import traced_columns  # not to predict

        return traced_columns(self, self._with_targets(X, y), self.network)

    def _with_targets(self, X: Any, y: Any) -> RawTable:
        """Return a table as it was read, with other targets where some are given."""
        raw = self.read(X)
        if y is not None:
            column, table = as_series(y, self.target.name), raw.frame
            if column.len() != table.height:
                raise TableError(f"X has {table.height} rows, but y {column.len()}; give as many")
            raw = replace(
                raw, frame=table.with_columns(column.alias(self.target.name)), written=None
            )
        return raw

    # --- files ---------------------------------------------------------------------------------

    def save(self, path: str | Path) -> None:
        """Write the model file: arrays and schema-checked JSON with a SHA-256, no pickle.

        Raises
        ------
        ModelFileError
            When it cannot be written; an old file of that name is then untouched.
        """
        write_model(
            path,
            self.target,
            self.encoder,
            self.predictor,
            {
                "recipe": self.recipe.to_json(),
                "seed": self.seed,
                "weights": self.sample_weight,  # the name in files, which load for ever
                "history": {
                    "epochs": self.history.epochs,
                    "best_epoch": self.history.best_epoch,
                    "stop_reason": self.history.stop_reason,
                    "seconds": self.seconds,
                    "rows": self.n_rows,
                },
                **({"pack": {"out_of_fold": self.out_of_fold}} if self.pack else {}),
            },
        )

    @classmethod
    def load(cls, path: str | Path) -> TabularModel:
        """Read a model file; nothing in it is executed.

        Raises
        ------
        ModelFileError
            When it is no model file, or damaged; the message says what and where.
        """
        target, encoder, predictor, told = read_model(path)
        recipe, past = Recipe.from_json(told["recipe"]), dict(told["history"])
        seconds, n_rows = past.pop("seconds"), past.pop("rows")
        weights, seed, history = told.get("weights"), told["seed"], History(**past)
        pack = predictor if isinstance(predictor, Pack) else None
        network = predictor if isinstance(predictor, Network) else predictor.first.networks[0]
        out_of_fold = told["pack"]["out_of_fold"] if pack else {}
        model = cls(target, encoder, weights, network, recipe, seed, history, seconds, n_rows)
        return replace(model, pack=pack, out_of_fold=out_of_fold)


def _unknown_argument(name: str) -> str:
    """Return what to say of an argument that `TabularModel.fit` does not take."""
    known = [key for key in signature(TabularModel.fit).parameters if key != "unknown"]
    settings = [setting.name for setting in fields(Recipe)]
    found = closest(name, [*known, *settings])
    if found in settings:
        return f"fit takes no {name!r}; give it in the recipe, as recipe=Recipe({found}=…)"
    return f"fit takes no {name!r}; {hint(name, known)}"
