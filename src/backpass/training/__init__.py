"""Epochs, batches, stopping, L-BFGS, checkpoints, history."""
