"""The page of ``backpass play``: build a network, step through it, take hold, train, judge."""
