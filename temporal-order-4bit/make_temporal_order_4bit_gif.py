# SPDX-License-Identifier: Unlicense
"""Animation of temporal-order-4bit: python3 temporal-order-4bit/make_temporal_order_4bit_gif.py [--seed 0] writes temporal_order_4bit.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import temporal_order_4bit as order
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_temporal_order_4bit import BLUE, COLORS, NAMES, RED, draw_sequences, eight_of_a_kind, plateaus, projection, trace

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
    """Eight sequences that differ in three symbols alone: the tree of their cell states, while the LSTM trains."""
    curves = result["history"]["curves"]
    curve = curves["lstm"]
    last = min(len(curve["sequences"]) - 1, np.searchsorted(curve["sequences"], 1.25 * curve["met"][0, 0]))  # little happens later
    moments = np.unique(np.round(np.linspace(0, 1, 40) * last).astype(int))
    x, ends, places = eight_of_a_kind(config)
    directions, mean = projection(trace(config, result["history"]["theta"], x, ends)[0])
    traces = [trace(config, curve["theta"][moment], x, ends) for moment in moments]
    paths = [np.einsum("tck,cd->tdk", states - mean[:, None], directions) for states, _ in traces]

    figure = plt.figure(figsize=(7, 5), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1.25, 2.4), width_ratios=(1.25, 1))
    top, plane, error = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    draw_sequences(top, x)
    top.set(yticks=range(8), yticklabels=NAMES)
    for label, color in zip(top.get_yticklabels(), COLORS):
        label.set_color(color)
    error.plot(curve["sequences"], curve["error"][:, 0, 0], color="#d5e3ef")
    if "rnn" in curves:
        best = result["history"]["best"]["rnn"]
        error.plot(curves["rnn"]["sequences"], curves["rnn"]["error"][:, best, 0], color=RED, lw=1, label="tanh net")
    line, = error.plot([], [], color=BLUE, label="LSTM")
    error.set(ylim=(0, 0.26), xlabel="training sequences (thousands)", title="mean absolute error")
    error.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    error.legend(loc="upper right", bbox_to_anchor=(1, 0.78))
    plateaus(error)
    low, high = (kind([kind(path_, axis=(0, 2)) for path_ in paths[len(paths) // 3:]], axis=0) for kind in (np.min, np.max))
    pad = 0.06 * (high - low)

    def update(frame):
        moment = moments[frame]
        line.set_data(curve["sequences"][:moment + 1], curve["error"][:moment + 1, 0, 0])
        plane.clear()
        for k in range(8):
            plane.plot(*paths[frame][:, :, k].T, color=COLORS[k], lw=1.2)
            plane.plot(*paths[frame][-1, :, k], "o", color=COLORS[k], ms=8)
        plane.set(xlim=(low[0] - pad[0], high[0] + pad[0]), ylim=(low[1] - pad[1], high[1] + pad[1]), xticks=[], yticks=[],
                  xlabel="first component", ylabel="second", title="cell states during a sequence (dot: at the end)")
        right = int((order.answer(traces[frame][1]) == np.arange(8)).sum())
        figure.suptitle(f"after {curve['sequences'][moment]:,} sequences: {right} of these 8 answered right", fontsize=10)

    save_gif(figure, update, len(moments), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = order.Config(seed=parser.parse_args().seed)
    animate(config, order.run(config), Path(__file__).with_suffix("").with_name("temporal_order_4bit.gif"))
