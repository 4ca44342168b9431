# SPDX-License-Identifier: Unlicense
"""Animation of chunker-22-symbol: python3 chunker-22-symbol/make_chunker_22_symbol_gif.py [--seed 0] writes chunker_22_symbol.gif."""
import argparse
from pathlib import Path

import chunker_22_symbol as ch
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_chunker_22_symbol import BLUE, GREEN, ORANGE, RED, mixed_start, show_blocks, smooth

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

BLOCKS = 4


def animate(config, result, path):
    """One test stream of four blocks without a teacher, replayed as A and C learn: surprises, C's state, what A makes of it, the target unit."""
    trained, snapshots = result["history"]["trained"], result["history"]["trained"]["snapshots"]
    end = trained["criterion"][0] + 500 if np.isfinite(trained["criterion"][0]) else len(trained["errors"])
    until = max(1, sum(snapshot[0] <= end for snapshot in snapshots))
    moments = [snapshots[number] for number in sorted({int(number) for number in np.linspace(0, until - 1, 42)})]
    start = mixed_start(result["history"]["labels"], BLOCKS)
    labels, first = result["history"]["labels"][:start + BLOCKS], start * (config.lag + 1)
    scenes = [ch.replay(automatizer, chunker, labels, config) for _, automatizer, chunker in moments]
    steps = np.arange(BLOCKS * (config.lag + 1))
    ends = steps[config.lag::config.lag + 1]

    figure = plt.figure(figsize=(7, 4.3), layout="constrained")
    axes = figure.subplot_mosaic([["surprise", "curve"], ["chunker", "curve"], ["imitation", "curve"], ["target", "curve"]], width_ratios=(2.5, 1), height_ratios=(0.7, 1, 1, 1.1))
    show_blocks(axes["surprise"], labels[start:], config.lag)
    for name, title in (("surprise", "surprises"), ("chunker", "C expects"), ("imitation", "A's copy\nof that"), ("target", "A's target\nunit")):
        axes[name].set(ylabel=title, xlim=(-1, len(steps)), ylim=(-0.15, 1.15), xticks=[], yticks=[0, 1])
        for place in ends[:-1]:
            axes[name].axvline(place + 0.5, color="black", lw=0.6, ls=":")
    axes["surprise"].set(yticks=[], ylim=(0, 1))
    axes["target"].set(xlabel=f"four blocks of a test stream: a or x, then b1 .. b{config.lag}")
    axes["target"].plot(ends, labels[start:], "o", mfc="none", color=GREEN, ms=9)
    marks = axes["surprise"].vlines(steps, 0.1, 0.9, color=RED, lw=2)
    lines = {name: axes[name].step(steps, 0 * steps, where="mid", color=color)[0] for name, color in (("chunker", ORANGE), ("imitation", BLUE), ("target", BLUE))}
    answers, = axes["target"].plot(ends, 0 * ends, "o", color=BLUE, ms=4)
    curves = [(axes["curve"].plot([], [], color=color, label=label)[0], *smooth(trained[key][:, 0])) for key, color, label in (("chunker_errors", ORANGE, "C"), ("errors", BLUE, "A"))]
    axes["curve"].set(title="target error", xlabel="sequences", xlim=(0, moments[-1][0] or 1), ylim=(0, 0.7))
    axes["curve"].legend(loc="upper right")

    def update(frame):
        _, run, surprise, known = scenes[frame]
        marks.set_segments([[(step, 0.1), (step, 0.9)] for step in steps if surprise[first + step]])
        for name, values in (("chunker", known[:, -1]), ("imitation", run.imitation[0, :, -1]), ("target", run.predicted[0, :, -1])):
            lines[name].set_ydata(np.clip(values[first:], -0.15, 1.15))
        answers.set_ydata(run.predicted[0, first + ends, -1])
        for line, places, values in curves:
            line.set_data(places[places <= moments[frame][0]], values[places <= moments[frame][0]])
        figure.suptitle(f"after {moments[frame][0]:,d} sequences: {int(surprise[first:].sum())} surprises reach C", fontsize=10)

    save_gif(figure, update, len(moments), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = ch.Config(seed=parser.parse_args().seed)
    animate(config, ch.run(config), Path(__file__).with_suffix("").with_name("chunker_22_symbol.gif"))
