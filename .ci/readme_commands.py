"""Print the two set-up commands of README.md: the shell blocks marked `set-up`."""

import pathlib
import re
import sys

text = pathlib.Path("README.md").read_text(encoding="utf-8")
commands = re.findall(r"<!-- set-up -->\s*```(?:bash|sh)\n(.+?)\n```", text, re.DOTALL)
if len(commands) != 2 or any("\n" in command for command in commands):
    sys.exit(f"README.md: two set-up blocks of one line each are expected, found {commands}")
print(commands[int(sys.argv[1]) - 1])  # noqa: T201
