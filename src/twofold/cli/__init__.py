"""The command line: parses, calls the layers below, prints."""

from twofold.cli.app import main

__all__ = ["main"]
