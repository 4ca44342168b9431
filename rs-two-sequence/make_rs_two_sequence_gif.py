# SPDX-License-Identifier: Unlicense
"""Animation of rs-two-sequence: python3 rs-two-sequence/make_rs_two_sequence_gif.py [--seed 0] writes rs_two_sequence.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import rs_two_sequence as rs
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_rs_two_sequence import BLUE, GREY, ORANGE, RED, traces

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

SHOWN = 28  # guesses, the winner last


def animate(config, result, path):
    """Above, the output of one guess on a sequence of each class; below, how many training sequences each guess gets right."""
    search = result["history"]["searches"]["a1"]
    guesses, data = search["guesses"], search["data"]
    right = rs.judge(guesses, "a1", *data)
    records = np.flatnonzero(right > np.r_[-1, np.maximum.accumulate(right)[:-1]])  # better than all before
    numbers = np.unique(np.r_[records, np.geomspace(1, len(guesses), SHOWN - len(records)).astype(int) - 1])
    x = data[0][:min(80, config.shortest), :2]
    _, outputs = traces(guesses[numbers], "a1", x)
    steps = np.arange(1, len(x) + 1)

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 4.2), layout="constrained")
    lines = [top.plot(steps, np.full(len(x), np.nan), color=color, lw=1.2, label=label)[0]
             for color, label in ((BLUE, "first input -1: should end at 0"), (ORANGE, "first input +1: should end at 1"))]
    top.set(xlim=(0, len(x)), ylim=(-0.1, 1.45), xlabel=f"step, of {config.shortest} to {config.longest}", ylabel="output", yticks=(0, 1))
    top.legend(loc="upper center", ncols=2)
    cloud, = bottom.plot([], [], ".", color=GREY, ms=4)
    now, = bottom.plot([], [], "o", color=RED, ms=7)
    bottom.axhline(len(data[2]), color="black", lw=0.8, ls=":")
    bottom.set(xscale="log", xlim=(0.8, len(guesses) * 1.3), ylim=(-4, len(data[2]) * 1.06), xlabel="trial", ylabel="sequences right before\nthe first mistake")

    def update(frame):
        number = numbers[frame]
        for line, output in zip(lines, outputs[:, frame].T):
            line.set_ydata(output)
        cloud.set_data(np.arange(1, number + 1), right[:number])
        now.set_data([number + 1], [right[number]])
        found = right[number] == len(data[2])
        figure.suptitle(f"trial {number + 1:,}: " + ("all training sequences right: found" if found else f"first mistake at sequence {right[number] + 1}"), fontsize=11)

    save_gif(figure, update, len(numbers), path, fps=3, hold=4.0, colors=40)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = rs.Config(seed=parser.parse_args().seed)
    animate(config, rs.run(config), Path(__file__).with_suffix("").with_name("rs_two_sequence.gif"))
