"""The command line: ``backpass fit``, ``backpass predict`` and ``backpass evaluate``."""

from backpass.cli.app import main

__all__ = ["main"]
