"""Packs: several networks on folds of a table, chosen and averaged by what they never saw."""
