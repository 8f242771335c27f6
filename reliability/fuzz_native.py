"""Call the native engine's entry points in every wrong way, and count what that breaks.

``make fuzz-native`` runs ``python -m reliability.fuzz_native --seconds 600 --seed 0`` on an
extension with the address and undefined-behaviour sanitizers. Each scenario makes a run and calls
it: arrays of hostile shapes, strides and dtypes, CSR triples that lie, row numbers out of range,
calls in any order, from two threads, on arrays that their owner has written to. What a call must
not do is in ``reliability._native_promises``; ``--replay SEED:NUMBER`` tries a scenario again.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from reliability._native_calls import Broken, Scenario
from reliability._supervised import BUSY, board_in, supervise
from reliability.report import arguments, program

CALLS, REFUSED, ACCEPTED, COMPARED, SCENARIOS = 4, 5, 6, 7, 8  # places on the board
NEXT = 9  # the scenario that is being played
MEMORY = 4 << 30  # bytes that the process may take: what asks for more is refused
SANITIZED = "libasan" in os.environ.get("LD_PRELOAD", "")  # which needs more room of addresses


def play(seed: int, number: int, counts: Any) -> str:
    """Play one scenario, count on, and return what it broke, "" where that is nothing."""
    try:
        # the readable equations warn of numbers that overflow
        with warnings.catch_warnings(action="ignore"):
            Scenario(f"{seed}:{number}", counts).play()
    except Broken as error:
        return f"{seed}:{number}: {error}"
    return ""


def work(folder: Path, seed: int, scenarios: int, seconds: float) -> list[str]:
    """Play scenarios, from the one that the board names on; return what they broke."""
    board, end, broken = board_in(folder), time.monotonic() + seconds, []
    for _ in range(scenarios):
        if time.monotonic() > end:
            break
        board[BUSY], number = time.monotonic(), int(board[NEXT])
        board[NEXT] += 1
        if what := play(seed, number, board[CALLS:]):
            broken.append(what)
            with (folder / "broken").open("a") as file:
                file.write(f"{what}\n")
        board[SCENARIOS] += 1
        board[BUSY] = 0
    return broken


def figures(board: Any, findings: Sequence[str]) -> dict[str, Any]:
    """Return the counts as the page names them."""
    calls = int(board[CALLS])
    return {
        "sanitizers": "address, undefined behaviour" if SANITIZED else "none",
        "runs made and called": int(board[SCENARIOS]),
        "calls": calls,
        "of them refused": f"{int(board[REFUSED])} ({board[REFUSED] / max(1, calls):.0%})",
        "of them accepted": f"{int(board[ACCEPTED])} ({board[ACCEPTED] / max(1, calls):.0%})",
        "results compared with the readable equations": int(board[COMPARED]),
        "findings": len(findings),
    }


def counted(asked: Any) -> tuple[dict[str, Any], list[str]]:
    """Play scenarios in a process of their own; return what that came to, and what they broke."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def command(_: int, left: float) -> list[str]:
            options = ["--worker", str(folder), "--seed", str(asked.seed), "--seconds", str(left)]
            options += ["--scenarios", str(asked.scenarios)]
            return [sys.executable, "-X", "faulthandler", "-m", "reliability.fuzz_native", *options]

        findings = [why for why, _ in supervise(command, folder, asked.seconds, asked.seed)]
        broken = folder / "broken"
        findings += broken.read_text().splitlines() if broken.exists() else []
        sys.stdout.write("".join(f"{what}\n" for what in findings))
        return figures(board_in(folder), findings), findings


def main() -> None:
    """Run from the command line."""
    parser = arguments(
        __doc__,
        seconds=(60.0, "of scenarios"),
        seed=(0, "of the scenarios"),
        scenarios=(10**9, "at most"),
    )
    parser.add_argument("--replay", metavar="SEED:NUMBER", help="a scenario")
    parser.add_argument("--worker", type=Path, metavar="FOLDER", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.replay is not None:
        seed, _, number = asked.replay.partition(":")
        raise SystemExit(play(int(seed), int(number), np.zeros(4)) or 0)
    if asked.worker is not None:
        if not SANITIZED:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        work(asked.worker, asked.seed, asked.scenarios, asked.seconds)
        return
    command = "make fuzz-native SECONDS={seconds:g} SEED={seed}"
    program(asked, "Hostile calls of the native engine", command, counted)


if __name__ == "__main__":
    main()
