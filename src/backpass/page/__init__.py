"""The page of ``backpass play``: a network is built, stepped through, taken hold of, trained, judged."""
