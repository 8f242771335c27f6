"""Draws one picture for each record, in a light and a dark version, from the record itself."""

from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from backpass.core.schedules import Clock

__all__ = ["PICTURES", "STYLES", "draw", "draw_displays", "picture_style"]

# Okabe and Ito's colours, told apart by all kinds of colour vision; lines differ in dash, too
STYLES: dict[str, dict[str, Any]] = {
    "light": {"ink": "#3c4043", "grid": "#d5d8db", "first": "#0072B2", "second": "#C84E00"},
    "dark": {"ink": "#ced6dd", "grid": "#454b52", "first": "#56B4E9", "second": "#F0A030"},
}


@contextmanager
def picture_style(theme: str) -> Any:
    """Set matplotlib up for a transparent picture in `theme`; yield its colours."""
    style = STYLES[theme]
    ink = style["ink"]
    with matplotlib.rc_context(
        {
            "svg.hashsalt": "backpass",
            "font.size": 10,
            "axes.labelsize": 11,
            "mathtext.fontset": "stix",
            "text.color": ink,
            "axes.edgecolor": ink,
            "axes.labelcolor": ink,
            "axes.facecolor": "none",
            "figure.facecolor": "none",
            "savefig.facecolor": "none",
            "xtick.color": ink,
            "ytick.color": ink,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.color": style["grid"],
            "grid.linewidth": 0.6,
            "legend.frameon": False,
            "legend.fontsize": 10,
            "lines.linewidth": 1.8,
        }
    ):
        yield style


def draw(kind: str, record: Any, path: Path) -> None:
    """Write ``<path>-light.svg`` and ``<path>-dark.svg``."""
    for theme in STYLES:
        with picture_style(theme) as style:
            figure, ax = plt.subplots(figsize=(3.4, 2.3), layout="constrained")
            PICTURES[kind](ax, record, style)
            handles, labels = ax.get_legend_handles_labels()
            if labels:
                figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
            figure.savefig(path.with_name(f"{path.name}-{theme}.svg"), metadata={"Date": None})
            plt.close(figure)


def draw_displays(path: Path) -> None:
    """Draw both displays of one run on digits, in both themes."""
    from sklearn.datasets import load_digits

    from backpass import GradientFlowDisplay, LossCurveDisplay, MLPClassifier

    X, y = load_digits(return_X_y=True)
    classifier = MLPClassifier(
        (32, 32),
        "logistic",
        learning_rate_init=0.01,
        early_stopping=True,
        n_iter_no_change=5,
        gradient_norms=True,
        random_state=0,
    )
    classifier.fit(X / 16, y)
    for theme in STYLES:
        with picture_style(theme):
            figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.2), layout="constrained")
            loss = LossCurveDisplay.from_estimator(classifier, ax=left)
            for line, colour in zip(loss.lines_, ("first", "second"), strict=True):
                line.set_color(STYLES[theme][colour])
            left.legend()
            flow = GradientFlowDisplay.from_estimator(classifier, ax=right)
            if theme == "dark":  # from light to dark, as the page is
                for line, shade in zip(flow.lines_, (0.45, 0.7, 1.0), strict=True):
                    line.set_color(plt.get_cmap("viridis")(shade))
                right.legend()
            figure.savefig(path.with_name(f"{path.name}-{theme}.svg"), metadata={"Date": None})
            plt.close(figure)


def _jumps(ax: Any, x: Any, y: Any, kinks: tuple[float, ...], **line: Any) -> None:
    """Plot y over x, broken where it jumps."""
    y = y.copy()
    for kink in kinks:
        y[np.argmin(np.abs(x - kink))] = np.nan
    ax.plot(x, y, **line)


def _activation(ax: Any, phi: Any, style: Any) -> None:
    first = {"color": style["first"]}
    second = {"color": style["second"], "dashes": (4, 2)}
    if phi.elementwise:
        low, high = max(phi.domain[0], -4.0), min(phi.domain[1], 4.0)
        high = 2.0 if phi.name == "exp" else high
        z = np.linspace(low, high, 801)
        a = phi.value(z[:, None])
        slope = phi.derivative(z[:, None], a)[:, 0]
        ax.plot(z, a[:, 0], label=r"value $\varphi(z)$", **first)
        _jumps(ax, z, slope, phi.kinks, label=r"derivative $\varphi'(z)$", **second)
        ax.set_xlabel("$z$")
        return
    z = np.linspace(-5, 5, 401)
    rows = np.column_stack([z, np.zeros_like(z)])
    a = phi.value(rows)
    jacobian = phi.derivative(rows, a)
    ax.plot(z, a[:, 0], label="$a_1$", **first)
    ax.plot(z, jacobian[:, 0, 0], label=r"$\partial a_1/\partial z_1$", **second)
    ax.plot(
        z, jacobian[:, 0, 1], label=r"$\partial a_1/\partial z_2$", color=style["second"], ls=":"
    )
    ax.set_xlabel("$z_1$, where $z_2 = 0$")


