# SPDX-License-Identifier: Unlicense
"""The figure of the local-rules family, from the records: python3 families/draw_local_rules.py writes families/local_rules.png."""
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

# stub, what is shown, the learner's value, a control and its value, the paper's value on the same scale where known
ROWS = [
    ("nbb-xor", "nets that hold XOR for 100 presentations", "stable100_fraction_20_nets", "no bucket brigade", "no_backward_stable_fraction", None),
    ("nbb-moving-light", "nets that stay right for 100 sequences", "stable100_fraction_30_nets", "no learning", "no_learning_stable100_fraction", 0.9),
    ("flip-flop", "steps with a B that are right", "b_step_accuracy", "K without memory", "memoryless_b_step_accuracy", None),
    ("pole-balance-non-markov", "runs with a trial over 1000 steps", "runs_over_1000_fraction", "K without memory, 30 of 30", "memoryless_balanced_fraction", 0.85),
    ("pole-balance-markov-vac", "learners solved", lambda m: m["seeds_solved_of_20"] / 20, "thresholds, TD(0), no clip", lambda m: m["plain_seeds_solved"] / 20, None),
    ("saccadic-target-detection", "scenes solved, goal beside the centroid", "offset_goal_within_10px_fraction", "centroid reflex",
     "centroid_reflex_offset_goal_fraction", None),
    ("curiosity-three-regions", "speed-up over random search, of 10", lambda m: m["speedup_over_random_small"] / 10, "Q-learning of the same reward",
     lambda m: m["random_learning_time_small"] / m["q_learning_time_small"] / 10, 1.0),
    ("subgoal-obstacle-avoidance", "new arenas planned in one pass", "p2_single_pass_success", "best constant plan", "constant_success", None),
]


def main():
    figure, axis = panels(height=4.9)
    for row, (slug, _, learner, _, control, paper) in enumerate(ROWS):
        runs = [run["metrics"] for run in named([slug])[0].record()["seeds"].values() if "metrics" in run]
        for value, color, shift in ((learner, BLUE, -0.12), (control, GREY, 0.12)):
            values = [value(run) if callable(value) else run[value] for run in runs]
            axis.scatter(values, row + shift + np.linspace(-0.08, 0.08, len(values)), s=12, color=color, clip_on=False, zorder=3)
        axis.text(0.5, row + 0.42, ROWS[row][3], fontsize=6.5, color=GREY, ha="center", va="center")
        if paper is not None:
            axis.plot([paper] * 2, [row - 0.3, row + 0.3], color="black", lw=2, clip_on=False)
    axis.scatter([], [], s=12, color=BLUE, label="learner, one seed")
    axis.scatter([], [], s=12, color=GREY, label="control (named in grey)")
    axis.plot([], [], color="black", lw=2, label="paper (as cited)")
    axis.set(xlim=(0, 1), ylim=(len(ROWS) - 0.4, -0.5), yticks=range(len(ROWS)), yticklabels=[f"{slug}\n({what})" for slug, what, *_ in ROWS],
             xlabel="share of what could be reached")
    axis.tick_params(axis="y", labelsize=7)
    figure.legend(loc="outside lower center", ncols=3)
    save_png(figure, Path(__file__).with_name("local_rules.png"))


if __name__ == "__main__":
    main()
