"""Fuzz every loader, the table reader and the specs, and count what that finds.

``python -m reliability.fuzz --seconds 300 --seed 0 [TARGET ...]`` tries each target so long, in a
process of its own that is started again where an input ends it or hangs in it. A finding is any
exception but the documented ones, a message that is no single line, numbers that are not finite, a
load that cannot predict or is not the same after saving, and too much time or memory. Its input is
written to ``--findings FOLDER``, and tried again by ``--replay FILE``.

With ``--json FILE`` the counts go to a file for ``python -m reliability.report``.
"""

import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reliability._fuzz_worker import TARGETS
from reliability._fuzzing import Found
from reliability._supervised import DEPTHS, EXECUTIONS, MESSAGES, board_in, supervise
from reliability.report import arguments, program

FOREIGN = "polars_parquet::"  # in the backtrace of a process that polars has ended


@dataclass
class Counts:
    """What was seen of one target."""

    executions: int
    depths: list[int]  # inputs by the layer that refused them, and those that were accepted
    messages: int  # refusals that read differently, whatever they repeat of the input
    findings: list[str]  # where the input of each lies
    foreign: int  # inputs at which the decoder of Parquet ended the process: see SECURITY.md


def fuzz_target(name: str, seconds: float, seed: int, findings: Path) -> Counts:
    """Fuzz one target in a process of its own; inputs that find something go to a folder."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # inputs are small, and runs repeatable
    os.environ["RUST_BACKTRACE"] = "1"  # which says whose code has ended a process
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)

        def command(life: int, left: float) -> list[str]:
            arguments = [name, str(folder), str(life), str(10**9), str(left)]
            return [sys.executable, "-m", "reliability._fuzz_worker", *arguments]

        foreign = 0
        for number, (why, path) in enumerate(supervise(command, folder, seconds, seed)):
            foreign += FOREIGN in why
            kind = "foreign" if FOREIGN in why else "found"
            kept = findings / f"{name}-{kind}-death-{seed}-{number}{path.suffix}"
            kept.write_bytes(path.read_bytes())
            kept.with_suffix(f"{path.suffix}.why").write_text(why, encoding="utf-8")
        for path in folder.glob("*-found-*"):
            (findings / path.name).write_bytes(path.read_bytes())
        board = board_in(folder)
        layers = len(TARGETS[name].layers)
        depths = [int(n) for n in board[DEPTHS : DEPTHS + layers + 1]]
        found = sorted(str(path) for path in findings.glob(f"{name}-found-*.why"))
        return Counts(int(board[EXECUTIONS]), depths, int(board[MESSAGES]), found, foreign)


def replay(path: Path) -> str:
    """Try the input of a finding again; return what it finds, "" where that is nothing."""
    target = TARGETS[path.name.partition("-")[0]]()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, f"input{path.suffix}")
        copy.write_bytes(path.read_bytes())
        try:
            target.judge(copy)
        except Found as error:
            return str(error)
        except Exception as error:
            return f"an undocumented {type(error).__name__}: {error}"
    return ""


def figures(counts: dict[str, Counts]) -> dict[str, Any]:
    """Return the counts of each target as the page names them."""
    told: dict[str, Any] = {}
    for name, c in counts.items():
        target, all_of_them = TARGETS[name], max(1, c.executions)
        *refused, accepted = c.depths
        shares = zip(target.layers, refused, strict=True)
        told[target.title] = {
            "executions": c.executions,
            "refused for": ", ".join(f"{layer} {n / all_of_them:.1%}" for layer, n in shares),
            "accepted, and used": f"{accepted} ({accepted / all_of_them:.1%})",
            "different outcomes": c.messages,
            "ended by polars": c.foreign if name == "table" else "",
            "findings": len(c.findings),
        }
    return told


def counted(asked: Any) -> tuple[dict[str, Any], bool]:
    """Fuzz the targets; return what that came to, and whether something was found."""
    asked.findings.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name in asked.targets or TARGETS:
        counts[name] = fuzz_target(name, asked.seconds, asked.seed, asked.findings)
        sys.stdout.write(f"{name:10} {counts[name]}\n")
        sys.stdout.flush()
    return figures(counts), any(c.findings for c in counts.values())


def main() -> None:
    """Run from the command line."""
    parser = arguments(__doc__, seconds=(60.0, "for each target"), seed=(0, "of the inputs"))
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--findings", type=Path, default=Path("build/fuzz"), metavar="FOLDER")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="the input of a finding")
    asked = parser.parse_args()
    if unknown := {*asked.targets} - {*TARGETS}:
        parser.error(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if asked.replay is not None:
        found = replay(asked.replay)
        raise SystemExit(f"{asked.replay}: {found}" if found else 0)
    command = "python -m reliability.fuzz --seconds {seconds:g} --seed {seed}"
    program(asked, "Hostile files and texts", command, counted)


if __name__ == "__main__":
    main()
