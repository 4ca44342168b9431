# SPDX-License-Identifier: Unlicense
"""The figure of the LSTM battery, from the records: python3 families/draw_lstm_battery.py writes families/lstm_battery.png."""
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

# stub, what is counted until the paper's criterion, metric, the paper's mean number
ROWS = [
    ("embedded-reber", "1: embedded Reber grammar", "presentations_to_strict_success", 8440),
    ("noise-free-long-lag", "2a: lag 100", "presentations_2a_p100", 5040),
    ("noise-free-long-lag", "2b: lag 100, random middle", "presentations_2b_p100", 5680),
    ("noise-free-long-lag", "2c: lag 200, 200 distractors", "presentations_2c_q200_p200", 33_000),
    ("two-sequence-noise", "3a: two classes, N = 3", "t3a_n3_sequences_to_criterion", 39_850),
    ("two-sequence-noise", "3c: noisy targets, N = 1", "t3c_n1_sequences_to_criterion", 565_640),
    ("adding-problem", "4: adding, T = 100", "sequences_to_paper_criterion", 74_000),
    ("multiplication-problem", "5: multiplication, n_seq = 140", "sequences_to_nseq140", 482_000),
    ("temporal-order-3bit", "6a: order of two symbols", "sequences_to_paper_criterion", 31_390),
    ("temporal-order-4bit", "6b: order of three symbols", "sequences_to_paper_criterion", 571_100),
]


def main():
    figure, axis = panels(height=3.9)
    for row, (slug, _, metric, paper) in enumerate(ROWS):
        runs = [run["metrics"][metric] for run in named([slug])[0].record()["seeds"].values() if "metrics" in run]
        met = [value for value in runs if value is not None]
        axis.scatter(met, row + np.linspace(-0.16, 0.16, len(met)), s=12, color=BLUE, clip_on=False, zorder=3)
        axis.plot([paper] * 2, [row - 0.32, row + 0.32], color="black", lw=2)
        missed = f", {len(runs) - len(met)} not reached" if len(met) < len(runs) else ""
        axis.text(1.01, row, f"paper / ours {paper / np.median(met):.1f}{missed}", fontsize=7, va="center", transform=axis.get_yaxis_transform())
    axis.scatter([], [], s=12, color=BLUE, label="ours, one seed")
    axis.plot([], [], color="black", lw=2, label="paper, mean of 10 to 30 trials")
    axis.set(xscale="log", ylim=(len(ROWS) - 0.5, -0.5), yticks=range(len(ROWS)), yticklabels=[what for _, what, *_ in ROWS],
             xlabel="sequences until the paper's criterion")
    axis.tick_params(axis="y", labelsize=8)
    figure.legend(loc="outside lower center", ncols=2)
    save_png(figure, Path(__file__).with_name("lstm_battery.png"))


if __name__ == "__main__":
    main()
