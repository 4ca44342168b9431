# SPDX-License-Identifier: Unlicense
"""The figure of the search family, from the records: python3 families/draw_search.py writes families/search.png."""
import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from catalog.stubs import named

# --- block: figure_style ---
# Okabe and Ito's colour-blind-safe palette; GREY is for controls and for the paper's values.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#888888"
plt.rcParams.update({
    "figure.dpi": 100, "savefig.dpi": 100, "figure.constrained_layout.use": True, "svg.hashsalt": "0",
    "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.labelsize": 9, "legend.fontsize": 8, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6", "axes.axisbelow": True,
    "lines.linewidth": 1.4, "image.cmap": "cividis", "image.interpolation": "nearest",
    "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY]),
})


def panels(rows=1, columns=1, height=2.6, **keywords):
    """A figure 700 pixels wide with `height` inches per row -> (figure, axes), axes as plt.subplots returns them."""
    return plt.subplots(rows, columns, figsize=(7, height * rows), **keywords)


def save_png(figure, path):
    """Write a palette PNG without metadata, so that the same picture is the same small file, and close the figure."""
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)
    plt.close(figure)
# --- end block ---

# stub, metric that counts the work until the solution, what is counted, the paper's counts where known
WORK = [
    ("levin-count-inputs", "programs_tested_probabilistic_search", "programs", ()),
    ("levin-add-positions", "programs_tested", "programs", (6_902_963,)),
    ("oops-towers-of-hanoi", "hanoi_prefixes_to_general", "program prefixes to the Hanoi solver", (9.4e10,)),
    ("rs-two-sequence", "a1_mean_trials", "trials", (718, 1247)),
    ("rs-parity", "mean_trials_a2_no_self_T500_600", "trials, mean of 10", (250,)),
    ("rs-tomita", "tomita4_trials", "trials", (13_833, 35_610)),
    ("pipe-symbolic-regression", "program_evaluations_to_solve", "programs", ()),
    ("pipe-6-bit-parity", "program_evaluations_to_solve", "programs", ()),
]


def main():
    figure, axis = panels(height=4)
    for row, (slug, metric, _, papers) in enumerate(WORK):
        runs = named([slug])[0].record()["seeds"]
        counts = [run["metrics"][metric] for run in runs.values() if run.get("metrics", {}).get(metric)]
        axis.scatter(counts, row + np.linspace(-0.2, 0.2, len(counts)), s=10, color=BLUE)
        for paper in papers:
            axis.plot([paper] * 2, [row - 0.35, row + 0.35], color="black", lw=2)
    axis.scatter([], [], s=10, color=BLUE, label="one seed")
    axis.plot([], [], color="black", lw=2, label="paper (or as cited)")
    axis.set(xscale="log", ylim=(len(WORK) - 0.5, -0.5), yticks=range(len(WORK)), yticklabels=[f"{slug}\n({unit})" for slug, _, unit, _ in WORK],
             xlabel="candidates evaluated until the problem is solved", title="work to a solution, without any gradient")
    axis.tick_params(axis="y", labelsize=7)
    axis.legend(loc="lower left")
    save_png(figure, Path(__file__).with_name("search.png"))


if __name__ == "__main__":
    main()
