"""Symbols and formulas of a notation in a line of plain text, for a layer by number or letter.

The trace paints formulas with numbers in them; a sentence wants the bare ones: ``δ_l``, ``∇A₂``.
"""

import ast
import re

from backpass.derivatives.notation.table import Notation, Symbol

_UP = str.maketrans("0123456789+-()lLkjinm", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ˡᴸᵏʲⁱⁿᵐ")
_LOW = str.maketrans("0123456789+-()=lkjinma", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎₌ₗₖⱼᵢₙₘₐ")
_QUANTITY = re.compile(r"\{(\w+)(?:\[([^\]]+)\])?\}")


def upper(text: str) -> str:
    """Return a text as superscript."""
    return text.translate(_UP)


def lower(text: str) -> str:
    """Return a text as subscript; a comma stays."""
    return text.translate(_LOW)


def in_line(notation: Notation, key: str, layer: str = "", *, batch: bool = True) -> str:
    """Return the symbol of a quantity, ``φ′`` (key ``dphi``) included, for a batch or one sample.

    The layer is as it is written: ``"2"``, ``"l"``, ``"l+1"``, ``"L"``; empty for none.

    Examples
    --------
    >>> from backpass.derivatives.notation import CODE, NABLA
    >>> in_line(CODE, "dW", "2"), in_line(NABLA, "dW", "2"), in_line(NABLA, "delta", "l+1")
    ('∂J/∂W_2', '∇W₂', '∇A₍ₗ₊₁₎')
    """
    if key == "dphi":
        return in_line(notation, "f", batch=batch) + "′"
    at_output = layer == "L" and key != "f"
    symbol = notation.symbol(key, batch=batch, at_output=at_output)
    return _symbol(symbol, layer, plain=notation.from_zero)


def spoken(text: str, notation: Notation) -> str:
    """Return a sentence with its quantities, ``{delta[l+1]}``, in the symbols of a notation.

    Examples
    --------
    >>> from backpass.derivatives.notation import BRACKET, CODE
    >>> spoken("{db[l]} sums {delta[l]}", CODE), spoken("{db[l]} sums {delta[l]}", BRACKET)
    ('∂J/∂b_l sums δ_l', '∂ℒ/∂b⁽ˡ⁾ sums E⁽ˡ⁾')
    """
    return _QUANTITY.sub(lambda found: in_line(notation, found[1], found[2] or ""), text)


def formula_in_line(notation: Notation, equation: str, *, batch: bool = True) -> str:
    """Return an equation as a notation writes it; empty where it has none of its own.

    Examples
    --------
    >>> from backpass.derivatives.notation import NABLA
    >>> formula_in_line(NABLA, "B2b")
    '∇Aₗ = ∇Hₗ ⊙ g′(Aₗ)'
    """
    text = notation.formula(equation, batch=batch)
    sides = [ast.parse(side, mode="eval").body for side in text.split(" = ")] if text else []
    return " = ".join(_written(side, notation, batch) for side in sides)


def _symbol(symbol: Symbol, layer: str, *, plain: bool) -> str:
    """Return a symbol with its layer; in code's manner, z_2, where `plain`."""
    parts = [_symbol(part, layer, plain=plain) for part in symbol.of]
    if symbol.letter == "∂" and parts:
        return f"∂{parts[0]}/∂{parts[1]}"
    if parts:
        return f"∇{' '.join(parts)}"  # as in a trace: there are no small capitals to stand below
    told = symbol.letter
    number = _shifted(layer, symbol.shift)
    if number and symbol.place != "none":
        told += _placed(number, symbol.place, plain=plain)
    return f"[{told}]ᵀ" if symbol.transposed else told


def _placed(number: str, place: str, *, plain: bool) -> str:
    """Return the number of a layer above or below its letter."""
    long = len(number) > 1 and not number.isdigit()
    if plain:
        return f"_{{{number.replace('-', '−')}}}" if long else f"_{number}"
    told = f"({number})" if place == "bracket" or long else number
    if place == "low":  # there is no small L to stand below
        return lower(told) if "L" not in told else f"_{told}"
    return upper(told)


def _shifted(layer: str, shift: int) -> str:
    """Return the number of a layer, and more: ``l-1`` and 1 more is ``l``."""
    if not shift or not layer:
        return layer
    if layer.isdigit():
        return str(int(layer) + shift)
    letter, number = layer[0], int(layer[1:] or 0) + shift
    return f"{letter}{number:+d}" if number else letter


def _written(part: ast.expr, notation: Notation, batch: bool) -> str:
    """Return a part of a formula in one line."""

    def inner(part: ast.expr, *loose: type[ast.operator]) -> str:
        """Return a part, in brackets where one of these operators joins its own."""
        told = _written(part, notation, batch)
        return f"({told})" if isinstance(part, ast.BinOp) and type(part.op) in loose else told

    if isinstance(part, ast.Constant):
        return str(part.value)
    if isinstance(part, ast.UnaryOp):
        return f"−{inner(part.operand, ast.Add, ast.Sub)}"
    if isinstance(part, ast.Call):
        name, arguments = ast.unparse(part.func), [inner(argument) for argument in part.args]
        if name == "T":
            simple = not any(sign in arguments[0] for sign in " ∂∇")
            told = arguments[0] if simple else f"({arguments[0]})"
            return told + notation.operators.transpose
        name = {"f": in_line(notation, "f"), "total": "Σ"}.get(name, name)
        return f"{name}({', '.join(arguments)})"
    if isinstance(part, ast.BinOp):
        operators = notation.operators
        sign = {
            ast.MatMult: operators.times, ast.Mult: operators.elementwise, ast.Add: "+",
            ast.Sub: "−", ast.Div: "/",
        }[type(part.op)]  # fmt: skip
        left, right = (inner(side, ast.Add, ast.Sub) for side in (part.left, part.right))
        if isinstance(part.op, ast.Mult) and isinstance(part.left, ast.BinOp):
            if isinstance(part.left.op, ast.Div):  # 1 / N times a matrix
                sign = "*" if notation.from_zero else "·"
            else:
                left = f"({left})"
        return f"{left} {sign} {right}"
    layer = ""
    if isinstance(part, ast.Subscript):
        layer, part = ast.unparse(part.slice).replace(" ", ""), part.value
    key = ast.unparse(part)
    if key == "dphi":
        return f"{in_line(notation, key)}({in_line(notation, 'z', layer, batch=batch)})"
    return in_line(notation, key, layer, batch=batch)
