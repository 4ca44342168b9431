# SPDX-License-Identifier: Unlicense
"""Animation of two-sequence-noise: python3 two-sequence-noise/make_two_sequence_noise_gif.py [--seed 0] writes two_sequence_noise.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import two_sequence_noise as noise
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_two_sequence_noise import COLORS, draw_histogram, sample, traces

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

SETTING = ("3c", 1)


def animate(config, result, path):
    """A hundred sequences of 3c with N = 1: their inputs, the state of the cell that tells them apart, and the outputs, during learning."""
    curve, index = result["history"]["curves"]["lstm"], result["history"]["settings"].index(SETTING)
    snapshots = curve["snapshots"][:, index]
    per_snapshot = config.batch * max(1, config.check // 10)
    count = 50
    x, ends = sample(config, SETTING, count)
    targets = np.repeat(np.float32(noise.VARIANTS["3c"].targets), count)
    everything = [traces(config, SETTING, snapshot, x, ends) for snapshot in snapshots]
    change = [np.abs(new[2] - old[2]).mean() for old, new in zip(everything, everything[1:])]
    clock = np.cumsum([0, *(np.minimum(change, 0.02) + 0.1 / len(change))])  # most frames where the outputs move
    moments = np.unique(np.searchsorted(clock, np.linspace(0, clock[-1], 40)))
    runs = [everything[moment] for moment in moments]
    final = runs[-1][0][-1]
    cell = np.argmax(np.abs(final[:, :count].mean(1) - final[:, count:].mean(1)) / final.std(1))
    limit = max(np.abs(states[:, cell]).max() for states, _, _ in runs)

    figure = plt.figure(figsize=(7, 4.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 2.2), width_ratios=(1.7, 1))
    top, plane, bars = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    steps = np.arange(1, config.T + 1)
    for k, name in ((0, "class 1"), (count, "class 2")):
        top.plot(steps, x[:, 0, 0, 0, k], color=COLORS[k // count], lw=0.8, label=name)
        top.plot(1, x[0, 0, 0, 0, k], "o", color=COLORS[k // count], ms=5)
    top.set(ylabel="input", ylim=(-2, 2), xlabel="step", title="one sequence of each class: the first step tells which, the rest is noise")
    lines = [plane.plot([], [], color=COLORS[k // count], lw=0.5)[0] for k in range(2 * count)]
    plane.set(xlim=(0, config.T), ylim=(-1.05 * limit, 1.05 * limit), xlabel="step", ylabel="state of one cell", title="state during 100 sequences")

    def update(frame):
        states, _, outputs = runs[frame]
        for k, line in enumerate(lines):
            line.set_data(steps, states[:, cell, k])
        bars.clear()
        draw_histogram(bars, outputs, targets, SETTING)
        bars.set(ylim=(0, count), xlabel="output", title="outputs (shaded: right)")
        sequences = (moments[frame] + 1) * per_snapshot
        wrong = int((np.abs(outputs - targets) > noise.VARIANTS["3c"].tolerance).sum())
        figure.suptitle(f"after {sequences:,} training sequences: {wrong} of 100 wrong", fontsize=10)

    save_gif(figure, update, len(moments), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = noise.Config(seed=parser.parse_args().seed)
    animate(config, noise.run(config), Path(__file__).with_suffix("").with_name("two_sequence_noise.gif"))
