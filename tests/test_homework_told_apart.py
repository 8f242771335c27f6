"""The page's table of which mistakes are told from which is what the records give."""

from pathlib import Path

import numpy as np

from backpass.derivatives.homework import MISTAKES
from backpass.derivatives.homework.faulty_pass import CannotPlantError, Pass
from helpers import draw_case

PAGE = Path(__file__).parent.parent / "docs" / "how-to" / "homework.md"
NETWORKS = {
    "classes, α > 0": draw_case(
        [4, 5, 5, 3], ["tanh", "relu"], "softmax", "cross_entropy", n=6, alpha=0.3
    ),
    "classes, α = 0": draw_case([4, 5, 5, 3], "relu", "softmax", "cross_entropy", n=6),
    "two labels": draw_case([4, 4, 2], "logistic", "logistic", "binary_cross_entropy", n=6),
    "one number": draw_case([4, 4, 1], "tanh", "identity", "squared_error", n=6),
    "weights, smoothing": draw_case(
        [4, 5, 5, 3], "tanh", "softmax", "cross_entropy:label_smoothing=0.1", n=6
    ),
}
for name, case in NETWORKS.items():
    if "weights" not in name:
        case.s[:] = 1.0  # as most homework has it


def answers(case):
    """Return what every mistake gives, in its first way that makes a difference, by its name."""
    batch = (case.model, case.X, case.y, case.s, case.alpha)
    right = Pass(*batch)
    results = [(kind, layer) for layer in range(1, right.L + 1) for kind in "Wb"]
    correct = [right.value(*result) for result in results]
    found = {}
    for mistake in MISTAKES.values():
        for way in mistake.expanded(right):
            way = way.at(right, 0.37) if way.family else way
            try:
                w = Pass(*batch, faults=way.faults, base=right)
                given = [
                    way.result(w, w.value, *r) if way.result
                    else way.factor(w) * w.value(*r) if way.factor
                    else w.value(*r)
                    for r in results
                ]  # fmt: skip
            except CannotPlantError:
                continue
            if not same(given, correct):
                found[mistake.name] = given
                break
    return found


def same(one, other):
    return all(
        a is not None and b is not None and a.shape == b.shape and np.allclose(a, b, 1e-9, 1e-13)
        for a, b in zip(one, other, strict=True)
    )


def table():
    """Return the lines of the table: in which networks, and what gives the same numbers there."""
    lines = [f"| mistake | {' | '.join(NETWORKS)} |", "|---" * (1 + len(NETWORKS)) + "|"]
    found = {name: answers(case) for name, case in NETWORKS.items()}
    for mistake in MISTAKES:
        cells = []
        for given in found.values():
            twins = [
                name for name in given
                if mistake in given and name != mistake and same(given[name], given[mistake])
            ]  # fmt: skip
            cells.append(("= " + ", ".join(twins) if twins else "✓") if mistake in given else "–")
        lines.append(f"| {mistake} | {' | '.join(cells)} |")
    return lines


def test_the_page_says_which_mistakes_are_told_apart():
    page = PAGE.read_text(encoding="utf-8")
    missing = [line for line in table() if line not in page]
    assert not missing, "the page's table should have:\n" + "\n".join(table())


def test_most_mistakes_are_told_from_all_others():
    told = [line for line in table()[2:] if "= " not in line and "✓" in line]
    assert len(told) > 0.7 * len(MISTAKES)
    assert not [line for line in table()[2:] if "✓" not in line and "= " not in line]
