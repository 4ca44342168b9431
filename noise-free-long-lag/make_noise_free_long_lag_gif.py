# SPDX-License-Identifier: Unlicense
"""Animation of noise-free-long-lag: python3 noise-free-long-lag/make_noise_free_long_lag_gif.py [--seed 0] writes noise_free_long_lag.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import noise_free_long_lag as lag
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_noise_free_long_lag import BLUE, GREY, X, Y, draw_traces, telling_cell, traces

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
    """Ten strings of 2c, each with both keys, through one cell while the net trains: at first the distractors move the state, in the end the key does."""
    (q, p), (net, presented, steps) = list(result["history"]["rows"].items())[-1]  # q = p = 200
    cell = telling_cell(net, q)
    moments = np.unique(np.round(np.linspace(0, 1, 36) * (len(steps) - 1)).astype(int))
    shown = [traces(net, q, steps[moment][2]) for moment in moments]
    symbols, ends, _ = lag.draw_2c(np.random.default_rng(5), q, p, 2, paired=True)
    counts = np.array([count for count, *_ in steps])

    figure = plt.figure(figsize=(7, 4.8), layout="constrained")
    grid = figure.add_gridspec(3, 1, height_ratios=(0.5, 3, 1.2))
    strip, plane, error = (figure.add_subplot(grid[k]) for k in range(3))
    names = {p: ("e", "#000000"), p + 1: ("b", GREY), p + 2: ("x", X), p + 3: ("y", Y)}
    parts = [*range(7), None, *range(ends[0] - 4, ends[0] + 1)]
    for row in range(2):
        for place, step in enumerate(parts):
            name, color = ("...", GREY) if step is None else names.get(symbols[step, row], (f"a{symbols[step, row] + 1}", "#999999"))
            strip.text(place, row, name, color=color, ha="center", va="center", fontsize=9, weight="bold" if name in "xye" else "normal")
        strip.text(len(parts), row, "x or y?", color=(X, Y)[symbols[1, row] - p - 2], ha="left", va="center", fontsize=9)
    strip.set(xlim=(-0.6, len(parts) + 1.4), ylim=(1.6, -0.6))
    strip.set_axis_off()
    error.plot(counts, [miss for _, miss, _ in steps], color="#d5e3ef")
    line, = error.plot([], [], color=BLUE)
    error.set(ylim=(0, 0.55), xlabel="sequences presented", ylabel="mean error")
    error.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")

    reach = 1.05 * np.abs(shown[-1][0][:, cell]).max()

    def update(frame):
        moment, (states, last) = moments[frame], shown[frame]
        line.set_data(counts[:moment + 1], [miss for _, miss, _ in steps[:moment + 1]])
        plane.clear()
        draw_traces(plane, states[:, cell], last, 6)
        plane.set(xlim=(-3, 1.2 * q), ylim=(-reach, reach), xlabel="step (dots: the trigger e)", ylabel=f"state of cell {cell + 1}",
                  title=f"after {counts[moment]:,} sequences: 10 strings, each with key x (red) and with key y (blue)")

    save_gif(figure, update, len(moments), path, fps=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = lag.Config(seed=parser.parse_args().seed)
    animate(config, lag.run(config), Path(__file__).with_suffix("").with_name("noise_free_long_lag.gif"))
