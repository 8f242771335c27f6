"""The course of training: epochs, mini-batches, stopping, L-BFGS, checkpoints, history."""
