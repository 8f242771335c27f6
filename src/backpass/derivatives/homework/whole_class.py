"""The answers of a whole class: a folder of files, judged one after the other."""

import base64
import hashlib
import hmac
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from backpass.derivatives.homework.answer_files import read_answer
from backpass.derivatives.homework.verdict import Verdict
from backpass.derivatives.notation import get_notation
from backpass.errors import InputError, ModelFileError
from backpass.storage.atomic_write import shown_path

MOST_TOLD = 3  # explanations of one answer
OUTCOMES = ("right", "wrong", "not judged")


class Outcome(NamedTuple):
    """Whose answer it is, what became of it, and its mistake, or why it could not be judged."""

    who: str
    outcome: str
    told: str = ""


def answers_in(folder: str | Path) -> list[tuple[str, Path]]:
    """Return whose answers lie in a folder, and where, by name.

    A file is an answer, and so is every file of a folder inside: under that folder's name where it
    lies there alone, as teaching platforms hand answers out. Names that begin with a point or with
    ``__`` are passed over, as systems leave them behind.
    """
    place = Path(folder)
    if not place.is_dir():
        what = "is no folder" if place.exists() else "there is no such folder; check the path"
        raise InputError(f"{shown_path(folder)}: {what}")
    found: list[tuple[str, Path]] = []
    for path in _seen(place):
        inner = [file for file in _seen(path, "**/*") if file.is_file()] if path.is_dir() else []
        alone = [(path.name, file) for file in inner or [path]]
        many = [(f"{path.name}/{file.relative_to(path)}", file) for file in inner]
        found += many if len(inner) > 1 else alone
    if not found:
        raise InputError(f"{shown_path(folder)}: holds no answer; a file each is expected")
    stems = Counter(name.removesuffix(path.suffix) for name, path in found)
    short = ((name.removesuffix(path.suffix), name, path) for name, path in found)
    return [(stem if stems[stem] == 1 else name, path) for stem, name, path in short]


def _seen(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in folder.glob(pattern) if not path.name.startswith((".", "__")))


def judged(
    answers: Iterable[tuple[str, Path]], judge: Callable[[Any], Verdict], word: str | None = None
) -> Iterator[Outcome]:
    """Yield what became of each answer; one that cannot be read is told like the others.

    With a `word`, names are replaced by its :func:`pseudonym`, and what files are quoted by is left
    out.
    """
    for who, path in answers:
        shown = who if word is None else pseudonym(who, word)
        try:
            verdict = judge(read_answer(path))
        except (InputError, ModelFileError) as error:
            reason = str(error).removeprefix(f"{shown_path(path)}: ")
            reason = reason if word is None else re.sub(r"'[^']*'|\"[^\"]*\"", "'…'", reason)
            yield Outcome(shown, "not judged", reason)
        else:
            yield Outcome(shown, "right" if verdict.right else "wrong", _mistake(verdict))


def _mistake(verdict: Verdict) -> str:
    """Return what explains a wrong answer: the fewest mistakes, all that give these numbers."""
    notation, explained = get_notation(verdict.notation), verdict.explanations
    fewest = min((len(one.made) for one in explained), default=0)
    told = [*dict.fromkeys(one.told(notation) for one in explained if len(one.made) == fewest)]
    if len(told) > MOST_TOLD:
        told[MOST_TOLD:] = [f"{len(told) - MOST_TOLD} more"]
    if verdict.right or told:
        return " or ".join(told)
    where = verdict.to_dict()["located"]
    return "no known mistake" + (f": {where}" if where else "")


def pseudonym(name: str, word: str) -> str:
    """Return what stands for a name in any case: who does not know the word cannot try names out.

    Examples
    --------
    >>> pseudonym("Ada", "our word"), pseudonym("Ada", "another word")
    ('p-em5f32', 'p-f2vtaw')
    """
    plain = unicodedata.normalize("NFC", name.casefold())
    mixed = hmac.new(word.encode(), plain.encode(), hashlib.sha256).digest()
    return f"p-{base64.b32encode(mixed).decode().lower()[:6]}"


def grouped(outcomes: Iterable[Outcome]) -> list[tuple[Outcome, int]]:
    """Return every outcome with how many share it: the right first, then the commonest mistakes.

    Examples
    --------
    >>> found = [Outcome("Ada", "wrong", "sign"), Outcome("Bo", "right"), Outcome("Cy", "right")]
    >>> [(one.who, one.outcome, count) for one, count in grouped(found)]
    [('Bo', 'right', 2), ('Cy', 'right', 2), ('Ada', 'wrong', 1)]
    """
    every = list(outcomes)
    shared = Counter(one[1:] for one in every)
    every.sort(key=lambda one: (OUTCOMES.index(one.outcome), -shared[one[1:]], one.told, one.who))
    return [(one, shared[one[1:]]) for one in every]
