"""Reads displayed formulas back: text, MathML and LaTeX become numbers again, with their rounding.

What is evaluated are the characters that a reader sees. Every printed number stands for an
interval of half a unit in its last place; intervals are carried through every operation.
"""

import math
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

import numpy as np

MINUS = "−"
FUNCTIONS = {
    "log": lambda x: np.log(np.maximum(x, 1e-300)), "tanh": np.tanh, "sign": np.sign, "√": np.sqrt,
    "σ": lambda x: 1 / (1 + np.exp(-x)), "erf": np.vectorize(math.erf), "exp": np.exp,
}  # fmt: skip
RELATIONS = {"<": np.less, ">": np.greater, "≤": np.less_equal}
WORDS = {"Σ": "sum", "\\sum": "sum", "\\surd": "√", "\\sigma": "σ", "\\leq": "≤", "\\partial": "∂"}
SIGNS = {"−": "-", "·": "@", "⊙": "*", "\\cdot": "@", "\\odot": "*", "\\ast": "*", "\\leq": "≤"}


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

    def through(self, function):
        """Return what a function makes of it: within so narrow a range it is nearly linear."""
        low, middle, high = (
            function(self.middle + d * self.radius) for d in (-1, 0, 1)
        )  # fmt: skip
        return Interval(middle, 2 * np.maximum(abs(high - middle), abs(low - middle)) + 1e-12)


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
        elif sign in UPPER:
            tokens += ["^", ("value", printed_interval(UPPER[sign]))]
        elif sign != " ":
            word = TEXT_WORD.match(row, column)[0]
            tokens.append(_word(word))
            column += len(word) - 1
        column += 1
    return tokens


UPPER = dict(zip("⁰¹²³", "0123", strict=True))
TEXT_WORD = re.compile(r"-?[\d.]+(e[-+]?\d+)?|[a-z]{2,}|[^\W\d_]?′|.′?")
KEPT = (*"+-@*/^,|<>≤", "for", "otherwise", "at", "in", "T")


def _word(word):
    if re.fullmatch(r"[-−]?[\d.]+(e[-+]?\d+)?", word):
        return ("value", printed_interval(word))
    word = re.sub(r"\\(?:operatorname|text)\{\s*(.*?)\s*\}", r"\1", word.strip())
    word = SIGNS.get(word, word)
    if word in KEPT:
        return word
    if word in ("e", "π", "\\pi"):
        return ("value", Interval(np.float64(np.e if word == "e" else np.pi), np.float64(0)))
    if word.endswith(("′", "'")):
        return ("function", "slope")
    return ("function", WORDS.get(word, word if word in (*FUNCTIONS, "diag", "max") else "phi"))


def math_tokens(source):
    """Return the tokens of a MathML element."""
    return _joined(_math(ET.fromstring(f"<math>{source}</math>")))


def _joined(tokens):
    """Return tokens in which f and ′ are one."""
    found = []
    for token in tokens:
        if token == ("function", "slope") and found and found[-1] == ("function", "phi"):
            found.pop()
        found.append(token)
    return found


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
    elif node.tag == "msup":
        yield from [*_math(node[0]), "^", "(", *_math(node[1]), ")"]
    elif node.tag == "munder":  # a brace
        yield from _math(node[0])
    elif node.tag == "mo" and node.text in "()":
        yield node.text
    elif node.tag in ("mi", "mo") and node.text not in ("\u2061", "=", "⏟"):
        yield from map(_word, re.findall(r"[a-z]+|\S", node.text))


LATEX = re.compile(
    r"\\left\[\\begin\{array\}\{r+\}(?P<array>.*?)\\end\{array\}\\right\]"
    r"|(?P<number>-?[\d.]+ \\cdot 10\^\{-?\d+\}|-?[\d.]+)"
    r"|(?P<frac>\\frac)|(?P<power>\^)"
    r"|\\(?:left|right)\s*(?P<bracket>[()])|\\mathbin\{(?P<at>@)\}"
    r"|(?P<brace>\\underbrace\{)|(?P<end>\}_\{\\text\{[^{}]*\}\})"
    r"|(?P<word>\\(?:operatorname|text|mathbf)\{[^{}]*\}|\\[a-zA-Z]+|[-+/a-zA-Z'|<>,])|\s+"
)


def _braces(source, place):
    """Return what stands in braces from a place on, and the place behind them."""
    depth, start = 0, place
    while True:
        depth += {"{": 1, "}": -1}.get(source[place], 0)
        place += 1
        if depth == 0:
            return source[start + 1 : place - 1], place


