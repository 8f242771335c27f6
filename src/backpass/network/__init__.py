"""The `Network` a person holds, and its ways into files, PyTorch and scikit-learn."""
