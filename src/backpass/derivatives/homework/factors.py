"""One number that an answer is a multiple by, the whole of it or a part that has a name."""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple, TypeAlias

from backpass.derivatives.homework.comparison import Span
from backpass.derivatives.homework.faulty_pass import Pass
from backpass.derivatives.homework.mistake import Made
from backpass.derivatives.homework.part import KINDS


class Fit(NamedTuple):
    """What a part of an answer is, beside a result."""

    kind: str
    layer: int
    span: Span | None = None  # how many times it is the result; None where it is that itself
    nothing: bool = False  # whether the result is 0, and so any multiple of itself

    @property
    def factor(self) -> float:
        """The part is so many times the result."""
        return 1.0 if self.span is None else self.span.number


Claim: TypeAlias = tuple[tuple[Made, ...], float, set[int]]
"""Mistakes, the number that they multiply by, and the parts that are so many times too large."""


def place(cover: Collection[int], fits: Sequence[Fit]) -> str | None:
    """Return where a number stands that multiplies some parts of an answer and no others.

    Empty where that is all of them, None where they have nothing in common: then it is chance.

    Examples
    --------
    >>> fits = [Fit(kind, l) for l in (1, 2) for kind in "Wb"]
    >>> place([0, 1, 2, 3], fits), place([1, 3], fits), place([0, 3], fits)
    ('', 'in the bias gradients only', None)
    >>> place([2, 3], fits), place([2], fits)
    ('in layer 2 only', 'in {dW[2]} only')
    """
    cover = {i for i, fit in enumerate(fits) if i in cover or fit.nothing}

    def is_all(wanted: Callable[[Fit], bool]) -> bool:
        return cover == {i for i, fit in enumerate(fits) if wanted(fit) or fit.nothing}

    if is_all(lambda fit: True):
        return ""
    inside = [fits[i] for i in cover if not fits[i].nothing]
    if len(inside) == 1:
        return f"in {{{KINDS[inside[0].kind]}[{inside[0].layer}]}} only"
    for kind, name in (("b", "bias"), ("W", "weight")):
        if is_all(lambda fit, kind=kind: fit.kind == kind):  # type: ignore[misc]
            return f"in the {name} gradients only"
    highest = max((fit.layer for fit in inside), default=0)
    if is_all(lambda fit: fit.layer == highest):
        return f"in layer {highest} only"
    if is_all(lambda fit: fit.layer <= highest):
        return f"from layer {highest} down"
    return None


def explained(
    w: Pass,
    fits: Sequence[Fit],
    every: Sequence[Made],
    covers: Callable[[float], set[int]],
    *,
    two: bool = True,
) -> Iterator[tuple[list[Made], list[float]]]:
    """Yield the known numbers, one or `two`, that say by what an answer is multiplied.

    They come as mistakes, each with its place, and what they multiply each part by. Those of
    `every` that multiply by a number are tried; ``covers(number)`` are the wrong parts that are so
    many times what they should be.
    """
    wrong = [i for i, fit in enumerate(fits) if fit.span]
    numbers = [(made, made.way.factor(w)) for made in every if made.way.factor is not None]
    known: list[Claim] = [
        ((made,), number, covers(number)) for made, number in numbers if number != 1
    ]
    claims: list[list[Claim]] = [[one] for one in known]
    for one, other in combinations(known, 2) if two else ():
        made, number = one[0] + other[0], one[1] * other[1]
        if made[0].mistake is not made[1].mistake:
            if number not in (0, 1):  # both in the same parts
                claims.append([(made, number, covers(number))])
            claims.append([one, other])
    for claim in claims:
        places = [place(cover, fits) if cover else None for _, _, cover in claim]
        if sorted(i for _, _, cover in claim for i in cover) != wrong or None in places:
            continue
        told: list[Made] = []
        by_part = [claim[0][1] if fit.nothing else 1.0 for fit in fits]  # 0 is any multiple of 0
        for (made, number, cover), where in zip(claim, places, strict=True):
            told += [one.renamed("") for one in made[:-1]]
            own = made[-1].where if w.alpha and len(claim) == len(made) == 1 else ""
            told.append(made[-1].renamed(where or own))
            for i in cover:
                by_part[i] = number
        yield told, by_part


def one_number(fits: Sequence[Fit]) -> float | None:
    """Return the one number that may be the factor of all parts that have one; None: there is none.

    Examples
    --------
    >>> one, other = Fit("W", 1, Span(1.4, 1.39, 1.41)), Fit("W", 2)
    >>> one_number([one, other]), one_number([one, Fit("W", 2, Span(1.75, 1.7, 1.8))])
    (1.4, None)
    """
    spans = [fit.span for fit in fits if fit.span is not None]
    least = max((span.least for span in spans), default=1.0)
    most = min((span.most for span in spans), default=0.0)
    if least > most or least == most == 0:
        return None
    surest = min(spans, key=lambda span: span.most - span.least)
    return min(max(surest.number, least), most)
