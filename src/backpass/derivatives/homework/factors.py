"""One number that an answer is a multiple by, the whole of it or a part that has a name."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

from backpass.derivatives.homework.comparison import Span
from backpass.derivatives.homework.faulty_pass import Pass
from backpass.derivatives.homework.mistake import Made, printed
from backpass.derivatives.homework.part import QUANTITY

Multiplied: TypeAlias = tuple[tuple[Made, ...], tuple[float, ...]]
"""Mistakes, and the number that each part of an answer is multiplied by."""


@dataclass(frozen=True)
class Fit:
    """What a part of an answer is, beside a result.

    Parameters
    ----------
    kind, layer
        Which result.
    factor : float
        The part is so many times the result: 1 where they are the same.
    off : float
        How far off, in parts of the largest entry.
    span : Span, optional
        Which numbers the factor may be, where it is not 1.
    nothing : bool
        Whether the result is 0, and so any multiple of itself.
    """

    kind: str
    layer: int
    factor: float
    off: float
    span: Span | None = None
    nothing: bool = False


def place(cover: Collection[int], fits: Sequence[Fit]) -> str | None:
    """Return where a number stands that multiplies some parts of an answer and no others.

    Empty where that is all of them, None where they have nothing in common: then it is chance.

    Examples
    --------
    >>> fits = [Fit(kind, l, 1.0, 0.0) for l in (1, 2) for kind in "Wb"]
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
        return f"in {{{QUANTITY[inside[0].kind]}[{inside[0].layer}]}} only"
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
    scalars: Sequence[Made],
    covers: Callable[[float], set[int]],
    *,
    two: bool = True,
) -> list[Multiplied]:
    """Return the known numbers, one or two, that say by what an answer is multiplied.

    Parameters
    ----------
    w : Pass
        The pass that is right.
    fits : sequence of Fit
        What each part is.
    scalars : sequence of Made
        Mistakes that multiply by a number.
    covers : callable
        ``covers(number)``: the wrong parts that are so many times what they should be.
    two : bool
        Whether two numbers are tried, too.

    Returns
    -------
    list
        Mistakes, each with its place, and what they multiply each part by.
    """
    wrong = {i for i, fit in enumerate(fits) if fit.factor != 1}
    numbers = [(made, made.way.factor(w)) for made in scalars if made.way.factor is not None]
    known = [(made, number, covers(number)) for made, number in numbers if number != 1]
    found: list[Multiplied] = []

    def by_part(*covered: tuple[float, Collection[int]]) -> tuple[float, ...]:
        """Return the number of each part; what is 0 takes that of the first."""
        told = [covered[0][0] if fit.nothing else 1.0 for fit in fits]
        for number, cover in covered:
            for i in cover:
                told[i] = number
        return tuple(told)

    for made, number, cover in known:
        where = place(cover, fits) if cover == wrong else None
        if where is not None:
            told = made if w.alpha and not where else made.renamed(where)
            found.append(((told,), by_part((number, cover))))
    for (one, its, here), (other, others, there) in combinations(known, 2) if two else ():
        if one.mistake is other.mistake:
            continue
        both = covers(its * others) if its and others and its * others != 1 else set()
        where = place(both, fits) if both == wrong else None
        if where is not None:
            pair = one.renamed(""), other.renamed(where)
            found.append((pair, by_part((its * others, both))))
        if here and there and here | there == wrong and not here & there:
            its_place, others_place = place(here, fits), place(there, fits)
            if its_place is not None and others_place is not None:
                pair = one.renamed(its_place), other.renamed(others_place)
                found.append((pair, by_part((its, here), (others, there))))
    return found


def one_number(fits: Sequence[Fit]) -> float | None:
    """Return the one number that may be the factor of all parts that have one; None: there is none.

    Examples
    --------
    >>> one, other = Fit("W", 1, 1.4, 0.0, Span(1.4, 1.39, 1.41)), Fit("W", 2, 1.0, 0.0)
    >>> one_number([one, other]), one_number([one, Fit("W", 2, 1.75, 0.0, Span(1.75, 1.7, 1.8))])
    (1.4, None)
    """
    spans = [fit.span for fit in fits if fit.span is not None]
    least = max((span.least for span in spans), default=1.0)
    most = min((span.most for span in spans), default=0.0)
    if least > most or least == most == 0:
        return None
    surest = min(spans, key=lambda span: span.most - span.least)
    return min(max(surest.number, least), most)


def multiples(fits: Sequence[Fit | None]) -> list[str]:
    """Return a sentence for each part that is a multiple of what is right.

    Examples
    --------
    >>> multiples([Fit("W", 1, 1.75, 0.0), None, Fit("b", 2, 1.0, 0.0)])
    ['{dW[1]} is 1.75 times the right one']
    """
    return [
        f"{{{QUANTITY[fit.kind]}[{fit.layer}]}} is "
        + ("0" if fit.factor == 0 else f"{printed(fit.factor)} times the right one")
        for fit in fits
        if fit is not None and fit.factor != 1
    ]
