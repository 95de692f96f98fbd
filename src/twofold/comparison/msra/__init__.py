"""MsRA."""
