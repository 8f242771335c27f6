"""See every number of the forward and backward pass beside its equation."""

from backpass.derivatives.tracing.examples import EXAMPLES, example
from backpass.derivatives.tracing.trace import FORMS, Trace, trace

__all__ = ["EXAMPLES", "FORMS", "Trace", "example", "trace"]
