"""From a table to a model that is judged honestly: reading, encoding, training, scores, report."""
