"""Families of dynamic networks: their search spaces, and (with the `train` extra) their elastic layers and training."""
