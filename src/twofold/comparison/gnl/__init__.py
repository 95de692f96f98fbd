"""Generalised normality learning."""
