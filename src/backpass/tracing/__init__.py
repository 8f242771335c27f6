"""See every number of the forward and backward pass beside its equation."""

from backpass.tracing.examples import EXAMPLES, example
from backpass.tracing.trace import FORMS, Trace, trace

__all__ = ["EXAMPLES", "FORMS", "Trace", "example", "trace"]
