# SPDX-License-Identifier: Unlicense
"""Animation of pipe-6-bit-parity: python3 pipe-6-bit-parity/make_pipe_6_bit_parity_gif.py [--seed 0] writes pipe_6_bit_parity.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pipe_6_bit_parity as parity
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_pipe_6_bit_parity import BLUE, GREEN, PURPLE, draw_map

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
    """Left the cases that the best program since the last restart has right, at the side its errors and size, and how sure the tree is of it."""
    snapshots, first = result["history"]["snapshots"], result["history"]["searches"]["pipe"][0]
    evaluations = np.array(snapshots.evaluations)
    begin = first.restarts[-1] if first.restarts else 0
    last = np.flatnonzero(evaluations > begin)  # the last quarter of the frames and more belong to the run that gets there
    moments = np.unique([*np.linspace(0, last[0], 14), *np.linspace(last[0], len(evaluations) - 1, 28)]).astype(int)
    moments = np.unique([*moments, *[np.searchsorted(evaluations, count) for count, wrong, _ in first.improvements if wrong < 16 and count > begin]])
    moments = moments[moments < len(evaluations)]
    wrong, sizes = np.array(snapshots.wrong), np.array([len(program) for program in snapshots.programs])

    figure = plt.figure(figsize=(7, 3.4))
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.25))
    table, errors, belief = figure.add_subplot(grid[:, 0]), figure.add_subplot(grid[0, 1]), figure.add_subplot(grid[1, 1])
    errors.set(xlim=(0, evaluations[-1]), ylim=(0, 33), ylabel="wrong of 64", xticklabels=[])
    size_axis = errors.twinx()
    size_axis.set(ylim=(0, config.max_nodes), ylabel="nodes")
    size_axis.yaxis.label.set_color(GREEN)
    size_axis.grid(False)
    belief.set(xlim=(0, evaluations[-1]), ylim=(0, 3.5), xlabel="program evaluations", ylabel="entropy of its\nnodes (bits)")
    lines = [errors.plot([], [], color=BLUE, lw=1)[0], size_axis.plot([], [], color=GREEN, lw=0.7)[0], belief.plot([], [], color=PURPLE, lw=1)[0]]
    thin = max(1, len(evaluations) // 600)

    def update(moment):
        table.clear()
        draw_map(table, snapshots.programs[moment])
        runs = 1 + int(np.searchsorted(first.restarts, evaluations[moment]))
        table.set_title(f"start {runs}: {64 - wrong[moment]} of 64 right\nafter {evaluations[moment]:,} evaluations", fontsize=9)
        shown = np.unique([*range(0, moment, thin), moment])
        for line, values in zip(lines, (wrong, sizes, np.array(snapshots.entropy))):
            line.set_data(evaluations[shown], values[shown])

    save_gif(figure, update, moments, path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = parity.Config(seed=parser.parse_args().seed)
    animate(config, parity.run(config), Path(__file__).with_suffix("").with_name("pipe_6_bit_parity.gif"))
