# SPDX-License-Identifier: Unlicense
"""Animation of chunker-very-deep-1200: python3 chunker-very-deep-1200/make_chunker_very_deep_1200_gif.py [--seed 0] writes chunker_very_deep_1200.gif."""
import argparse
from pathlib import Path

import chunker_very_deep_1200 as vd
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_chunker_very_deep_1200 import GREY, ORANGE, grid, level_states, one_sequence, places, show_grid

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


def class_probability(net, symbols):
    """Probability of the class x after the last of symbols (T,)."""
    output = vd.forward(net.weights, symbols[None, :, None]).output[0, -1, 0]
    return 1 / (1 + np.exp(output[0] - output[1]))


def animate(config, result, path):
    """One test sequence, replayed as each level learns in turn: its failures thin out; then the classifier learns which trigger it was."""
    stack, pair = result["history"]["stack"], [one_sequence(result["history"], label) for label in (0, 1)]
    nets, logs = [net.only(0) for net in (*stack.predictors, stack.top)], stack.logs
    last = len(nets) - 1
    stages = [(level, int(number)) for level, (_, shots) in enumerate(logs) for number in np.linspace(0, 1, 14) ** 2.5 * (len(shots) - 1)]

    figure, axes = plt.subplots(3, 1, figsize=(7, 4.6), height_ratios=(1, 1, 0.8), layout="constrained")
    length = len(pair[0])
    images = [show_grid(axis, np.zeros(length, int), config) for axis in axes[:2]]
    axes[1].set_xlabel("block (the trigger is the lowest cell of the first column)")
    axes[2].barh([1, 0], [0.5, 0.5], color=ORANGE)
    bars = axes[2].patches
    axes[2].axvline(0.5, color="black", lw=0.8, ls=":")
    axes[2].set(yticks=[1, 0], yticklabels=["sequence with a", "sequence with x"], xlim=(0, 1), xlabel="probability of x, said when ! comes")
    axes[2].grid(False)

    def update(frame):
        level, number = stages[frame]
        now = [net.holding(logs[place][1][number]) if place == level else net for place, net in enumerate(nets)]
        found = places(now[:min(level + 1, last)], pair[0])
        for place, image in enumerate(images):
            active = place <= level
            image.set_data(grid(level_states(found, place, length) if active else np.zeros(length, int), config))
            title = f"hears {len(found[place])} symbols and fails to predict {len(found[place + 1])} (red)" if active else "waits"
            axes[place].set_title(f"level {place} {title}", color="black" if active else GREY)
        heard = [pair[kind][places(now[:last], pair[kind])[-1]] for kind in (0, 1)] if level == last else None
        for bar, kind in zip(bars, (0, 1)):
            bar.set_width(class_probability(now[-1], heard[kind]) if heard else 0)
        axes[2].set_title(f"the classifier hears {len(heard[0])} symbols" if heard else "the classifier waits", color="black" if heard else GREY)
        learner = "the classifier" if level == last else f"level {level}"
        figure.suptitle(f"{learner} has learned for {min(number * vd.SNAPSHOT, len(logs[level][0]))} updates", fontsize=11)

    save_gif(figure, update, len(stages), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = vd.Config(seed=parser.parse_args().seed)
    animate(config, vd.run(config), Path(__file__).with_suffix("").with_name("chunker_very_deep_1200.gif"))
