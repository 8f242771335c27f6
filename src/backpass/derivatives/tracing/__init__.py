"""See every number of the forward and backward pass beside its equation."""

from backpass.derivatives.tracing.trace import EXAMPLES, FORMS, Trace, example, trace

__all__ = ["EXAMPLES", "FORMS", "Trace", "example", "trace"]
