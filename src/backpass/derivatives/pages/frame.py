"""The frame of a page: its stylesheet, its one script where it has one, and what it may do."""

import hashlib
import html
from base64 import b64encode
from functools import cache
from pathlib import Path


@cache
def packaged(name: str) -> str:
    """Return a file beside this one: ``page.css``, ``picture.css`` or ``stepping.js``."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def framed(content: str, style: str = "") -> str:
    """Return a part of a page, as a notebook shows it: an article with its own style."""
    rules = packaged("page.css") + packaged("picture.css") + style
    return f'<article class="bp-page"><style>{rules}</style>{content}</article>'


def alone(picture: str) -> str:
    """Return a picture (SVG) that is in no page, with its own style."""
    tag, bracket, rest = picture.partition(">")
    return f"{tag}{bracket}<style>{packaged('picture.css')}</style>{rest}"


def page(title: str, content: str, style: str = "", *, steps: bool = False) -> str:
    """Return a whole page, which loads nothing.

    Its Content-Security-Policy allows the style and the script in it, by their hashes, and nothing
    else: with `steps`, ``stepping.js``, which goes from step to step. `content` is HTML, `style`
    has rules beside those of ``page.css``.
    """
    style = packaged("page.css") + packaged("picture.css") + PLACED + style
    script = packaged("stepping.js") if steps else ""
    allowed = f"default-src 'none'; base-uri 'none'; form-action 'none'; style-src {_hash(style)}"
    allowed += f"; script-src {_hash(script)}" if steps else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{allowed}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{html.escape(title)}</title><style>{style}</style></head>"
        f'<body><article class="bp-page"{" data-stepper" * steps}>{content}</article>'
        + f'<script type="module">{script}</script>' * steps
        + "</body></html>\n"
    )


PLACED = "body { margin: 1.5rem auto; max-width: 92rem; padding: 0 1rem; }\n"
"""Where the article stands in a page of its own."""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
