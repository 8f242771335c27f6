"""Formulas as MathML, the browser's own mathematics: no script, no font, no network."""

import html
from collections.abc import Sequence

from backpass.derivatives.notation.symbols import Symbol
from backpass.derivatives.notation.table import Operators
from backpass.derivatives.tracing.formatter import Cut

__all__ = ["MathPainter"]


def bold(letter: str) -> str:
    """Return a letter of the Latin alphabet as its bold mathematical character."""
    if letter.isascii() and letter.isalpha():
        start = 0x1D400 - ord("A") if letter.isupper() else 0x1D41A - ord("a")
        return chr(ord(letter) + start)
    return letter


class MathPainter:
    """Paints with MathML elements.

    Parameters
    ----------
    operators : Operators
        The notation's.
    from_zero : bool
        Whether elements are counted from 0.
    """

    def __init__(self, operators: Operators, *, from_zero: bool = False) -> None:
        self.operators, self.from_zero = operators, from_zero

    def row(self, pieces: Sequence[str]) -> str:
        """Return pieces beside one another."""
        return f"<mrow>{''.join(pieces)}</mrow>"

    def sign(self, text: str) -> str:
        """Return an operator with space around it."""
        return f"<mo>{html.escape(text)}</mo>"

    def group(self, piece: str) -> str:
        """Return a piece in parentheses."""
        return f"<mrow><mo>(</mo>{piece}<mo>)</mo></mrow>"

    def transposed(self, piece: str) -> str:
        """Return a piece with the sign of transposition."""
        if self.operators.transpose.startswith("."):
            return f"<mrow>{piece}<mo>{self.operators.transpose}</mo></mrow>"
        inner = piece if piece.startswith("<mi") else self.group(piece)
        return f"<msup>{inner}<mi mathvariant='normal'>T</mi></msup>"

    def fraction(self, top: str, bottom: str) -> str:
        """Return a fraction."""
        return f"<mfrac>{top}{bottom}</mfrac>"

    def apply(self, function: str, argument: str) -> str:
        """Return a function of something."""
        return f"<mrow>{function}<mo>&#x2061;</mo>{self.group(argument)}</mrow>"

    def symbol(self, symbol: Symbol, layer: int | None, entry: tuple[int, ...] = ()) -> str:
        """Return a symbol with its indices."""
        if symbol.of:
            inner = [
                self.symbol(part, layer, part_entry)
                for part, part_entry in zip(symbol.of, symbol.entries(entry), strict=True)
            ]
            if symbol.letter == "∇" and len(inner) == 2:
                return f"<mrow><msub><mo>∇</mo>{inner[0]}</msub>{inner[1]}</mrow>"
            if len(inner) == 2:
                parts = [f"<mrow><mo>∂</mo>{part}</mrow>" for part in inner]
                return self.fraction(*parts)
            if symbol.prefix:
                return f"<mrow><mo>∇</mo>{inner[0]}</mrow>"
            return f"<msub><mo>∇</mo>{inner[0]}</msub>"
        piece = self._indexed(symbol, layer, entry)
        if symbol.transposed:
            inner_piece = f"<mrow><mo>[</mo>{piece}<mo>]</mo></mrow>"
            return f"<msup>{inner_piece}<mi mathvariant='normal'>T</mi></msup>"
        return piece

    def _indexed(self, symbol: Symbol, layer: int | None, entry: tuple[int, ...]) -> str:
        letter = f"<mi>{bold(symbol.letter) if symbol.bold else symbol.letter}</mi>"
        above, below = symbol.placed(layer, entry, 1 - self.from_zero)
        if above and below:
            return f"<msubsup>{letter}<mn>{below}</mn><mn>{above}</mn></msubsup>"
        if above:
            return f"<msup>{letter}<mn>{above}</mn></msup>"
        return f"<msub>{letter}<mn>{below}</mn></msub>" if below else letter

    def of_sample(self, piece: str, number: int) -> str:
        """Return a piece with the number of the sample that it belongs to."""
        return f"<msub><mrow><mo>[</mo>{piece}<mo>]</mo></mrow><mn>{number}</mn></msub>"

    def under(self, piece: str, text: str) -> str:
        """Return a piece with a line of text under it."""
        return f"<munder>{piece}<mtext>{text}</mtext></munder>"

    def brace(self, piece: str, text: str) -> str:
        """Return a piece with a brace under it, and text under the brace."""
        under = f"<munder>{piece}<mo stretchy='true'>⏟</mo></munder>"
        return f"<munder>{under}<mtext>{html.escape(text)}</mtext></munder>"

    def matrix(self, part: Cut) -> str:
        """Return an array; the page draws its brackets, for which fonts may lack the parts."""
        rows = [[f"<mn>{text.replace('-', '−')}</mn>" for text in row] for row in part.texts]
        if len(part.columns) < part.shape[1]:
            rows = [[*row, "<mo>…</mo>"] for row in rows]
        if len(part.rows) < part.shape[0]:
            rows.append(["<mo>⋮</mo>"] * len(rows[0]))
        body = "".join(
            "<mtr>" + "".join(f"<mtd>{cell}</mtd>" for cell in row) + "</mtr>" for row in rows
        )
        return f"<mtable>{body}</mtable>"

    def number(self, text: str) -> str:
        """Return a number."""
        return f"<mn>{text.replace('-', '−')}</mn>"

    def words(self, text: str) -> str:
        """Return upright text."""
        if text == "′":
            return "<mo>′</mo>"
        return f"<mi mathvariant='normal'>{html.escape(text)}</mi>"
