# SPDX-License-Identifier: Unlicense
"""Animation of rs-parity: python3 rs-parity/make_rs_parity_gif.py [--seed 0] writes rs_parity.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import rs_parity as rs
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.colors import ListedColormap
from PIL import Image, ImageSequence
from visualize_rs_parity import BLUE, NET, ORANGE, RED, running_parity

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
    """Above, one guess follows the running parity or not; below, a row for every guess shown: where its output is right."""
    search = result["history"]["searches"]["a2-no-self"]
    guesses = search["guesses"]
    numbers = np.unique(np.r_[np.arange(min(8, len(guesses))), np.geomspace(8, len(guesses), max(SHOWN - 8, 1)).astype(int) - 1])
    numbers = numbers[numbers < len(guesses)]
    x = np.random.default_rng(config.seed).choice([-1.0, 1.0], (config.long_length, 1))
    parity = running_parity(x)[:, 0]
    outputs = rs.presentation(rs.unpack(guesses[numbers], NET), x[:550])[1][1:, :, 0]
    wrong = np.abs(outputs - parity[:550, None]) >= rs.TOLERANCE
    far = np.abs(rs.presentation(rs.unpack(guesses[numbers[-1:]], NET), x)[1][1:, 0, 0] - parity) >= rs.TOLERANCE
    steps = np.arange(1, 61)

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 4.2), height_ratios=(1, 1.5), layout="constrained")
    top.step(steps, parity[:60], where="mid", color=ORANGE, lw=4, alpha=0.5, label="running parity")
    trace, = top.step(steps, np.full(60, np.nan), where="mid", color=BLUE, lw=1.2, label="output")
    mark, = top.plot([], [], "x", color=RED, ms=9, mew=2, label="first mistake")
    top.set(xlim=(0, 61), ylim=(-0.15, 1.6), xlabel="step", ylabel="output", yticks=(0, 1))
    top.legend(loc="upper right", ncols=3)
    rows = np.zeros((len(numbers), 550))
    colors = ListedColormap(["white", "#9fd8c4", RED])
    picture = bottom.imshow(rows, aspect="auto", cmap=colors, vmin=0, vmax=2, extent=(0.5, 550.5, len(numbers), 0), interpolation="nearest")
    bottom.set(xlabel="step (green: right, red: wrong)", ylabel="guesses shown", yticks=())
    bottom.grid(False)

    def update(frame):
        index = min(frame, len(numbers) - 1)
        trace.set_ydata(outputs[:60, index])
        first = wrong[:60, index].argmax() if wrong[:60, index].any() else None
        mark.set_data(([], []) if first is None else ([first + 1], [outputs[first, index]]))
        rows[index] = 1 + wrong[:, index]
        verdict = "right at every step: found" if not wrong[:, index].any() else f"wrong at {int(wrong[:, index].sum())} of 550 steps"
        figure.suptitle(f"trial {numbers[index] + 1}: {verdict}", fontsize=11)
        picture.set_data(rows)
        if frame > index:  # the winner on a longer and longer sequence
            length = int(np.geomspace(550, len(far), 9)[frame - index])
            picture.set_data(1 + far[None, :length])
            picture.set_extent((0.5, length + 0.5, 1, 0))
            bottom.set(xlim=(0.5, length + 0.5), ylim=(1, 0), ylabel="the winner")
            figure.suptitle(f"trial {numbers[index] + 1}, the winner: wrong at {int(far[:length].sum())} of {length:,} steps", fontsize=11)

    save_gif(figure, update, len(numbers) + 8, path, fps=3, colors=32)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = rs.Config(seed=parser.parse_args().seed)
    animate(config, rs.run(config), Path(__file__).with_suffix("").with_name("rs_parity.gif"))
