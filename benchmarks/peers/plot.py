"""The picture of a comparison: how many times the lower bound everyone takes, per workload."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

Point = tuple[str, str, float]
"""Workload, runner, wall time over the lower bound."""

TICKS = (1, 1.5, 2, 3, 5, 10, 20, 50, 100)
STYLES = [
    ("#0b6e4f", "o"),
    ("#5fb49c", "o"),
    ("#c1292e", "s"),
    ("#e08e45", "^"),
    ("#4a5899", "D"),
    ("#9aa0b5", "D"),
]


def draw(panels: Mapping[str, Sequence[Point]], runners: Sequence[str], path: Path) -> None:
    """Draw one panel per model and write it as PNG."""
    workloads = list(dict.fromkeys(workload for points in panels.values() for workload, _, _ in points))
    height = 1.9 + 0.62 * len(workloads)
    figure, axes = plt.subplots(1, len(panels), figsize=(11, height), sharey=True, layout="constrained")
    for axis, (name, points) in zip(axes, panels.items(), strict=True):
        for place, runner in enumerate(runners):
            colour, marker = STYLES[place % len(STYLES)]
            mine = [(workloads.index(workload), ratio) for workload, who, ratio in points if who == runner]
            # Each runner has a height of its own within the row, so that no mark hides another.
            heights = [row + (place - (len(runners) - 1) / 2) * 0.13 for row, _ in mine]
            ratios = [ratio for _, ratio in mine]
            axis.scatter(ratios, heights, s=46, color=colour, marker=marker, label=runner, zorder=3)
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator(TICKS))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.axvline(1, color="black", linewidth=1)
        most = max((ratio for _, _, ratio in points), default=1)
        axis.set_xlim(0.93, max(most, 3) * 1.15)
        axis.set_title(f"{name} model")
        axis.set_xlabel("wall time / lower bound (log scale; 1 is the least possible)")
        axis.grid(axis="x", color="#dddddd", zorder=0)
        for row in range(1, len(workloads)):
            axis.axhline(row - 0.5, color="#eeeeee", zorder=0)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(workloads)), workloads)
    axes[0].set_ylim(len(workloads) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=150)
    plt.close(figure)
