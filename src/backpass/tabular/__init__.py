"""From a table to a trained network: targets, split, recipe, model, metrics, baselines."""
