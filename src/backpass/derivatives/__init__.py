"""The same derivatives as the notes write them: traced, checked, and a learner's compared."""