# the target, and the range of predictions, that a loss is drawn for: by the task it is for
_TARGETS = {
    "regression": (0.0, (-3.0, 3.0), "$\\hat y$, where $y = 0$"),
    "margin": (1.0, (-3.0, 3.0), "$\\hat y$, where $y = 1$"),
    "classification": (1.0, (0.04, 0.999), "$\\hat y$ of the true class"),
    "poisson": (2.0, (0.25, 6.0), "$\\hat y$, where $y = 2$"),
}


def _loss(ax: Any, loss: Any, style: Any) -> None:
    y, (low, high), label = _TARGETS.get(loss.name, _TARGETS[loss.task])
    p = np.linspace(low, high, 801)
    target, prediction = np.full((801, 1), y), p[:, None]
    value = loss.terms(target, prediction)[:, 0]
    slope = loss.derivative(target, prediction)[:, 0]
    ax.plot(p, value, color=style["first"], label="value $C$")
    jumps = np.abs(np.diff(slope)) > 0.4 * (np.ptp(slope) or 1)
    slope = slope.copy()
    slope[np.flatnonzero(jumps)] = np.nan
    ax.plot(
        p, slope, color=style["second"], dashes=(4, 2),
        label=r"derivative $\partial C/\partial\hat y$",
    )  # fmt: skip
    ax.set_xlabel(label)
    ax.set_ylim(max(ax.get_ylim()[0], -6), min(ax.get_ylim()[1], 6))


BOWL = (1.0, 12.0)  # J = ½ (1·θ₁² + 12·θ₂²): a valley twelve times steeper across than along


def _optimizer(ax: Any, optimizer: Any, style: Any) -> None:
    curvature = np.array(BOWL)
    grid = np.meshgrid(np.linspace(-2.0, 4.4, 120), np.linspace(-1.5, 1.5, 120))
    J = 0.5 * (curvature[0] * grid[0] ** 2 + curvature[1] * grid[1] ** 2)
    ax.contour(*grid, J, levels=[0.1, 0.5, 1.5, 3.5, 7, 12], colors=[style["grid"]], linewidths=0.9)
    theta = np.array([4.0, 1.0])
    # rules whose steps do not shrink with the gradient take longer ones, to arrive in the picture
    scaled = "v" in optimizer.slots
    rate = 0.2 if scaled else 0.04
    state, path = optimizer.init(theta), [theta]
    for t in range(1, 41):
        theta, state = optimizer.step(theta, curvature * theta, state, t, rate)
        path.append(theta)
    path = np.array(path)
    ax.plot(*path.T, color=style["first"], marker="o", ms=2.4, lw=1.1)
    ax.plot(0, 0, "+", color=style["second"], ms=9, mew=1.6)
    ax.set(
        xlabel=rf"$\theta_1$    (40 steps, $\eta = {rate}$)", ylabel=r"$\theta_2$",
        xlim=(-2.0, 4.4), ylim=(-1.5, 1.5),
    )  # fmt: skip
    ax.grid(visible=False)


def _schedule(ax: Any, schedule: Any, style: Any) -> None:
    epochs, steps = 20, 10  # ten steps of one row each an epoch
    total = epochs * steps
    stalls = (7, 13)
    rates = []
    for step in range(total):
        epoch = step // steps
        at = step if schedule.per_step else epoch * steps
        divisions = sum(epoch >= stall for stall in stalls) if schedule.adaptive else 0
        rates.append(schedule.factor(Clock(at, total, at, divisions)))
    ax.plot(np.arange(total) / steps, rates, color=style["first"], drawstyle="steps-post")
    ax.set(xlabel="epoch", ylabel=r"$\eta_t\,/\,\eta$", ylim=(-0.05, 1.08))
    if schedule.adaptive:
        for stall in stalls:
            ax.annotate(
                "stall", (stall, 0.55 if stall == stalls[0] else 0.12), (stall + 0.6, 0.7),
                arrowprops={"arrowstyle": "->", "color": style["ink"]},
            )  # fmt: skip


def _initializer(ax: Any, initializer: Any, style: Any) -> None:
    W, b = initializer.draw(np.random.default_rng(0), 100, 100, "relu")
    bins = np.linspace(-0.45, 0.45, 46)
    ax.hist(W.ravel(), bins, density=True, color=style["first"], alpha=0.85, label="$W$")
    ax.hist(
        b, bins, density=True, histtype="step", color=style["second"], lw=1.5, ls="--", label="$b$"
    )
    if np.ptp(W) == 0 or np.ptp(b) == 0:
        ax.set_ylim(0, 6)  # what is all 0 is one bar out of the picture
    ax.set(xlabel="value, layer 100 → 100", ylabel="density")


PICTURES: dict[str, Callable[[Any, Any, Any], None]] = {
    "activations": _activation,
    "losses": _loss,
    "optimizers": _optimizer,
    "schedules": _schedule,
    "initializers": _initializer,
}
"""How a record of each kind is drawn."""
