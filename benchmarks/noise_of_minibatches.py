"""How noisy the gradient of a mini-batch is, against its size M: note 4's "less noisy".

``python -m benchmarks.noise_of_minibatches`` takes some seconds, and rewrites the table in
``docs/concepts/gradient-descent.md`` and the picture in ``docs/images``. The gradient of every
sample is computed once; a mini-batch's gradient is the mean of M of them, drawn with replacement
(note 4's i_k) or without (an epoch's shuffle). NumPy, float64.
"""

import datetime
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from benchmarks.cost_of_forms import INK, machine, shown
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.datasets import load_digits

from backpass import Network, train

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "concepts" / "gradient-descent.md"
PICTURE = DOCS / "images" / "noise-of-minibatches.svg"
SIZES = [64, 32, 10]
EPOCHS = 3
N_BATCHES = 1000
REPLACEMENT, SHUFFLE = "#D55E00", "#0072B2"

Floats = NDArray[np.float64]


@dataclass
class Noise:
    """What was measured.

    Parameters
    ----------
    sizes : list of int
        M, the last one N.
    replacement, shuffle : arrays of shape (n_sizes,)
        √ mean ‖ĝ − ∇J‖² over the batches, divided by ‖∇J‖.
    predicted_replacement, predicted_shuffle : arrays of shape (n_sizes,)
        The same by the formulas on the page.
    expectation : float
        ‖1/N Σ ∇C − ∇J‖ / ‖∇J‖: 0 to rounding.
    """

    sizes: list[int]
    replacement: Floats
    shuffle: Floats
    predicted_replacement: Floats
    predicted_shuffle: Floats
    expectation: float


def sample_gradients(network: Network, X: Floats, y: NDArray[np.int64]) -> Floats:
    """Return ∇C of every sample, (N, P)."""
    rows = (slice(n, n + 1) for n in range(len(X)))
    return np.stack([network.loss_and_gradients(X[row], y[row])[1].flat for row in rows])


def measure() -> Noise:
    X, y = load_digits(return_X_y=True)
    X = X / 16
    N = len(X)
    network = Network(SIZES, "tanh", "softmax", "cross_entropy", seed=0)
    train(network, X, y, seed=0, batch_size=32, epochs=EPOCHS)  # not at the start, not at the end
    gradients = sample_gradients(network, X, y)
    full = network.loss_and_gradients(X, y)[1].flat
    length = np.linalg.norm(full)
    spread = np.mean(np.sum((gradients - full) ** 2, axis=1))
    sizes = [*(2**k for k in range(11)), N]
    M = np.array(sizes)
    rng = np.random.default_rng(0)

    def noise(size: int, replace: bool) -> float:
        batches = (rng.choice(N, size, replace=replace) for _ in range(N_BATCHES))
        shares = np.stack([np.bincount(rows, minlength=N) for rows in batches]) / size
        errors = shares @ gradients - full
        return float(np.sqrt(np.mean(np.sum(errors**2, axis=1))) / length)

    return Noise(
        sizes,
        np.array([noise(size, True) for size in sizes]),
        np.array([noise(size, False) for size in sizes]),
        np.sqrt(spread / M) / length,
        np.sqrt(spread / M * (N - M) / (N - 1)) / length,
        float(np.linalg.norm(gradients.mean(axis=0) - full) / length),
    )


def table(noise: Noise) -> list[str]:
    lines = [
        "| M | with replacement | predicted | shuffled | predicted |",
        "|---:|---:|---:|---:|---:|",
    ]
    columns = zip(
        noise.replacement, noise.predicted_replacement, noise.shuffle, noise.predicted_shuffle,
        strict=True,
    )  # fmt: skip
    for size, row in zip(noise.sizes, columns, strict=True):
        cells = (shown(x) if x > 1e-12 else "0" for x in row)
        lines.append(f"| {size:,} | {' | '.join(cells)} |".replace(",", " "))
    return lines


def write_page(noise: Noise) -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = "<!-- noise: begin -->", "<!-- noise: end -->"
    before, rest = text.split(begin)
    date = datetime.datetime.now(tz=datetime.UTC).date()
    network = "-".join(map(str, SIZES))
    how = (
        f"Noise √ mean ‖ĝ − ∇J‖² / ‖∇J‖ of {N_BATCHES:,} batches a size".replace(",", " ")
        + f"; digits ({noise.sizes[-1]:,} samples), ".replace(",", " ")
        + f"{network} network with tanh after {EPOCHS} epochs of Adam. "
        f"Here ‖1/N Σ ∇C − ∇J‖ / ‖∇J‖ = {noise.expectation:.0e}: the expectation is the full "
        f"gradient to rounding. Run on {machine()}; {date}."
    )
    lines = (before + begin, "", *table(noise), "", how, "", end + rest.split(end)[1])
    PAGE.write_text("\n".join(lines), encoding="utf-8")


def draw(noise: Noise) -> Figure:
    mpl.rcParams.update({"svg.hashsalt": "backpass", "font.size": 10, "text.color": INK})
    mpl.rcParams.update({"axes.edgecolor": INK, "axes.labelcolor": INK})
    mpl.rcParams.update({"xtick.color": INK, "ytick.color": INK})
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    axes = figure.subplots()
    M, N = np.array(noise.sizes), noise.sizes[-1]
    fine = np.geomspace(1, N * (1 - 1e-3), 400)
    first = noise.predicted_replacement[0]
    axes.loglog(fine, first / np.sqrt(fine), "--", color=REPLACEMENT, lw=1.4)
    axes.loglog(
        fine, first / np.sqrt(fine) * np.sqrt((N - fine) / (N - 1)), "-", color=SHUFFLE, lw=1.4
    )
    axes.plot(M, noise.replacement, "s", color=REPLACEMENT, ms=5.5, label="drawn with replacement")
    axes.plot(M[:-1], noise.shuffle[:-1], "o", color=SHUFFLE, ms=5.5, label="shuffled")
    axes.axhline(1, color=INK, lw=0.9, ls=":")
    axes.annotate("noise as long as the gradient", (N, 1), ha="right", va="bottom",
                  xytext=(0, 3), textcoords="offset points")  # fmt: skip
    axes.set_ylim(0.01, 2 * first)
    axes.set(xlabel="samples in a mini-batch, M", ylabel="noise of the gradient / its length")
    ticks = [1, 4, 16, 64, 256, 1024]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.grid(color=INK, alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.patch.set_alpha(0)
    axes.legend(frameon=False, loc="lower left", title="points: measured; lines: predicted")
    return figure


def main() -> None:
    noise = measure()
    write_page(noise)
    PICTURE.parent.mkdir(exist_ok=True)
    draw(noise).savefig(PICTURE, transparent=True, metadata={"Date": None})
    for line in table(noise):
        print(line)


if __name__ == "__main__":
    main()
