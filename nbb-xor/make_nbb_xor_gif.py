# SPDX-License-Identifier: Unlicense
"""Animation of nbb-xor: python3 nbb-xor/make_nbb_xor_gif.py [--seed 0] writes nbb_xor.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nbb_xor as nbb
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_nbb_xor import GREEN, RED, draw_paths, relative_margins

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
    """Per pattern: above, the paths that fire; below, how clearly the right answer wins. Learning goes on throughout."""
    weights = result["history"]["weights"]
    margins = relative_margins(weights)
    unsolved = np.flatnonzero((margins <= 0).any(0))
    end = min(len(weights) - 1, int(1.25 * unsolved[-1]) + 100) if len(unsolved) else len(weights) - 1
    moments = np.linspace(0, end, 36).astype(int)

    figure, (diagrams, axes) = plt.subplots(2, 4, figsize=(7, 3.6), sharey="row", height_ratios=(1.5, 1), layout="constrained")
    fills = []
    for axis in axes:
        axis.axhline(0, color="black", lw=0.8)
        axis.set(xlim=(0, end), ylim=(margins[:, :end].min(), margins[:, :end].max()), xlabel="presentations")
    axes[0].set_ylabel("margin of the right\noutput (%)")

    def update(moment):
        while fills:
            fills.pop().remove()
        shown = np.linspace(0, moment, 300).astype(int)
        for pattern, (diagram, axis) in enumerate(zip(diagrams, axes)):
            diagram.clear()
            draw_paths(diagram, weights[moment], pattern)
            for part, color in ((np.maximum(margins[pattern, shown], 0), GREEN), (np.minimum(margins[pattern, shown], 0), RED)):
                fills.append(axis.fill_between(shown, part, color=color, lw=0))
        figure.suptitle(f"after {moment} presentations: {int((margins[:, moment] > 0).sum())} of 4 right", fontsize=10)

    save_gif(figure, update, moments, path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = nbb.Config(seed=parser.parse_args().seed)
    animate(config, nbb.run(config), Path(__file__).with_suffix("").with_name("nbb_xor.gif"))
