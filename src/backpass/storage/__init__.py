"""Bytes on disk: atomic writes, locks, strict JSON, schemas, the container of saved files."""
