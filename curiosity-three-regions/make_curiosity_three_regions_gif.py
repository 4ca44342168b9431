# SPDX-License-Identifier: Unlicense
"""Animation of curiosity-three-regions: python3 curiosity-three-regions/make_curiosity_three_regions_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import curiosity_three_regions as ctr
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_curiosity_three_regions import BLUE, RED, outline

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
    """One small world: where the agent was lately, what C believes M's error to be, and E(t) beside the agent that is paid for error."""
    curious, failed = result["history"]["curious"], result["history"]["error"]
    end = min(int(1.6 * np.median(curious["learned"][:config.worlds])), len(curious["snapshots"]) * 25 - 1)
    moments = np.unique(np.linspace(25, end, 36).astype(int) // 25 * 25)
    figure, axes = plt.subplots(1, 3, figsize=(7, 2.7), layout="constrained", width_ratios=(1, 1, 1.2))
    blank = np.zeros((ctr.SIDE, ctr.SIDE))
    images = [axis.imshow(blank, vmin=0, vmax=top) for axis, top in zip(axes, (6, 1.1))]
    for axis, title in zip(axes, ("last 100 steps (dot: agent)", "error that C predicts")):
        outline(axis, curious["region"][0])
        axis.set_title(title, fontsize=9)
    for place, name in (((2, 5), "A known"), ((7, 3), "B noise"), ((8, 8), "C")):
        axes[0].text(*place, name, fontsize=8, ha="center", va="center", bbox={"fc": "white", "ec": "none", "pad": 1})
    dot, = axes[0].plot([], [], "o", color="white", ms=6, mec="black")
    lines = [axes[2].plot([], [], color=color, label=label)[0] for color, label in ((BLUE, "curious"), (RED, "paid for error"))]
    axes[2].axhline(ctr.LEARNED, color="black", ls=":", lw=0.8)
    axes[2].set(xlim=(0, end), ylim=(0, 1.35), xlabel="steps", title="E(t) / E(0)")
    axes[2].legend(loc="upper right")

    def update(moment):
        times = np.bincount(curious["cell"][max(0, moment - 100):moment, 0], minlength=ctr.CELLS)
        images[0].set_data(times.reshape(ctr.SIDE, ctr.SIDE))
        images[1].set_data(curious["snapshots"][moment // 25][1].reshape(ctr.SIDE, ctr.SIDE))
        row, column = divmod(int(curious["cell"][moment - 1, 0]), ctr.SIDE)
        dot.set_data([column], [row])
        for line, trace in zip(lines, (curious, failed)):
            line.set_data(range(0, moment + 1, 5), trace["error"][:moment + 1:5, 0] / trace["error"][0, 0])
        figure.suptitle(f"after {moment} steps", fontsize=10)

    save_gif(figure, update, moments, path, fps=5, colors=48)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = ctr.Config(seed=parser.parse_args().seed)
    animate(config, ctr.run(config), Path(__file__).with_name("curiosity_three_regions.gif"))
