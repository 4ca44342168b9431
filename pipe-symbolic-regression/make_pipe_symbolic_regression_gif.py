# SPDX-License-Identifier: Unlicense
"""Animation of pipe-symbolic-regression: python3 pipe-symbolic-regression/make_pipe_symbolic_regression_gif.py [--seed 0]."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pipe_symbolic_regression as psr
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_pipe_symbolic_regression import BLUE, GREY, draw_tree, outputs

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
    """Left the best program's curve on the target, right the upper levels of the prototype tree, below the program itself."""
    history = result["history"]
    language, snapshots = history["language"], history["snapshots"]
    grid, cases = np.linspace(-1, 1, 100), np.linspace(-1, 1, 20)
    moments = np.unique(np.linspace(0, len(snapshots.evaluations) - 1, 40).astype(int))

    figure, (curve, tree) = plt.subplots(1, 2, figsize=(7, 3.4), width_ratios=(1, 1.5))
    figure.get_layout_engine().set(rect=(0, 0.1, 1, 0.9))
    curve.plot(grid, psr.quartic(grid), color=GREY, lw=4, alpha=0.5)
    line, = curve.plot([], [], color=BLUE)
    points = curve.scatter([], [], s=12, color=BLUE)
    curve.set(xlabel="x", ylim=(-1.2, 4.3), xlim=(-1.05, 1.05), ylabel="target (grey), best program")
    caption = figure.text(0.5, 0.03, "", ha="center", fontsize=9, family="monospace")

    def update(moment):
        program = snapshots.elites[moment]
        line.set_data(grid, outputs(language, program, grid))
        at_cases = outputs(language, program, cases)
        points.set_offsets(np.column_stack([cases, at_cases]))
        curve.set_title(f"{snapshots.evaluations[moment]:,} evaluations, {int((np.abs(at_cases - psr.quartic(cases)) < psr.HIT).sum())} of 20 hits")
        tree.clear()
        draw_tree(tree, snapshots.upper[moment], language)
        tree.set_title(f"prototype tree; P(best program) = 10^{snapshots.log_probability[moment]:.1f}")
        text = language.text(program)
        caption.set_text(text if len(text) <= 85 else text[:82] + "...")

    save_gif(figure, update, moments, path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = psr.Config(seed=parser.parse_args().seed)
    animate(config, psr.run(config), Path(__file__).with_suffix("").with_name("pipe_symbolic_regression.gif"))
