"""The page that traces, certificates and verdicts share: one stylesheet, one frame, one script."""

from backpass.derivatives.pages.frame import alone, framed, page

__all__ = ["alone", "framed", "page"]
