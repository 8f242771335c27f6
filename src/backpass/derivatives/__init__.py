"""The derivatives in the notes' notations and forms: traced, checked, a learner's compared."""
