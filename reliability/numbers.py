"""Train on extreme numbers, and count what neither ends right nor stops with a clear error.

``python -m reliability.numbers`` draws features from 1e-310 to 1e300, targets, sample weights,
learning rates, penalties and bounds as far apart, and trains networks of every activation, loss
and optimiser with either engine, estimators, and models of tables. What ends must be finite all
through, with the first loss that wider numbers give; what stops must say where, and leave nothing
changed; and ordinary settings on odd but small features must not stop. Logits as far apart as 1e30
are judged by mpmath.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import random
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

from reliability._extreme_models import draw_fit, draw_table, fit_once, guarded, model_once
from reliability._extreme_training import Counts, networks
from reliability._logits import logits, wrong_with
from reliability.report import arguments, program

from backpass.errors import NonFiniteError

RIGHT, STOPPED, REFUSED, SILENT = "right", "stopped", "refused", "silent"


def models(
    times: int, seed: int, draw: Callable[[random.Random], Any], once: Callable[[Any], Any]
) -> Counter[str]:
    """Draw what to fit and fit it, so many times, and count how that ends.

    `once` returns the error that stopped a fit, if one did, or raises `Wrong`.
    """
    rng, ends = random.Random(seed), Counter[str]()
    for _ in range(times):
        what = draw(rng)
        try:
            error = guarded(once, what)
        except Exception as wrong:  # a warning, an error without a name of ours, or Wrong
            ends[SILENT] += 1
            sys.stdout.write(f"{type(wrong).__name__}: {wrong}\n    {what}\n")
        else:
            stopped = STOPPED if isinstance(error, NonFiniteError) else REFUSED
            ends[RIGHT if error is None else stopped] += 1
    return ends


def judge_logits(every: int) -> Counter[str]:
    """Judge cost, gradient and probabilities of one row of logits in `every`."""
    ends = Counter[str]()
    with warnings.catch_warnings(action="error"):
        for number, case in enumerate(logits()):
            if number % every == 0:
                wrong = wrong_with(case)
                ends[SILENT if wrong else RIGHT] += 1
                if wrong:
                    sys.stdout.write(f"{wrong}\n    {case}\n")
    return ends


def _ends(ends: Counter[str]) -> str:
    return f"{ends.total()}: {ends[RIGHT]} right, {ends[STOPPED]} stopped, {ends[REFUSED]} refused"


def figures(
    counts: Counts, fits: Counter[str], tables: Counter[str], rows: Counter[str]
) -> dict[str, Any]:
    """Return the counts as the page names them."""
    silent = fits[SILENT] + tables[SILENT] + rows[SILENT]
    return {
        "training runs of networks, half of them with either engine": counts.runs,
        "of them ended right, all finite": counts.right,
        "of them stopped as diverged, with epoch, step and how to mend it": counts.stopped,
        "of them refused before they began": counts.refused,
        "first losses compared with wider numbers": counts.compared,
        "pairs of engines that stopped at different steps": counts.apart,
        "checkpoints read": counts.checkpoints,
        "fits of estimators": _ends(fits),
        "models of tables, trained, saved, loaded and exported": _ends(tables),
        "rows of logits up to 1e30 judged by mpmath": rows.total(),
        "wrong: neither right nor a clear stop": len(counts.wrong) + silent,
    }


def counted(asked: Any) -> tuple[dict[str, Any], int]:
    """Do all that; return what it came to, and how much was wrong."""
    counts = networks(asked.cases, asked.seed)
    fits = models(asked.fits, asked.seed, draw_fit, fit_once)
    tables = models(asked.tables, asked.seed, draw_table, model_once)
    found = figures(counts, fits, tables, judge_logits(asked.logits))
    return found, list(found.values())[-1]


if __name__ == "__main__":
    asked = arguments(
        __doc__,
        cases=(8000, "networks"),
        fits=(4000, "of estimators"),
        tables=(1000, "models of tables"),
        logits=(1, "one row in so many"),
        seed=(0, "of what is drawn"),
    ).parse_args()
    command = "python -m reliability.numbers --cases {cases} --fits {fits} --tables {tables}"
    program(asked, "Extreme numbers", f"{command} --seed {{seed}}", counted)
