"""The picture of the token account: what create_agent costs over what a plan costs, by number of calls."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

TICKS = (0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 15)
STYLES = {0.0: ("#0b6e4f", "o"), 0.5: ("#e08e45", "s"), 0.9: ("#c1292e", "^")}

Lines = Mapping[float, Mapping[str, float]]
"""By cache discount and number of calls: their money over ours."""


def draw(panels: Mapping[str, Lines], path: Path) -> None:
    """Draw one panel per data set and write it as PNG."""
    figure, axes = plt.subplots(1, len(panels), figsize=(13, 3.8), sharey=True, layout="constrained")
    for axis, (title, lines) in zip(axes, panels.items(), strict=True):
        for discount, points in lines.items():
            colour, mark = STYLES[discount]
            named: Sequence[str] = list(points)
            axis.plot(named, list(points.values()), color=colour, marker=mark, label=f"{discount:.0%}")
        axis.axhline(1, color="black", linewidth=0.8)
        axis.set_title(title, fontsize=9.5)
        axis.set_xlabel("tool calls in the run")
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(FixedLocator(TICKS))
        axis.yaxis.set_minor_locator(NullLocator())
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}x"))
        axis.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes[0].set_ylabel("create_agent's price over agent-graph's\n(above 1: the plan is cheaper)")
    axes[-1].legend(title="discount, warm cache", fontsize=8, title_fontsize=8)
    figure.savefig(path, dpi=130)
    plt.close(figure)
