"""A command in a terminal of its own, Ctrl-C at given instants, and what it leaves behind."""

import fcntl
import math
import os
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backpass.errors import ModelFileError

CONTROL = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")  # what moves the cursor, colours, hides
OURS = re.compile(r' +File "[^"]*/backpass/cli/')
HIDE, SHOW = b"\x1b[?25l", b"\x1b[?25h"
INTERRUPTED = 130
KINDS = {
    "interrupted: nothing was left half-written": "exit code 130, nothing left half-written",
    "interrupted: before the first epoch was over": "exit code 130, no epoch to keep",
    "interrupted: training ended early": "exit code 130, the best epoch kept",
    "interrupted: the comparison with other models": "exit code 130, the model complete",
    "interrupted: the model is complete": "exit code 130, the model complete",
}
NO_MODEL = "exit code 130, no epoch to keep"
KEPT = ("exit code 130, the best epoch kept", "exit code 130, the model complete")
STARTING = "stopped by Python, before backpass was loaded"


@dataclass
class Ending:
    """How a command ended."""

    code: int  # minus the signal that killed it
    output: bytes  # all that the terminal was sent
    same_terminal: bool  # whether the terminal's settings are what they were
    alone: bool  # whether no process of its session was left
    seconds: float  # that it took, from where the instants were counted

    @property
    def lines(self) -> list[str]:
        """What a person would read, without the marks of typed keys."""
        text = CONTROL.sub(b"", self.output).replace(b"^C", b"").decode("utf-8", "replace")
        return [line.rpartition("\r")[2] for line in text.replace("\r\n", "\n").split("\n")]


def in_terminal(
    command: Sequence[str],
    folder: Path,
    instants: Sequence[float],
    *,
    after: bytes = b"",
    typed: bool = False,
    timeout: float = 120.0,
) -> Ending:
    """Run a command in a terminal, interrupt it at the `instants`, and wait for its end.

    They are seconds, in order, after its start, or after it has shown what `after` says. Ctrl-C is
    typed into the terminal, or SIGINT sent to the process. A command that takes longer than the
    timeout is killed, and has exit code -9.
    """
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    before = termios.tcgetattr(slave)
    # a shell in the background has SIGINT ignored, which exec would hand on
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.login_tty(slave)
        os.execvpe(command[0], list(command), {**os.environ, "TERM": "xterm-256color"})
    signal.signal(signal.SIGINT, handler)
    started, waiting, output = time.monotonic(), list(instants), b""
    origin, code = (math.inf, None) if after else (started, None)
    while code is None:
        if after in output:
            origin = min(origin, time.monotonic())
        past = time.monotonic() - origin
        if waiting and past >= waiting[0]:
            waiting.pop(0)
            os.write(master, b"\x03") if typed else os.kill(child, signal.SIGINT)
        if time.monotonic() - started > timeout:
            os.kill(child, signal.SIGKILL)
        output += _read(master, min(0.005, max(0.0, waiting[0] - past)) if waiting else 0.005)
        done, status = os.waitpid(child, os.WNOHANG)
        code = os.waitstatus_to_exitcode(status) if done else None
    seconds = time.monotonic() - origin
    while more := _read(master, 0.02):
        output += more
    same = termios.tcgetattr(slave) == before
    os.close(master)
    os.close(slave)
    return Ending(code, output, same, _is_empty(child), seconds)


def _read(master: int, seconds: float) -> bytes:
    """Return what the terminal was sent, waiting so long for it at most."""
    return os.read(master, 65536) if select.select([master], [], [], seconds)[0] else b""


def _is_empty(session: int) -> bool:
    """Return whether no process of a session is left."""
    try:
        os.killpg(session, 0)
    except ProcessLookupError:
        return True
    return False


def kind_of(ending: Ending) -> str:
    """Return when the interrupt came, by what the command said of it."""
    last = next((line for line in reversed(ending.lines) if line), "")
    for words, kind in KINDS.items():
        if last.startswith(words):
            return kind
    if ending.code == 0:
        return "exit code 0: it had done its work"
    return STARTING if _before_ours(ending) else "otherwise"


def _before_ours(ending: Ending) -> bool:
    """Return whether Python was stopped before it came to a line of our commands."""
    stopped = ending.code == -signal.SIGINT or b"KeyboardInterrupt" in ending.output
    return stopped and not any(OURS.match(line) for line in ending.lines)


def faults_of(ending: Ending, folder: Path, model: Path, old: bytes | None) -> list[str]:
    """Return what is not in order after a command that was interrupted, nothing if all is.

    The model file, which held `old` before, is the one that it was to write.
    """
    kind, faults = kind_of(ending), []
    if kind == "otherwise":
        faults.append(f"exit code {ending.code} and no word of the interrupt")
    elif kind.startswith("exit code 130") and ending.code != INTERRUPTED:
        faults.append(f"exit code {ending.code}")
    if kind != STARTING:
        faults += [
            f"it says {word!r}"
            for word in ("Traceback", "Exception ignored")
            if any(word in line for line in ending.lines)
        ]
    if ending.output.rfind(HIDE) > ending.output.rfind(SHOW):
        faults.append("the cursor is hidden")
    if not ending.same_terminal:
        faults.append("the terminal has other settings")
    if ending.lines[-1]:
        faults.append(f"the last line is not ended: {ending.lines[-1]!r}")
    if not ending.alone:
        faults.append("a process is left")
    faults += [f"{path.name} is left" for path in folder.rglob(".backpass-*.tmp")]
    return faults + _faults_of_model(kind, model, old)


def _faults_of_model(kind: str, model: Path, old: bytes | None) -> list[str]:
    """Return what is wrong with the model file: it is new and whole, or what it was."""
    from backpass.tabular.model import TabularModel

    found = model.read_bytes() if model.exists() else None
    if kind in KEPT and found == old:
        return ["the model that it speaks of was not written"]
    if found == old:
        return []
    if kind == NO_MODEL:
        return ["a model was written, against its word"]
    try:
        TabularModel.load(model)
    except ModelFileError as error:
        return [str(error)]
    return []
