"""The process in which inputs are tried: what breaks there breaks nothing else.

``python -m reliability._fuzz_worker TARGET FOLDER SEED EXECUTIONS SECONDS``: the input that is
being tried lies in the folder, with counts and the time since when, so that whoever started this
process knows what it was at when it dies or hangs.
"""

import os
import re
import resource
import sys
import time
import traceback
import tracemalloc
from pathlib import Path
from random import Random
from typing import Any

from reliability._fuzz_inputs import AnswerFile, SpecText, TableFile
from reliability._fuzz_models import CheckpointFile, ModelFile, NetworkFile
from reliability._fuzzing import Found, Input, Target
from reliability._supervised import BUSY, DEPTHS, EXECUTIONS, MESSAGES, board_in

TARGETS: dict[str, type[Target]] = {
    target.name: target
    for target in (NetworkFile, ModelFile, CheckpointFile, TableFile, AnswerFile, SpecText)
}
SLOW = 5.0  # seconds of computing for one input of a few KiB
CORPUS = 300  # inputs that are kept because they led to a new message
QUOTES = r"""(["']).*?\1|[0-9.e+-]+|\[.*\]"""  # what a message repeats of the input
OURS = os.sep + "backpass" + os.sep  # the package's own files
TRACED = 100  # one execution of so many is held to SECURITY.md's bound, which slows it down


class Fuzzer:
    """Draws inputs, tries them, keeps what leads somewhere new, and writes findings down."""

    def __init__(self, target: Target, folder: Path, seed: int) -> None:
        self.target, self.folder = target, folder
        self.rng = Random(f"{target.name} {seed}")
        (folder / "seeds").mkdir(exist_ok=True)
        self.corpus = target.seeds(folder / "seeds")
        self.board = board_in(folder)
        self.known: set[str] = set()
        self.undamaged, self.seeds = list(self.corpus), len(self.corpus)

    def step(self) -> None:
        """Try one input; undamaged ones come first, and each must be accepted."""
        whole = self.undamaged.pop(0) if self.undamaged else None
        suffix, data = found = whole or self.target.mutate(self.rng, self.corpus)
        path = self.folder / f"{self.target.name}-input{suffix}"
        path.write_bytes(data)
        self.board[BUSY] = time.monotonic()
        try:
            depth, message = self.tried(path, len(data))
            if whole and self.target.whole_is_accepted and depth < len(self.target.layers):
                raise Found(f"an undamaged input is refused: {message}")
        except Found as error:
            self.report(found, str(error), error)
        else:
            self.board[DEPTHS + depth] += 1
            self.learn(found, depth, message)
        self.board[EXECUTIONS] += 1
        self.board[BUSY] = 0

    def tried(self, path: Path, size: int) -> tuple[int, str]:
        """Return what the target says of a file, after looking at time and memory."""
        began, memory = time.process_time(), _peak()
        exact = self.target.traced and self.board[EXECUTIONS] % TRACED == 0
        if exact:
            tracemalloc.start()
        try:
            result = self.target.judge(path)
            traced = tracemalloc.get_traced_memory()[1] if exact else 0
        except (Found, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic of another language is no Exception
            raise Found(f"an undocumented {type(error).__name__}: {error}") from error
        finally:
            tracemalloc.stop()
        times, more = self.target.bytes_allowed
        if max(_peak() - memory, traced) > times * size + more:
            raise Found(f"{size} bytes of input took {max(_peak() - memory, traced)} of memory")
        if time.process_time() - began > SLOW:
            raise Found(f"{time.process_time() - began:.1f} s for {size} bytes of input")
        return result

    def learn(self, found: Input, depth: int, message: str) -> None:
        """Keep an input whose refusal, or acceptance, reads as none before."""
        sign = f"{depth} {re.sub(QUOTES, '', message)}"
        if sign in self.known:
            return
        self.known.add(sign)
        self.board[MESSAGES] = max(self.board[MESSAGES], len(self.known))
        shallow = depth < len(self.target.layers) - 1
        if len(found[1]) < 1 << 16 and not (shallow and self.rng.random() < 0.97):
            self.corpus.append(found)  # changed again, what failed early fails early
        if len(self.corpus) > CORPUS:
            del self.corpus[self.rng.randrange(self.seeds, len(self.corpus))]

    def report(self, found: Input, what: str, error: BaseException) -> None:
        """Write a finding down, once for each place it comes from."""
        cause = error.__cause__ or error
        frames = traceback.extract_tb(cause.__traceback__)
        frames = [f for f in frames if OURS in f.filename] or frames
        where = f"{Path(frames[-1].filename).stem}-{frames[-1].lineno}"
        kind = re.sub(r"[^A-Za-z]+", "-", what)[:40].strip("-")
        path = self.folder / f"{self.target.name}-found-{where}-{kind}{found[0]}"
        if not path.exists():
            path.write_bytes(found[1])
            why = path.with_suffix(f"{path.suffix}.why")
            told = "".join(traceback.format_exception(error))
            why.write_text(told, encoding="utf-8", errors="replace")


def _peak() -> int:
    """Return the most bytes of memory that this process has had."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def fuzz(target: Target, folder: Path, seed: int, executions: int, seconds: float) -> Any:
    """Try so many inputs, or as many as so many seconds allow; return the numbers of `board_in`."""
    fuzzer, end = Fuzzer(target, folder, seed), time.monotonic() + seconds
    done = 0
    while done < executions and time.monotonic() < end:
        fuzzer.step()
        done += 1
    return fuzzer.board


def main() -> None:
    """Run from the command line."""
    name, folder, seed, executions, seconds = sys.argv[1:]
    os.nice(5)
    resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))  # to be refused, not to swap
    fuzz(TARGETS[name](), Path(folder), int(seed), int(executions), float(seconds))


if __name__ == "__main__":
    main()
