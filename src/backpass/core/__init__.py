"""The readable truth: equations, records, parameters, the two passes, on any array library."""
