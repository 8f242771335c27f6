"""The page of an experiment: one HTML file that needs no network and no script."""

from backpass.tabular.report.page import report_page, write_report

__all__ = ["report_page", "write_report"]
