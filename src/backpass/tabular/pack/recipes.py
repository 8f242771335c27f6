"""Which recipes a pack tries, in which order, and how much work it may take."""

from __future__ import annotations

from dataclasses import dataclass, replace

from backpass.tabular.recipe import RECIPE, Recipe

#: Less regularised than the recipe of a single network, since the mean of K networks is itself the
#: best regulariser; longer, since an epoch of a fold is cheap.
_WEAK = replace(RECIPE, dropout=0.1, weight_decay=0.1, epochs=120, patience=16, bins=True)
_STRONG = replace(RECIPE, bins=True)
_LINEAR = replace(_WEAK, hidden_layer_sizes=(), weight_decay=1.0)

#: Rounds of recipes. The first has a network without hidden layers, so that no pack is worse than a
#: linear model, the best single recipe, and one for tables of noise; those that follow differ in
#: what tables differ in: thresholds, interactions, size.
ROUNDS: tuple[tuple[Recipe, ...], ...] = (
    (_LINEAR, _WEAK, _STRONG),
    (replace(_WEAK, bins=False), RECIPE),
    (
        replace(_WEAK, hidden_layer_sizes=(256, 256, 256)),
        replace(_WEAK, hidden_layer_sizes=(64,), weight_decay=0.3, epochs=100),
    ),
    (
        replace(_WEAK, dropout=0.2, weight_decay=0.3, epochs=100),
        replace(_WEAK, learning_rate=5e-3),
    ),
    (
        replace(_STRONG, weight_decay=3.0, dropout=0.4),
        replace(_WEAK, hidden_layer_sizes=(384, 384)),
    ),
    (replace(_WEAK, hidden_layer_sizes=(), weight_decay=0.1, bins=False),),
)

#: What the quickest pack tries first: the same three kinds in a third of the epochs; the last is
#: the recipe of a single network, so that a pack is seldom worse than one.
_QUICK = (
    replace(_LINEAR, epochs=60, patience=8),
    replace(_WEAK, epochs=40, patience=10),
    replace(RECIPE, epochs=40, patience=10),
)


@dataclass(frozen=True)
class Effort:
    """How much work a pack may take."""

    folds: int  # networks of each recipe
    recipes: int  # most of them; whole rounds
    # of training, in floating-point operations; no round begins that would take more, and no recipe
    # takes more than half of them. Counted, not timed, so that the same table gives the same pack
    # on any machine
    operations: float
    per_row: float = 0.0  # more of them for each training row
    first: tuple[Recipe, ...] = ()  # a round before those of ROUNDS

    def most(self, n_rows: int) -> float:
        """Return the operations that a table of so many rows may take."""
        return self.operations + self.per_row * n_rows


#: Two threads of the machine that this was chosen on do about 1.3e11 operations a second. More
#: folds leave each network more rows, but time for fewer recipes: five were as good as eight on the
#: tables that this was chosen on, in half of the time, and five recipes as good as eight.
EFFORTS = {
    "quick": Effort(3, 3, 1.5e11, 2e7, _QUICK),
    "default": Effort(5, 5, 3e11, 5e7),
    "best": Effort(10, 12, 8e12, 1e9),
}

GAIN = 1e-3  # part of the out-of-fold loss by which one of two rounds must improve it to go on
STEP = 2e6  # operations that the overhead of a step takes the time of: 20 µs


def operations(parameters: int, rows: int, batch_size: int, epochs: int) -> float:
    """Return the floating-point operations of a training, overhead included.

    Forward, backward and gradient take two for each weight and row.

    Examples
    --------
    >>> operations(1000, 200, 100, 1)
    5200000.0
    """
    steps = -(-rows // batch_size)
    return epochs * (6.0 * parameters * rows + STEP * steps)
