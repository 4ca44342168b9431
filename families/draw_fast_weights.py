# SPDX-License-Identifier: Unlicense
"""How many pairs fit into a fast weight matrix: python3 families/draw_fast_weights.py measures it and writes families/fast_weights.png.

Pairs of a random key (d numbers, normal) and a random value (one of 64 directions in 64 dimensions) are written one after the other, then every key
is asked for; an answer is right if it points to its value more than to any other of the 64. The capacity is the largest number of pairs, in steps of
a tenth, of which 95 % come back right, over 24 memories of random pairs or more. In the last panel every key is bound twice, to a random value each time, and
the second one counts. Nothing learns: the slow nets of both papers would choose better keys.
"""
import sys
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "linear-transformers-fwp")]
import linear_transformers_fwp as fwp

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

WIDTHS = (4, 8, 16, 32, 64)
VALUES, RIGHT, MOST = 64, 0.95, 4000
KINDS = {"identity": "keys as they are (1992)", "elu": "ELU + 1", "favor": "FAVOR+", "dpfp1": "DPFP, n = 1", "dpfp3": "DPFP, n = 3"}
PANELS = {("sum", 1): "sum rule: W += v k", ("delta", 1): "delta rule: W += (v - W k) k", ("delta", 2): "delta rule, each key bound twice"}


def share_right(kind, rule, times, width, pairs, rng):
    """Of `pairs` keys, each bound `times` times, the share that brings back its last value."""
    memories = max(24, 2000 // pairs)
    keys = rng.standard_normal((memories, pairs, width)) / width ** (0.25 if kind == "favor" else 0)  # exp(q k / sqrt(d)), as in attention
    values = np.eye(VALUES)[rng.integers(0, VALUES, (memories, times, pairs))]
    omega = fwp.random_features(width, rng).astype(float) if kind == "favor" else None
    phi = fwp.features(kind, keys, omega)
    phi /= np.linalg.norm(phi, axis=-1, keepdims=True)  # so that one write is enough for a key that is alone
    if rule == "sum":
        matrix = values.sum(1).swapaxes(1, 2) @ phi
    else:
        matrix = np.zeros((memories, VALUES, phi.shape[-1]))
        for written in values.swapaxes(0, 1):
            for k, v in zip(phi.swapaxes(0, 1)[..., None], written.swapaxes(0, 1)[..., None]):
                matrix += (v - matrix @ k) @ k.swapaxes(1, 2)
    answers = phi @ matrix.swapaxes(1, 2)
    return (answers.argmax(-1) == values[:, -1].argmax(-1)).mean()


def capacity(width, rng, *case):
    """The largest number of pairs of the grid 1, 2, 3 .. by tenths that are recalled, by bisection."""
    grid = sorted({round(1.1 ** k) for k in range(80)})
    low, high = -1, len(grid)  # grid[low] holds, grid[high] does not
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if grid[middle] <= MOST and share_right(*case, width, grid[middle], rng) >= RIGHT else (low, middle)
    return grid[low] if low >= 0 else 0


def main():
    figure, axes = panels(1, 3, height=3.2, sharey=True)
    for axis, ((rule, times), title) in zip(axes, PANELS.items()):
        for kind, color in zip(KINDS, (GREY, BLUE, GREEN, ORANGE, RED)):
            measured = [capacity(width, np.random.default_rng(width), kind, rule, times) for width in WIDTHS]
            print(title, "|", KINDS[kind], *measured)
            axis.plot(WIDTHS, measured, "o-", color=color, ms=4, label=KINDS[kind], lw=2.4 if kind == "identity" else 1.4)
        axis.plot(WIDTHS, WIDTHS, ":", color="black", lw=1, label="one pair per number of the key")
        axis.set(xscale="log", yscale="log", xlabel="numbers in a key, d", xticks=WIDTHS, xticklabels=WIDTHS)
        axis.set_title(title, fontsize=8)
        axis.minorticks_off()
    axes[0].set_ylabel("pairs that 95 % are recalled of")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, Path(__file__).with_name("fast_weights.png"))


if __name__ == "__main__":
    main()
