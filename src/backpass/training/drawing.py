"""Where matplotlib is loaded, which is an optional extra."""

from typing import TYPE_CHECKING, Any

from backpass.errors import BackpassError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["new_axes", "pyplot"]


def pyplot() -> Any:
    """Return matplotlib.pyplot, or say how to get it.

    Raises
    ------
    BackpassError
        When matplotlib is not installed.
    """
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise BackpassError(
            "drawing needs matplotlib, an optional extra: pip install 'backpass[plots]'"
        ) from error
    return plt


def new_axes() -> "Axes":
    """Return the axes of a new figure."""
    axes: Axes = pyplot().subplots(layout="constrained")[1]
    return axes
