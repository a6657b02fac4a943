"""Reports: several policies on the same stream, side by side, in one file that needs nothing else."""

from tenuto.report._page import render_picture, render_report
from tenuto.report._replay import render_replay
from tenuto.report._run import Run

__all__ = ["Run", "render_picture", "render_replay", "render_report"]
