"""Reads displayed formulas back: text, MathML and LaTeX become numbers again, with their rounding.

What is evaluated are the characters that a reader sees. Every printed number stands for an
interval of half a unit in its last place; intervals are carried through every operation.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np

MINUS = "−"
WORDS = {"Σ": "sum", "diag": "diag", "\\sum": "sum", "\\operatorname{diag}": "diag"}


@dataclass
class Interval:
    """Middle and radius of every entry."""

    middle: np.ndarray
    radius: np.ndarray

    def __add__(self, other):
        return Interval(self.middle + other.middle, self.radius + other.radius)

    def __sub__(self, other):
        return Interval(self.middle - other.middle, self.radius + other.radius)

    def __mul__(self, other):
        radius = (
            abs(self.middle) * other.radius
            + self.radius * abs(other.middle)
            + self.radius * other.radius
        )
        return Interval(self.middle * other.middle, radius)

    def __matmul__(self, other):
        if self.middle.ndim == 0 or other.middle.ndim == 0:
            return self * other
        radius = (
            abs(self.middle) @ other.radius
            + self.radius @ abs(other.middle)
            + self.radius @ other.radius
        )
        return Interval(self.middle @ other.middle, radius)

    def __truediv__(self, other):
        return self * Interval(1 / other.middle, other.radius / other.middle**2)


def printed_interval(text):
    """Return the interval that a printed number stands for; 1/3 is exact where 3 is a count."""
    text = text.replace(MINUS, "-")
    mantissa, _, exponent = text.partition("e")
    decimals = len(mantissa.partition(".")[2])
    digits = len(mantissa.replace("-", "").replace(".", "").lstrip("0"))
    half = 0.5 * 10.0 ** (int(exponent or 0) - decimals)
    # trailing zeros are not printed: a number of few digits may have had up to 4
    exact = digits < 4 and float(text) == 0
    if digits < 4 and not exact:
        half *= 10.0 ** -(4 - max(digits, 1))
    return Interval(np.float64(text), np.float64(0 if exact else half))


def matrix(rows):
    cells = [[printed_interval(text) for text in row] for row in rows]
    return Interval(
        np.array([[c.middle for c in row] for row in cells]),
        np.array([[c.radius for c in row] for row in cells]),
    )


# --- from what is displayed to tokens --------------------------------------------------------

OPEN, CLOSE = "(⎛⎜⎝", ")⎞⎟⎠"
LEFT, RIGHT = "[⎡⎢⎣", "]⎤⎥⎦"


def text_tokens(lines):
    """Return the tokens of one displayed piece; its line of writing starts with ``=``."""
    width = max(map(len, lines))
    lines = [line.ljust(width) for line in lines]
    base = next(i for i, line in enumerate(lines) if line.strip().startswith("="))
    row, column, tokens = lines[base], lines[base].index("=") + 1, []
    while column < width:
        sign = row[column]
        if sign in LEFT:
            end = next(c for c in range(column, width) if row[c] in RIGHT)
            rows = [line[column + 1 : end].split() for line in lines if line[column] in LEFT]
            tokens.append(("value", matrix(rows)))
            column = end
        elif sign in OPEN or sign in CLOSE:
            tokens.append((sign in OPEN and "(") or ")")
        elif sign != " ":
            word = re.match(r"-?[\d.]+(e[-+]?\d+)?|[^\s\d(⎛⎜⎝[⎡⎢⎣)⎞⎟⎠/]+|/", row[column:])[0]
            tokens.append(_word(word))
            column += len(word) - 1
        column += 1
    return tokens


def _word(word):
    if re.fullmatch(r"[-−]?[\d.]+(e[-+]?\d+)?", word):
        return ("value", printed_interval(word))
    if word in "+-−·⊙@*/" or word in ("\\cdot", "\\odot", "\\ast"):
        return {"−": "-", "·": "@", "\\cdot": "@", "⊙": "*", "\\odot": "*", "\\ast": "*"}.get(
            word, word
        )
    return ("function", WORDS.get(word, "phi"))


def math_tokens(source):
    """Return the tokens of a MathML element."""
    return list(_math(ET.fromstring(f"<math>{source}</math>")))


def _math(node):
    if node.tag in ("math", "mrow"):
        for child in node:
            yield from _math(child)
    elif node.tag == "mtable":
        rows = [["".join(cell.itertext()) for cell in row] for row in node]
        yield ("value", matrix(rows))
    elif node.tag == "mn":
        yield ("value", printed_interval(node.text))
    elif node.tag == "mfrac":
        yield from ["(", *_math(node[0]), ")", "/", "(", *_math(node[1]), ")"]
    elif node.tag == "munder":  # a brace
        yield from _math(node[0])
    elif node.tag == "mo" and node.text in "()":
        yield node.text
    elif node.tag in ("mi", "mo") and node.text not in ("\u2061", "=", "⏟"):
        yield _word(node.text)


LATEX = re.compile(
    r"\\left\[\\begin\{array\}\{r+\}(?P<array>.*?)\\end\{array\}\\right\]"
    r"|(?P<number>-?[\d.]+ \\cdot 10\^\{-?\d+\}|-?[\d.]+)"
    r"|\\frac\{(?P<top>[^{}]*)\}\{(?P<bottom>[^{}]*)\}"
    r"|\\(?:left|right)\s*(?P<bracket>[()])|\\mathbin\{(?P<at>@)\}"
    r"|(?P<brace>\\underbrace\{)|(?P<end>\}_\{\\text\{[^{}]*\}\})"
    r"|(?P<word>\\operatorname\{diag\}|\\mathbf\{\w\}|\\[a-zA-Z]+|[-+/a-zA-Z])|\s+"
)


def latex_tokens(source):
    """Return the tokens of a LaTeX formula."""
    place = 0
    while place < len(source):
        found = LATEX.match(source, place)
        assert found, source[place : place + 40]
        place = found.end()
        if found["array"] is not None:
            rows = [row.split("&") for row in found["array"].split(r"\\")]
            yield ("value", matrix([[_plain(cell) for cell in row] for row in rows]))
        elif found["number"]:
            yield ("value", printed_interval(_plain(found["number"])))
        elif found["top"]:
            yield from ["(", *latex_tokens(found["top"]), ")", "/"]
            yield from ["(", *latex_tokens(found["bottom"]), ")"]
        elif found["bracket"] or found["at"]:
            yield found["bracket"] or "@"
        elif found["word"]:
            yield _word(found["word"])


def _plain(text):
    return re.sub(r"\s*\\cdot 10\^\{(-?\d+)\}", r"e\1", text.strip())


# --- from tokens to numbers ------------------------------------------------------------------


def evaluate(tokens, phi):
    """Return the interval of a formula; `phi` is the activation function of its layer."""
    tokens = list(tokens)
    value, rest = _sum(tokens, phi)
    assert not rest, rest
    return value


def _sum(tokens, phi):
    negative = tokens[0] == "-"
    value, tokens = _product(tokens[negative:], phi)
    if negative:
        value = Interval(-value.middle, value.radius)
    while tokens and tokens[0] in ("+", "-"):
        other, rest = _product(tokens[1:], phi)
        value = value + other if tokens[0] == "+" else value - other
        tokens = rest
    return value, tokens


def _product(tokens, phi):
    value, tokens = _factor(tokens, phi)
    while tokens and tokens[0] in ("@", "*", "/"):
        other, rest = _factor(tokens[1:], phi)
        sign = tokens[0]
        value = value @ other if sign == "@" else value * other if sign == "*" else value / other
        tokens = rest
    return value, tokens


def _factor(tokens, phi):
    if tokens[0] == "(":
        value, rest = _sum(tokens[1:], phi)
        assert rest[0] == ")"
        return value, rest[1:]
    kind, told = tokens[0]
    if kind == "value":
        return told, tokens[1:]
    value, rest = _factor(tokens[1:], phi)
    if told == "sum":
        return Interval(value.middle.sum(), value.radius.sum()), rest
    if told == "diag":
        return Interval(np.diag(value.middle.ravel()), np.diag(value.radius.ravel())), rest
    return phi(value), rest
