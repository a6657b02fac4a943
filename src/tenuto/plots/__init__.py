"""Figures of operating tables, for papers: needs Matplotlib, the `[plot]` extra."""

from tenuto.plots._power import draw_power
from tenuto.plots._save import FORMATS, check_target, save
from tenuto.plots._trade_off import Budget, draw_trade_off

__all__ = ["FORMATS", "Budget", "check_target", "draw_power", "draw_trade_off", "save"]
