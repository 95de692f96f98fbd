"""Datasets, protocols, metrics and the demo."""
