"""Displays in scikit-learn's manner: the loss over the epochs, the gradient of each layer.

matplotlib is an optional extra, ``pip install 'backpass[plots]'``; it is loaded when something is
drawn. Both displays are made from a fitted estimator or from a
:class:`~backpass.training.history.History`, keep what they drew as attributes, and can be drawn
again with ``plot``.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from backpass.errors import BackpassError, InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from numpy.typing import NDArray

    from backpass.training.history import History


def pyplot() -> Any:
    """Return matplotlib.pyplot, or say how to get it.

    Raises
    ------
    BackpassError
        When matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise BackpassError(
            "drawing needs matplotlib, an optional extra: pip install 'backpass[plots]'"
        ) from error
    return plt


def new_axes() -> "Axes":
    """Return the axes of a new figure."""
    axes: Axes = pyplot().subplots(layout="constrained")[1]
    return axes


def _record(estimator: Any, attribute: str, mend: str) -> Any:
    """Return a fitted attribute of `estimator`, or say how to get it."""
    from sklearn.utils.validation import check_is_fitted

    check_is_fitted(estimator)
    found = getattr(estimator, attribute, None)
    if found is None:
        raise InputError(f"{type(estimator).__name__} has no {attribute}: {mend}")
    return found


def _finite_curve(name: str, values: Any, shape: str) -> "NDArray[np.float64]":
    """Return `values` as an array that is not empty, of the dimensions that `shape` names."""
    curve = np.asarray(values, dtype=np.float64)
    if curve.ndim != shape.count(",") or curve.size == 0:
        raise InputError(f"{name} must be numbers of shape {shape}, not of shape {curve.shape}")
    return curve


class LossCurveDisplay:
    """The training loss over the epochs, and the validation loss with the best epoch.

    Make one with :meth:`from_estimator` or :meth:`from_history`.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Training loss.
    validation_loss_curve : array-like of shape (n_epochs,), optional
    best_epoch : int, optional
        The epoch, from 1, whose parameters were restored.

    Attributes
    ----------
    ax_ : Axes
        Where it was drawn.
    figure_ : Figure
    lines_ : list of Line2D
        The training curve and, where there is one, the validation curve.
    best_line_ : Line2D or None
        The vertical line at the best epoch.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> display = LossCurveDisplay([0.9, 0.4, 0.2], [1.0, 0.6, 0.7], best_epoch=2).plot()
    >>> [line.get_label() for line in display.lines_]
    ['training', 'validation']
    >>> display.ax_.get_xlabel(), display.best_line_.get_label()
    ('epoch', 'best epoch (2)')
    """

    ax_: "Axes"
    figure_: "Figure"
    lines_: "list[Line2D]"
    best_line_: "Line2D | None"

    def __init__(
        self, loss_curve: Any, validation_loss_curve: Any = None, *, best_epoch: int | None = None
    ) -> None:
        self.loss_curve = _finite_curve("loss_curve", loss_curve, "(n_epochs,)")
        self.validation_loss_curve = (
            None
            if validation_loss_curve is None
            else _finite_curve("validation_loss_curve", validation_loss_curve, "(n_epochs,)")
        )
        self.best_epoch = best_epoch

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: "Axes | None" = None, log: bool = False, **kwargs: Any
    ) -> "LossCurveDisplay":
        """Draw the loss curves of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted; with ``early_stopping=True`` or ``validation_data`` it has a validation curve.
        ax : Axes, optional
            Where to draw; by default in a new figure.
        log : bool
            Whether the loss has a logarithmic scale.
        **kwargs
            Of the lines, as :meth:`matplotlib.axes.Axes.plot` takes them.

        Returns
        -------
        LossCurveDisplay

        Raises
        ------
        InputError
            When the estimator recorded no losses.
        """
        curve = _record(estimator, "loss_curve_", "fit it first")
        display = cls(
            curve,
            getattr(estimator, "validation_loss_curve_", None) or None,
            best_epoch=getattr(estimator, "best_epoch_", None),
        )
        return display.plot(ax=ax, log=log, **kwargs)

    @classmethod
    def from_history(
        cls, history: "History", *, ax: "Axes | None" = None, log: bool = False, **kwargs: Any
    ) -> "LossCurveDisplay":
        """Draw the loss curves of a :class:`~backpass.training.trainer.History`.

        Parameters
        ----------
        history : History
            What :func:`backpass.train` returned, or a model's ``history``.
        ax, log, **kwargs
            As in :meth:`from_estimator`.

        Returns
        -------
        LossCurveDisplay
        """
        display = cls(
            history.loss_curve,
            history.validation_loss_curve or None,
            best_epoch=history.best_epoch or None,
        )
        return display.plot(ax=ax, log=log, **kwargs)

    def plot(
        self, ax: "Axes | None" = None, *, log: bool = False, **kwargs: Any
    ) -> "LossCurveDisplay":
        """Draw the curves and return the display.

        Parameters
        ----------
        ax, log, **kwargs
            As in :meth:`from_estimator`.
        """
        self.ax_ = new_axes() if ax is None else ax
        self.figure_ = self.ax_.figure  # type: ignore[assignment]
        self.lines_ = self._draw("training", self.loss_curve, "-", kwargs)
        if self.validation_loss_curve is not None:
            self.lines_ += self._draw("validation", self.validation_loss_curve, "--", kwargs)
        self.best_line_ = None
        if self.best_epoch:
            self.best_line_ = self.ax_.axvline(
                self.best_epoch,
                color=self.ax_.xaxis.label.get_color(),
                linestyle=":",
                linewidth=1.2,
                label=f"best epoch ({self.best_epoch})",
            )
        if log:
            self.ax_.set_yscale("log")
        self.ax_.set(xlabel="epoch", ylabel="loss")
        _whole_epochs(self.ax_)
        self.ax_.legend()
        return self

    def _draw(
        self, name: str, curve: "NDArray[np.float64]", style: str, kwargs: dict[str, Any]
    ) -> "list[Line2D]":
        look = {"label": name, "linestyle": style, **_marked(len(curve)), **kwargs}
        if name != "training":  # one label and dash for both curves would make them one
            look |= {"label": name, "linestyle": style}
        return list(self.ax_.plot(np.arange(1, len(curve) + 1), curve, **look))


