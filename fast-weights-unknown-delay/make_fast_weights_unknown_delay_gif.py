# SPDX-License-Identifier: Unlicense
"""Animation of fast-weights-unknown-delay: python3 fast-weights-unknown-delay/make_fast_weights_unknown_delay_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import fast_weights_unknown_delay as fw
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_fast_weights_unknown_delay import BLUE, GREEN, GREY, RED, SKY, typical

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

WINDOW = 40


def animate(config, result, path):
    """One net of eq. 4 in its first steps: a window slides over its stream; below, what the slow net has learned, and the error so far."""
    history = result["history"]["flipflop"]
    net = typical(history)
    solved = history["lessons"]["solved"]["eq4"][net]
    events, target, answer, fast, slow = (column[..., net] for column in history["lessons"]["film"])
    last = int(min(len(events), solved + 20))
    ends = np.unique(np.linspace(WINDOW, last, 42).astype(int))
    error = np.abs(target - answer)
    smooth = np.convolve(error, np.ones(20) / 20)[:len(error)]

    figure = plt.figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplot_mosaic([["answer", "answer"], ["weight", "weight"], ["push", "error"]], height_ratios=(1.25, 1, 1.3), width_ratios=(1, 2))
    places = np.arange(WINDOW)
    letters = [axes["answer"].text(place, 1.25, "", ha="center", fontsize=8) for place in places]
    bars = axes["answer"].bar(places, np.zeros(WINDOW), 0.8, color=SKY)
    said, = axes["answer"].plot(places, np.zeros(WINDOW), "o", color=GREEN, ms=4)
    off, = axes["answer"].plot([], [], "x", color=RED, ms=6, mew=2)
    axes["answer"].set(xlim=(-1, WINDOW), ylim=(-0.15, 1.6), xticks=[], yticks=(0, 1), ylabel="answer")
    held, = axes["weight"].plot(places, np.zeros(WINDOW), color=BLUE, drawstyle="steps-mid")
    axes["weight"].set(xlim=(-1, WINDOW), ylim=(-0.1, 1.1), xticks=[], yticks=(0, 1), ylabel="weight of B")
    push = axes["push"].bar(("A", "B", "C"), np.zeros(3), color=(GREEN, RED, GREY))
    axes["push"].axhline(0, color="black", lw=0.8)
    reach = 1.15 * np.abs(slow[:last, fw.B]).max()
    axes["push"].set(ylim=(-reach, reach), title="slow net: push of each event", ylabel="on weight of B")
    curve, = axes["error"].plot([], [], color=BLUE)
    axes["error"].axhline(0.05, color="black", lw=0.8, ls=":")
    axes["error"].set(xlim=(0, last), ylim=(0, 0.6), title="mean error of the last 20 steps", xlabel="steps of online learning")

    def update(end):
        shown = slice(end - WINDOW, end)
        for letter, bar, event, d in zip(letters, bars, events[shown], target[shown]):
            letter.set(text="ABC"[event], color=("black", BLUE, "#aaaaaa")[event])
            bar.set_height(d)
        wrong = np.flatnonzero(error[shown] > 0.05)
        said.set_ydata(answer[shown])
        off.set_data(wrong, answer[shown][wrong])
        held.set_ydata(fast[shown, fw.B])
        for bar, value in zip(push, slow[end - 1, fw.B]):
            bar.set_height(value)
        curve.set_data(np.arange(end), smooth[:end])
        note = "solved" if end >= solved else "learning"
        axes["answer"].set_title(f"step {end}: {note}   (bar: target, dot: answer, cross: off by more than 0.05)")

    save_gif(figure, update, ends, path, fps=5, colors=48)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = fw.Config(seed=parser.parse_args().seed)
    animate(config, fw.run(config), Path(__file__).with_name("fast_weights_unknown_delay.gif"))
