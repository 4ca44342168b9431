# SPDX-License-Identifier: Unlicense
"""Animation of multiplication-problem: python3 multiplication-problem/make_multiplication_problem_gif.py [--seed 0]."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import multiplication_problem as multiplication
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_multiplication_problem import BLUE, EXTENT, GRID, RED, draw_sequence, example, surface

# --- block: gif ---
def save_gif(figure, update, frames, path, fps=8, hold=2.0, colors=64):
    """Write a GIF of `update(frame)` for each of `frames` (an int or a sequence), the last one held for `hold` seconds; close the figure.

    One palette of `colors` colours serves all frames, so that only what moves is stored.
    """
    frames = list(range(frames) if isinstance(frames, int) else frames)
    FuncAnimation(figure, update, frames, repeat=False).save(path, writer=PillowWriter(fps=fps), dpi=100)
    plt.close(figure)
    with Image.open(path) as animation:
        images = [frame.convert("RGB") for frame in ImageSequence.Iterator(animation)]
    sample = [images[i] for i in sorted({0, len(images) // 3, 2 * len(images) // 3, len(images) - 1})]
    sheet = Image.new("RGB", (sample[0].width, sample[0].height * len(sample)))
    for row, image in enumerate(sample):
        sheet.paste(image, (0, row * image.height))
    palette = sheet.quantize(colors, method=Image.Quantize.MAXCOVERAGE)
    packed = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    durations = [1000 // fps] * (len(packed) - 1) + [int(1000 * hold)]
    packed[0].save(path, format="GIF", save_all=True, append_images=packed[1:], duration=durations, loop=0, optimize=True)
# --- end block ---


def animate(config, result, path):
    """One fixed sequence; what the net answers over all pairs of factors put in at its two marks, and the error, while the LSTM trains."""
    curves, best = result["history"]["curves"], result["history"]["best"]
    curve = curves["lstm"]
    moments = np.unique(np.round(np.linspace(0, 1, 38) ** 1.5 * (len(curve["sequences"]) - 1)).astype(int))
    surfaces = [surface(config, curve["theta"][moment]) for moment in moments]
    product = np.outer(GRID, GRID)

    figure, axes = plt.subplots(2, 2, figsize=(7, 4.4), layout="constrained", height_ratios=(1, 2), width_ratios=(1.25, 1))
    (top, sections), (error, heat) = axes
    draw_sequence(top, example(config)[0])
    top.set_title("multiply the two marked numbers")
    error.plot(curve["sequences"], curve["error"][:, 0, 0], color="#c9dcec")
    if "rnn" in curves:
        error.plot(curves["rnn"]["sequences"], curves["rnn"]["error"][:, best["rnn"], 0], color=RED, lw=1, label="tanh net")
    line, = error.plot([], [], color=BLUE, label="LSTM")
    error.axhline(multiplication.ADDITIVE_FLOOR, color="black", lw=0.8, ls="--")
    error.annotate("best additive answer", (curve["sequences"][-1], multiplication.ADDITIVE_FLOOR), xytext=(0, 3), textcoords="offset points",
                   ha="right", fontsize=8)
    error.set(yscale="log", xlabel="training sequences (thousands)", title="mean squared error")
    error.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    error.legend(loc="upper right", bbox_to_anchor=(1, 0.92))

    def update(frame):
        line.set_data(curve["sequences"][:moments[frame] + 1], curve["error"][:moments[frame] + 1, 0, 0])
        for axis in (sections, heat):
            axis.clear()
        for row in (4, 10, 18):
            sections.plot(GRID, product[row], color="#bbbbbb", lw=1)
            sections.plot(GRID, surfaces[frame][row], color=BLUE, lw=1.2)
        sections.set(xlim=(0, 1), ylim=(0, 1), title="at X2 = 0.2, 0.5, 0.9 (grey: product)", xticks=(0, 0.5, 1))
        heat.imshow(surfaces[frame], origin="lower", extent=EXTENT, vmin=0, vmax=1)
        heat.contour(GRID, GRID, product, levels=(0.1, 0.3, 0.5, 0.7), colors="white", linewidths=0.6, linestyles=":")
        if np.ptp(surfaces[frame]) > 0.15:
            heat.contour(GRID, GRID, surfaces[frame], levels=(0.1, 0.3, 0.5, 0.7), colors="white", linewidths=1)
        heat.set(xlabel="X1", ylabel="X2", xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), title="answer over (X1, X2)")
        heat.grid(False)
        figure.suptitle(f"after {curve['sequences'][moments[frame]]:,} sequences", fontsize=10)

    save_gif(figure, update, len(moments), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = multiplication.Config(seed=parser.parse_args().seed)
    animate(config, multiplication.run(config), Path(__file__).with_suffix("").with_name("multiplication_problem.gif"))