class GradientFlowDisplay:
    """The norm of each layer's gradient over the epochs, on a logarithmic scale.

    Curves that lie orders of magnitude apart show gradients that vanish, or grow, on their way
    back through the layers. The darkest line is the layer next to the input. Norms of 0 cannot be
    shown on a logarithmic scale and leave a gap.

    Make one with :meth:`from_estimator` or :meth:`from_history`.

    Parameters
    ----------
    layer_gradient_norms : array-like of shape (n_epochs, n_layers)
        Norm of ∂J/∂(W_l, b_l), layer 1 first.

    Attributes
    ----------
    ax_ : Axes
        Where it was drawn.
    figure_ : Figure
    lines_ : list of Line2D
        One a layer, layer 1 first.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> display = GradientFlowDisplay([[0.1, 1.0], [0.05, 0.5]]).plot()
    >>> [line.get_label() for line in display.lines_]
    ['layer 1', 'layer 2 (output)']
    """

    ax_: "Axes"
    figure_: "Figure"
    lines_: "list[Line2D]"

    def __init__(self, layer_gradient_norms: Any) -> None:
        self.layer_gradient_norms = _finite_curve(
            "layer_gradient_norms", layer_gradient_norms, "(n_epochs, n_layers,)"
        )

    @classmethod
    def from_estimator(
        cls, estimator: Any, *, ax: "Axes | None" = None, **kwargs: Any
    ) -> "GradientFlowDisplay":
        """Draw the gradient norms of a fitted estimator.

        Parameters
        ----------
        estimator : MLPClassifier or MLPRegressor
            Fitted with ``gradient_norms=True``.
        ax : Axes, optional
            Where to draw; by default in a new figure.
        **kwargs
            Of the lines, as :meth:`matplotlib.axes.Axes.plot` takes them.

        Returns
        -------
        GradientFlowDisplay

        Raises
        ------
        InputError
            When the estimator recorded no gradient norms.
        """
        norms = _record(
            estimator, "layer_gradient_norms_", "fit it with gradient_norms=True to record them"
        )
        return cls(_recorded(norms)).plot(ax=ax, **kwargs)

    @classmethod
    def from_history(
        cls, history: "History", *, ax: "Axes | None" = None, **kwargs: Any
    ) -> "GradientFlowDisplay":
        """Draw the gradient norms of a :class:`~backpass.training.trainer.History`.

        Parameters
        ----------
        history : History
            Of a training with ``gradient_norms=True``.
        ax, **kwargs
            As in :meth:`from_estimator`.

        Returns
        -------
        GradientFlowDisplay

        Raises
        ------
        InputError
            When no gradient norms were recorded.
        """
        return cls(_recorded(history.layer_gradient_norms)).plot(ax=ax, **kwargs)

    def plot(self, ax: "Axes | None" = None, **kwargs: Any) -> "GradientFlowDisplay":
        """Draw the curves and return the display.

        Parameters
        ----------
        ax, **kwargs
            As in :meth:`from_estimator`.
        """
        plt = pyplot()
        self.ax_ = new_axes() if ax is None else ax
        self.figure_ = self.ax_.figure  # type: ignore[assignment]
        n_epochs, n_layers = self.layer_gradient_norms.shape
        norms = np.where(self.layer_gradient_norms > 0, self.layer_gradient_norms, np.nan)
        # viridis is ordered in lightness, too: it is read in print and by every colour vision
        colours = plt.get_cmap("viridis")(np.linspace(0.05, 0.85, n_layers))
        self.lines_ = []
        for layer in range(n_layers):
            name = f"layer {layer + 1}" + (" (output)" if layer == n_layers - 1 else "")
            look = {"color": colours[layer], "label": name, **_marked(n_epochs), **kwargs}
            self.lines_ += self.ax_.plot(np.arange(1, n_epochs + 1), norms[:, layer], **look)
        if not np.isnan(norms).all():
            self.ax_.set_yscale("log")
        self.ax_.set(xlabel="epoch", ylabel="norm of the layer's gradient")
        _whole_epochs(self.ax_)
        self.ax_.legend()
        return self


def _recorded(norms: Sequence[Sequence[float]]) -> Sequence[Sequence[float]]:
    if not len(norms):
        raise InputError("no gradient norms were recorded: train with gradient_norms=True")
    return norms


def _marked(n_epochs: int) -> dict[str, Any]:
    """Return a marker for a single epoch, which a line cannot show."""
    return {"marker": "o"} if n_epochs == 1 else {}


def _whole_epochs(ax: "Axes") -> None:
    """Put the ticks at whole epochs."""
    from matplotlib.ticker import MaxNLocator

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
