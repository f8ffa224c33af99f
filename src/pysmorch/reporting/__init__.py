"""Reports on models: one page of HTML that says how good a model is, on which rows, and why."""

from pysmorch.reporting.report import About, Report, report_on

__all__ = ["About", "Report", "report_on"]
