"""Beyond one machine: the mini-batch in shards, whose gradients any number of workers compute."""

from backpass.scaling.cluster import Cluster
from backpass.scaling.fit import fit, table_training

__all__ = ["Cluster", "fit", "table_training"]
