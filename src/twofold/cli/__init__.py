"""The command line: parses, calls the rooms below, prints."""

from twofold.cli.app import main

__all__ = ["main"]
