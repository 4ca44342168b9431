# SPDX-License-Identifier: Unlicense
"""Animation of self-referential-weight-matrix: python3 self-referential-weight-matrix/make_self_referential_weight_matrix_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np
import self_referential_weight_matrix as srwm

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_self_referential_weight_matrix import BLUE, GREEN, RED, changes, examples

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

XOR, ORDERS = 0b0110, ((0, 3, 1, 2), (1, 0, 2, 3))


def animate(config, result, path):
    """The same episode, XOR, with the initial matrix at ever later moments of training: what is written, what is answered, and the accuracy so far."""
    history = result["history"]
    net, curve = history["nets"]["self-modifying"], history["curves"]["self-modifying"]
    final, episode, scenes = net.theta.copy(), examples(2, XOR, ORDERS), []
    for update, variance, theta in history["films"]["self-modifying"]:
        net.theta[:] = theta
        grids, answers = changes(net, *episode, variance)
        scenes.append((update, grids[:4], answers[4:]))
    net.theta[:] = final
    reach = 0.6 * np.abs(scenes[-1][1]).max()

    figure = plt.figure(figsize=(7, 4.6), layout="constrained")
    axes = figure.subplot_mosaic("0123;aaaa;cccc", height_ratios=(1.5, 1, 1.1))
    images = []
    for t in range(4):
        axis, pattern, label = axes[str(t)], int(episode[0][t, 0]), int(episode[1][t, 0])
        images.append(axis.imshow(np.zeros(net.shape), cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto"))
        axis.set(title=f"after {pattern:02b} is {label:+d}", xticks=[], yticks=[])
        axis.grid(False)
    axes["0"].set(ylabel="changes of W")
    questions = [f"{int(pattern):02b}?\n(XOR: {int(label):+d})" for pattern, label in zip(episode[0][4:, 0], episode[1][4:, 0])]
    bars = axes["a"].bar(questions, np.zeros(4), 0.5)
    axes["a"].axhline(0, color="black", lw=0.8)
    axes["a"].set(ylim=(-1.1, 1.1), yticks=(-1, 0, 1), ylabel="answer")
    line, = axes["c"].plot([], [], color=BLUE)
    axes["c"].axhline(0.5, color="black", lw=0.8, ls=":")
    axes["c"].set(xscale="symlog", xlim=(0, curve[-1, 0]), ylim=(0.4, 1.02), xlabel="updates of W(1)", ylabel="all 16 functions")
    axes["c"].set_xticks((0, 1, 10, 100), ("0", "1", "10", "100"))

    def update(frame):
        count, grids, answers = scenes[frame]
        for image, grid in zip(images, grids):
            image.set_data(grid)
        for bar, answer, label in zip(bars, answers, episode[1][4:, 0]):
            bar.set_height(answer)
            bar.set_color(GREEN if answer * label > 0 else RED)
        line.set_data(*curve[:frame + 1].T)
        axes["c"].set_title(f"update {count}: {curve[frame, 1]:.0%} of the questions answered rightly")

    save_gif(figure, update, len(scenes), path, fps=4, colors=64)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = srwm.Config(seed=parser.parse_args().seed)
    animate(config, srwm.run(config), Path(__file__).with_name("self_referential_weight_matrix.gif"))
