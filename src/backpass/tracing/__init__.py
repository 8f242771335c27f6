"""See every number of the forward and backward pass beside its equation."""

from backpass.tracing.trace import Trace, trace

__all__ = ["Trace", "trace"]
