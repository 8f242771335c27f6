"""Operations and bytes of each kernel of a training step, counted, and the time they predict.

``python -m benchmarks.counts`` rewrites the tables of ``docs/performance.md``. Nothing is timed
here: the cycles of single kernels (:data:`CYCLES`) were measured once, and what a step took comes
from ``benchmarks/results``.

Float32, Adam, ReLU, softmax cross-entropy, dense float32 rows. Bytes are those that a kernel must
read and write if each of its operands passes once: where they come from (registers, a cache,
memory) is not said. What never leaves the first-level cache by design (the gradient of a tile) is
not counted.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

from benchmarks._common import CONFIGS, ROOT, Config, table, thousands
from benchmarks.report import RESULTS, between_marks, load

PAGE = ROOT / "docs" / "performance.md"
FLOAT = 4  # bytes
LANES = 16  # floats in a vector of AVX-512
CLOCK = 2.0e9  # counts a second of the time-stamp counter of the measured machine

CYCLES = {
    # of the time-stamp counter, on one core; the middle of what was seen
    "multiply-add, F1 and B2a": 1 / 1.7,
    "multiply-add, B3": 1 / 1.675,
    "F2, a vector": 3.5,
    "C and B1, a row": 35.0,
    "U, a vector": 18.5,
    "transposed copy, a vector": 4.4,
}
Pairs = list[tuple[int, int]]


def layers(sizes: Sequence[int]) -> Pairs:
    """Return (units below, units) of every layer."""
    return list(pairwise(sizes))


def weights(sizes: Sequence[int]) -> int:
    """Return the number of weights."""
    return sum(i * o for i, o in layers(sizes))


def above_first(sizes: Sequence[int]) -> int:
    """Return the number of weights above layer 1: those that B2a needs, transposed."""
    return sum(i * o for i, o in layers(sizes)[1:])


def parameters(sizes: Sequence[int]) -> int:
    """Return the number of weights and biases."""
    return weights(sizes) + sum(sizes[1:])


def hidden(sizes: Sequence[int]) -> int:
    """Return the number of hidden units."""
    return sum(sizes[1:-1])


def operand_cells(M: int, pairs: Pairs) -> int:
    """Return the cells of a product's two operands and its result, summed over layers."""
    return sum(M * i + i * o + M * o for i, o in pairs)


# --- what a step does: by kernel its formulas as text, and as functions of batch and sizes -------

Formula = Callable[[int, Sequence[int]], int]
KERNELS: dict[str, tuple[str, str, Formula, Formula]] = {
    "gather": (
        "0",
        "8 M n₀",
        lambda M, n: 0,
        lambda M, n: 2 * FLOAT * M * n[0],
    ),
    "F1": (
        "2 M W",
        "4 Σ (M i + i o + M o)",
        lambda M, n: 2 * M * weights(n),
        lambda M, n: FLOAT * operand_cells(M, layers(n)),
    ),
    "F2, ReLU": (
        "2 M H",
        "12 M H",
        lambda M, n: 2 * M * hidden(n),
        lambda M, n: 3 * FLOAT * M * hidden(n),
    ),
    "C and B1, softmax": (
        "11 M k + 3 M",
        "12 M k + 12 M",
        lambda M, n: 11 * M * n[-1] + 3 * M,
        lambda M, n: 3 * FLOAT * M * n[-1] + 12 * M,
    ),
    "B2a": (
        "2 M W₂",
        "4 Σ₂ (M i + i o + M o)",
        lambda M, n: 2 * M * above_first(n),
        lambda M, n: FLOAT * operand_cells(M, layers(n)[1:]),
    ),
    "B2b": (
        "M H",
        "12 M H",
        lambda M, n: M * hidden(n),
        lambda M, n: 3 * FLOAT * M * hidden(n),
    ),
    "B3": (
        "2 M W",
        "4 Σ (M i + M o)",
        lambda M, n: 2 * M * weights(n),
        lambda M, n: FLOAT * sum(M * i + M * o for i, o in layers(n)),
    ),
    "B4": (
        "M (H + k)",
        "4 M (H + k)",
        lambda M, n: M * sum(n[1:]),
        lambda M, n: FLOAT * M * sum(n[1:]),
    ),
    "U, Adam": (
        "17 P",
        "24 P",
        lambda M, n: 17 * parameters(n),
        lambda M, n: 6 * FLOAT * parameters(n),
    ),
    "transposed copy": (
        "0",
        "4 W₂",
        lambda M, n: 0,
        lambda M, n: FLOAT * above_first(n),
    ),
}