def latex_tokens(source):
    """Return the tokens of a LaTeX formula."""
    return _joined(_latex(source))


def _latex(source):
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
        elif found["frac"] or found["power"]:
            inner, place = _braces(source, place)
            yield from ["^"] * bool(found["power"])
            yield from ["(", *_latex(inner), ")"]
            if found["frac"]:
                inner, place = _braces(source, place)
                yield from ["/", "(", *_latex(inner), ")"]
        elif found["bracket"] or found["at"]:
            yield found["bracket"] or "@"
        elif found["word"] and found["word"].startswith(r"\text"):
            yield from map(_word, re.findall(r"[a-z]+|\S", found["word"][6:-1]))
        elif found["word"]:
            yield _word(found["word"])


def _plain(text):
    return re.sub(r"\s*\\cdot 10\^\{(-?\d+)\}", r"e\1", text.strip())


# --- from tokens to numbers ------------------------------------------------------------------


def evaluate(tokens, phi):
    """Return the interval of a formula; `phi` is the activation function of its layer."""
    value, rest = _cases(list(tokens), phi)
    assert not rest, rest
    return value


def _cases(tokens, phi):
    """Return the first of some cases that holds: ``0 for z < 0, 1 for z > 0``."""
    found, columns = None, []
    while True:
        value, tokens = _sum(tokens, phi)
        holds, word = True, tokens[0] if tokens else ""
        columns += [value] if word in (",", ")") else []
        if word == "for":
            left, tokens = _sum(tokens[1:], phi)
            right, rest = _sum(tokens[1:], phi)
            holds, tokens = RELATIONS[tokens[0]](left.middle, right.middle), rest
        elif word == "otherwise":
            tokens = tokens[1:]
        elif word == "at":
            holds, tokens = False, _sum(tokens[1:], phi)[1]
        found = value if found is None and holds else found
        if not tokens or tokens[0] != ",":
            if len(columns) > 1 and found is columns[0]:  # vectors beside one another
                return _beside(columns), tokens
            return found, tokens
        tokens = tokens[1:]


def _beside(columns):
    return Interval(*(np.hstack([getattr(c, k) for c in columns]) for k in ("middle", "radius")))


def _sum(tokens, phi):
    negative = tokens[0] == "-"
    value, tokens = _product(tokens[negative:], phi)
    if negative:
        value = Interval(-value.middle, value.radius)
    while tokens and tokens[0] in ("+", "-"):
        other, rest = _product(tokens[1:], phi)
        value, tokens = (value + other if tokens[0] == "+" else value - other), rest
    return value, tokens


def _product(tokens, phi):
    value, tokens = _power(tokens, phi)
    while tokens and tokens[0] in ("@", "*", "/"):
        other, rest = _power(tokens[1:], phi)
        sign = tokens[0]
        value = value @ other if sign == "@" else value * other if sign == "*" else value / other
        tokens = rest
    return value, tokens


def _power(tokens, phi):
    value, tokens = _factor(tokens, phi)
    if tokens[:2] == ["^", "T"] or tokens[:4] == ["^", "(", "T", ")"]:
        return Interval(value.middle.T, value.radius.T), tokens[2 if tokens[1] == "T" else 4 :]
    if tokens and tokens[0] == "^":
        exponent, tokens = _factor(tokens[1:], phi)
        if value.middle == np.e and value.radius == 0:
            return exponent.through(np.exp), tokens
        return value.through(lambda x: x**exponent.middle), tokens
    return value, tokens


def _factor(tokens, phi):
    if tokens[0] == "(":
        value, rest = _cases(tokens[1:], phi)
        assert rest[0] == ")", rest
        return value, rest[1:]
    if tokens[0] == "|":
        value, rest = _sum(tokens[1:], phi)
        return value.through(abs), rest[1:]
    kind, told = tokens[0]
    if kind == "value":
        return told, tokens[1:]
    if told == "max":
        left, rest = _sum(tokens[2:], phi)
        right, rest = _sum(rest[1:], phi)
        return max(left, right, key=lambda x: x.middle), rest[1:]
    value, rest = _factor(tokens[1:], phi)
    if told == "sum":
        return Interval(value.middle.sum(), value.radius.sum()), rest
    if told == "diag":
        return Interval(np.diag(value.middle.ravel()), np.diag(value.radius.ravel())), rest
    if told in FUNCTIONS:
        return value.through(FUNCTIONS[told]), rest
    return (phi.slope if told == "slope" else phi)(value), rest
