"""A question about a table: the column to predict, and every choice of how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

from backpass.core.requirements import POSITIVE, THREADS, check_values, one_of
from backpass.errors import InputError, brief
from backpass.tabular.conventions import UNDECIDED, Convention, as_convention
from backpass.tabular.frames import text_name
from backpass.tabular.number_bins import BINS_ASKED
from backpass.tabular.pack.recipes import EFFORTS, Effort
from backpass.tabular.recipe import RECIPE, Recipe
from backpass.tabular.selection import check_name

COMPARE = ("none", "fast", "all")
REQUIREMENTS = {
    "bins": BINS_ASKED,
    "time_limit": POSITIVE.or_none,
    "compare": one_of(*COMPARE),
    "n_threads": THREADS.or_none,
}
"""What values must be, of an estimator's parameters, too."""
TASKS = ("auto", "classification", "regression")


@dataclass(frozen=True)
class Question:
    """The column to predict from a table, and every choice of how.

    Parameters
    ----------
    target : str, int or tuple
        The column to predict, by its name or, where there are no names, its position.
    task : {"auto", "classification", "regression"}
    sample_weight : str, int or tuple, optional
        A column of sample weights, at least 0; it is not an input.
    group : str, int or tuple, optional
        A column whose equal values mark rows that belong together, such as a customer's: they stay
        on one side of every split; it is no input.
    time : str, int or tuple, optional
        A column of dates or numbers that tells when each row was: later rows are predicted from
        earlier ones, and judge the model.
    categorical, drop : sequence of str, int or tuple, or None
        Number columns to be taken as categories; columns to leave out.
    test_fraction : float
        Part of the rows that an experiment holds back to judge the model on.
    recipe : Recipe
        Of a single network.
    effort : {"", "quick", "default", "best"}
        How much work a pack may take, in place of a single network.
    recipes : int, optional
        Most recipes of the pack, by default those of its effort.
    bins : {"auto", "none"} or int
        Into how many bins a pack's recipes may have numbers cut; see
        :class:`~backpass.tabular.encoder.TableEncoder`. A single network's recipe says it itself.
    seed : int
        The same seed gives the same split and the same network.
    time_limit : float, optional
        Most seconds of training.
    n_threads : int, optional
        How many networks of a pack are trained at once, or threads train a single one; by default
        as many as are worth it. The same networks come of any number.
    gradient_norms : bool
        Whether each layer's gradient norm and the noise of one row's are recorded every epoch.
    class_weight : {"balanced"} or None
        Whether rows count in training so that every class counts alike; scores do not weigh them.
    costs : mapping of class to float, optional
        What it costs not to find a row of a class, 1 where it is not named: the class is predicted
        that costs least by the probabilities.
    compare : {"none", "fast", "all"}
        Which other models an experiment trains for comparison: a linear one and boosted trees, for
        no longer than its own training; or also LightGBM, XGBoost and CatBoost, where they are
        installed, for as long as they take.
    convention : Convention
        How the table is written; what is None in it is told from the cells.

    Raises
    ------
    InputError
        When one of them fits no table whatever.
    """

    target: Any
    task: str = "auto"
    sample_weight: Any = None
    group: Any = None
    time: Any = None
    categorical: Sequence[Any] = ()
    drop: Sequence[Any] = ()
    test_fraction: float = 0.2
    recipe: Recipe = RECIPE
    effort: str = ""
    recipes: int | None = None
    bins: str | int = "auto"
    seed: int = 0
    time_limit: float | None = None
    n_threads: int | None = None
    gradient_norms: bool = False
    class_weight: str | None = None
    costs: Mapping[Any, float] | None = None
    compare: str = "fast"
    convention: Convention = UNDECIDED

    def __post_init__(self) -> None:
        if not isinstance(self.task, str) or self.task not in TASKS:
            task = brief(self.task)
            raise InputError(f"task must be auto, classification or regression, not {task}")
        for option in ("categorical", "drop"):
            names = getattr(self, option)
            if isinstance(names, str):  # whose letters would be taken for names
                raise InputError(f"{option} must be a list of names, such as [{names!r}]")
            if names is None:
                object.__setattr__(self, option, ())
            elif not isinstance(names, Iterable) or isinstance(names, Mapping):
                kind = type(names).__name__
                raise InputError(f"{option} must be a list of names, not of type {kind}")
        if not (isinstance(self.seed, Integral) and 0 <= self.seed < 2**32):
            raise InputError(f"seed must be an integer from 0 to 2**32 − 1, not {brief(self.seed)}")
        if not isinstance(self.test_fraction, Real):
            raise InputError(f"test_fraction must be a number, not {brief(self.test_fraction)}")
        if not isinstance(self.effort, str) or self.effort not in ("", *EFFORTS):
            known = ", ".join(map(repr, EFFORTS))
            raise InputError(
                f"effort must be one of {known}, or '' for a single network, not"
                f" {brief(self.effort)}"
            )
        if self.recipes is not None and not (
            isinstance(self.recipes, Integral) and self.recipes >= 1 and self.effort
        ):
            raise InputError(
                "recipes must be a number of at least 1, of a pack, not of a single network; not"
                f" {brief(self.recipes)}"
            )
        check_values(self, REQUIREMENTS)
        if self.bins != "auto" and not self.effort:
            raise InputError("bins are of a pack; a single network has them by Recipe(bins=True)")
        if self.effort and isinstance(self.recipe, Recipe) and self.recipe.loss is not None:
            raise InputError(
                "a loss is of a single network: those of a pack are weighed by log-loss or squared"
                " error, and trained by it; leave effort out"
            )
        if self.group is not None and self.time is not None:
            raise InputError("rows are split by group or by time; give one of the two")
        if self.costs is not None and not isinstance(self.costs, Mapping):
            raise InputError(f"costs must be numbers by class, not {brief(self.costs)}")
        if self.class_weight not in (None, "balanced"):
            raise InputError(f"class_weight must be 'balanced', not {brief(self.class_weight)}")
        as_convention(self.convention)  # refuses what is none
        if not isinstance(self.recipe, Recipe):
            raise InputError(f"recipe must be a Recipe, not {brief(self.recipe)}")

    @property
    def work(self) -> Effort:
        """How much work the pack may take."""
        effort = EFFORTS[self.effort]
        return effort if self.recipes is None else replace(effort, recipes=int(self.recipes))

    def texts(self) -> list[str] | None:
        """Return the columns to keep as text when a file is opened; None to keep all."""
        if not self.convention.allows_points():
            return None
        return [name for name in (self.target, *self.categorical) if isinstance(name, str)]

    def named(self, columns: Sequence[str]) -> Question:
        """Return the question with every name as a frame of these columns has it."""
        target, weights = (text_name(n, columns) for n in (self.target, self.sample_weight))
        categorical, drop = (
            [text_name(name, columns) for name in names] for names in (self.categorical, self.drop)
        )
        check_name(target, "to predict")
        check_name("" if weights is None else weights, "to take sample weights from")
        for name in drop:
            check_name(name, "to drop")
        group, time = (text_name(n, columns) for n in (self.group, self.time))
        return replace(
            self,
            target=target,
            sample_weight=weights,
            group=group,
            time=time,
            categorical=categorical,
            drop=drop,
        )
