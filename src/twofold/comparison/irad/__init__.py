"""IRAD."""
