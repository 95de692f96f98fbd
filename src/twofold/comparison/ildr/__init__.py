"""ILDR."""
