"""A folder that is watched: files are scored once they are complete, each exactly once."""

from twofold.watch.opening import open_watcher
from twofold.watch.options import Options, Summary
from twofold.watch.out import Out, find_out
from twofold.watch.watcher import Watcher
from twofold.watch.webhook import Webhook, find_webhook

__all__ = [
    "Options",
    "Out",
    "Summary",
    "Watcher",
    "Webhook",
    "find_out",
    "find_webhook",
    "open_watcher",
]
