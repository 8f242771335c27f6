"""From a table to a trained network: reading, encoding, targets, recipe, model, baselines."""
