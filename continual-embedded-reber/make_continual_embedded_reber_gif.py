# SPDX-License-Identifier: Unlicense
"""Animation of continual-embedded-reber: python3 continual-embedded-reber/make_continual_embedded_reber_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import continual_embedded_reber as cerg
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_continual_embedded_reber import BLUE, ORANGE, RED, final, follow, label_symbols, reset_block, window

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
    """Forget gate and state of one block, and the outputs T and P, on four strings of one stream while the net learns."""
    training, streams, starts = result["history"]["train"], *window(config)
    net, symbols = result["history"]["chosen"]["forget"][0], training["updates"] * config.chunk
    frames = np.unique(np.round(np.linspace(0, 1, 36) ** 1.3 * (len(symbols) - 1)).astype(int))
    seen = []
    block, cell = reset_block(follow(config, "forget", final(result, "forget"), streams)[1], starts)
    for frame in frames:
        p, layer = follow(config, "forget", training["theta"][frame, net], streams)
        seen.append((layer.gates[:, 0, 1, block, 0, 0].copy(), 2 * layer.half_state[1:, 0, block, cell, 0], p[:, cerg.T], p[:, cerg.P]))
    at = np.flatnonzero(np.isin(streams.nodes[1:, 0], cerg.OUTER))
    free = result["history"]["test"]["free"][1, 0].mean()

    figure, axes = plt.subplots(3, 1, figsize=(7, 4.6), layout="constrained", sharex=True)
    lines = [axes[0].plot(seen[0][0], color=BLUE)[0], axes[1].plot(seen[0][1], color=BLUE)[0],
             axes[2].plot(seen[0][2], color=BLUE, label="T")[0], axes[2].plot(seen[0][3], color=ORANGE, ls="--", label="P")[0]]
    dots, = axes[2].plot(at, np.zeros(len(at)), "o", color=RED, ms=6, label="the right one")
    states = np.array([frame[1] for frame in seen])
    axes[0].set(ylabel="forget gate", ylim=(-0.05, 1.05))
    axes[1].set(ylabel="its cell's state", ylim=(states.min() - 0.2, states.max() + 0.2))
    axes[2].set(ylabel="predicted", ylim=(-0.05, 1.1), xlabel="symbol seen last (red: the letter to remember, and where it returns)")
    axes[2].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    for axis in axes:
        label_symbols(axis, streams, starts)

    def update(frame):
        for line, values in zip(lines, seen[frame]):
            line.set_ydata(values)
        dots.set_ydata([seen[frame][2 if streams.symbols[k + 1, 0] == cerg.T else 3][k] for k in at])
        k = frames[frame]
        text = f"after {symbols[k]:,} symbols"
        if k:
            errors, window_size = training["errors"][k, net], symbols[k] - symbols[k - 1]
            text += f": {errors:,} errors in the last {window_size:,}" if errors else f": no error in the last {window_size:,}"
        if frame == len(frames) - 1:
            text = f"after {symbols[k]:,} symbols; test streams go without an error for {free:,.0f} symbols in the mean"
        axes[0].set_title(text)

    save_gif(figure, update, len(frames), path, fps=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = cerg.Config(seed=parser.parse_args().seed)
    animate(config, cerg.run(config), Path(__file__).with_name("continual_embedded_reber.gif"))
