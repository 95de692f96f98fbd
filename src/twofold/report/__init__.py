"""A page that shows what a detector found in a set of images: one file, no network."""

from twofold.report.labels import check_labels
from twofold.report.page import require_jinja
from twofold.report.write import Labels, ReportFile, write_report

__all__ = ["Labels", "ReportFile", "check_labels", "require_jinja", "write_report"]
