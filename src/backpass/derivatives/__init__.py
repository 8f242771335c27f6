"""The same derivatives in the notes' notations and forms: traced, checked, and a learner's
compared.
"""
