"""Encoders: the registry of networks, their weights, frozen inference and the embedding cache."""