def counts(config: Config) -> dict[str, tuple[int, int]]:
    """Return operations and bytes of a full batch's step, by kernel."""
    M, n = config.batch, config.sizes
    return {k: (flops(M, n), size(M, n)) for k, (_, _, flops, size) in KERNELS.items()}


def state_bytes(sizes: Sequence[int]) -> int:
    """Return the bytes of parameters, Adam's two moments and the transposed weights."""
    return FLOAT * (3 * parameters(sizes) + above_first(sizes))


# --- prediction ----------------------------------------------------------------------------------


def panels(units: int) -> int:
    """Return the panels of so many units: those beyond the last are computed too."""
    return -(-units // LANES)


def cycles(config: Config) -> dict[str, float]:
    """Return the cycles that one core is predicted to take for a step, by part."""
    M, n = config.batch, layers(config.sizes)
    forward = sum(M * i * panels(o) for i, o in n)
    back = sum(M * o * panels(i) for i, o in n[1:])
    gradients = sum(M * LANES * panels(i) * panels(o) for i, o in n)
    blocks = [LANES * panels(i) * panels(o) for i, o in n]
    vectors = sum(blocks) + sum(panels(o) for _, o in n)
    return {
        "F1, B2a": (forward + back) * CYCLES["multiply-add, F1 and B2a"],
        "B3": gradients * CYCLES["multiply-add, B3"],
        "F2": M * sum(panels(o) for _, o in n[:-1]) * CYCLES["F2, a vector"],
        "C, B1": M * CYCLES["C and B1, a row"],
        "U": vectors * CYCLES["U, a vector"],
        "transposed copy": sum(blocks[1:]) * CYCLES["transposed copy, a vector"],
    }


# --- tables --------------------------------------------------------------------------------------


def shown(number: float) -> str:
    """Return a count in millions, three digits or more."""
    millions = number / 1e6
    return thousands(millions) if millions >= 100 else f"{millions:.3g}"


def formulas() -> str:
    """Return the formulas of every kernel."""
    return table(
        ["kernel", "operations", "bytes"], [[k, f, b] for k, (f, b, *_) in KERNELS.items()]
    )


def numbers() -> str:
    """Return the counts of every configuration: millions of operations, millions of bytes."""
    by_config = [counts(config) for config in CONFIGS]
    rows = []
    for kernel in KERNELS:
        cells = [f"{shown(found[kernel][0])} / {shown(found[kernel][1])}" for found in by_config]
        rows.append([kernel, *cells])
    totals = [[sum(c[i] for c in found.values()) for i in (0, 1)] for found in by_config]
    rows.append(["**all**", *(f"{shown(f)} / {shown(b)}" for f, b in totals)])
    rows.append(["operations a byte", *(f"{f / b:.1f}" for f, b in totals)])
    products = [sum(found[k][0] for k in ("F1", "B2a", "B3")) for found in by_config]
    shares = [f"{p / f:.1%}" for p, (f, _) in zip(products, totals, strict=True)]
    rows.append(["F1, B2a and B3 of the operations", *shares])
    rows.append(["state, MB", *(f"{state_bytes(c.sizes) / 1e6:.2f}" for c in CONFIGS)])
    return table(["", *(f"{c.name}, {c.batch}" for c in CONFIGS)], rows)


def predictions(folder: Path) -> str:
    """Return what is predicted beside what was measured with one thread."""
    measured = load(folder)[0].get("training", {})
    rows = []
    for config in CONFIGS:
        parts = cycles(config)
        total = sum(parts.values())
        micro = 1e6 * total / CLOCK
        seconds = measured.get(str(config), {}).get("seconds", {}).get("native, 1 thread")
        cells = [f"{part / total:.0%}" for part in parts.values()]
        row = [f"{config.name}, {config.batch}", *cells, thousands(total / 1e3), thousands(micro)]
        if seconds:
            step = 1e6 * min(seconds) / config.steps
            row += [thousands(step), f"{step / micro:.2f}"]
        else:
            row += ["not measured", ""]
        rows.append(row)
    titles = ["network, batch", *cycles(CONFIGS[0]), "thousand cycles", "µs", "measured, least, µs"]
    return table([*titles, "measured / predicted"], rows)


def fill(text: str, folder: Path) -> str:
    """Return the page's `text` with its tables written anew."""
    tables = {"formulas": formulas(), "numbers": numbers(), "predictions": predictions(folder)}
    for name, content in tables.items():
        text = between_marks(text, name, f"\n{content}\n")
    return text


def main() -> None:
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), RESULTS), encoding="utf-8")


if __name__ == "__main__":
    main()
