"""Draw README's picture: a real run of ``backpass fit example:digits``, as SVG.

``python docs/make_run_picture.py`` in a folder that may receive digits.backpass.
"""

import io
import os
import pathlib
import re
import subprocess
import sys

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

HERE = pathlib.Path(__file__).parent
COMMAND = "backpass fit example:digits"
THEME = TerminalTheme(
    (250, 250, 250), (36, 41, 47),
    [(36, 41, 47), (179, 88, 6), (27, 124, 75), (154, 103, 0), (33, 102, 172), (130, 80, 223),
     (27, 124, 131), (110, 119, 129)],
)  # fmt: skip

done = subprocess.run(
    [sys.executable, "-m", *COMMAND.split()],
    env={**os.environ, "COLUMNS": "84", "FORCE_COLOR": "1"},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    check=True,
    text=True,
)
MOVING = re.compile(r"(preparing|training|round \d+|what mattered|comparing with[\w ]*) .*[━╸╺]")


def still(output: str) -> str:
    """Return what is left on the screen: of the moving bar, its last frame."""
    lines = [re.sub(r"\x1b\[[0-9]*[AK]", "", line) for line in re.split(r"[\r\n]", output)]
    moving = [
        i for i, line in enumerate(lines) if MOVING.search(re.sub(r"\x1b\[[0-9;]*m", "", line))
    ]
    trained = [i for i in moving if re.search(r"training|round \d", lines[i])]
    kept = [line for i, line in enumerate(lines) if i not in moving or i == trained[0]]
    kept = [lines[trained[-1]] if line is lines[trained[0]] else line for line in kept]
    blank = [not re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line).strip() for line in kept]
    return "\n".join(
        line for i, line in enumerate(kept) if not (blank[i] and (i == 0 or blank[i - 1]))
    )


console = Console(record=True, width=84, file=io.StringIO(), force_terminal=True)
console.print(f"$ {COMMAND}", style="bold", highlight=False)
console.print(Text.from_ansi(still(done.stdout)))
console.save_svg(str(HERE / "images" / "run.svg"), title="backpass", theme=THEME)
