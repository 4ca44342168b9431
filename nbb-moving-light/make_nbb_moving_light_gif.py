# SPDX-License-Identifier: Unlicense
"""Animation of nbb-moving-light: python3 nbb-moving-light/make_nbb_moving_light_gif.py [--seed 0] writes nbb_moving_light.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nbb_moving_light as nbb
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_nbb_moving_light import BLUE, DIRECTIONS, GREEN, ORANGE, RED, race

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
    """The light crosses the retina; below, how far the right output is ahead so far; right, both final margins during training."""
    main = result["history"]["outcomes"]["main"]
    ahead = race(main["weights"], config)
    stable = main["stable100"][0]
    end = int(min(2 * stable, len(main["weights"]) - 1))  # if it never got there: all
    moments = np.linspace(0, end, 10).astype(int)
    reads, shown = len(ahead), ahead[..., :end + 1]
    height = (1.1 * shown.min(), 1.1 * shown.max())

    figure = plt.figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplot_mosaic([["retina0", "retina1", "margins"], ["race0", "race1", "margins"]], height_ratios=(1, 2.2), width_ratios=(1, 1, 1.5))
    lights, bars = [], []
    for direction in range(2):
        retina, axis = axes[f"retina{direction}"], axes[f"race{direction}"]
        retina.scatter(range(1, config.cells + 1), [0] * config.cells, s=130, color="white", edgecolor="#444444")
        lights.append(retina.scatter([1], [0], s=130, color=ORANGE, edgecolor="#444444", zorder=3))
        retina.set(xlim=(0.3, config.cells + 0.7), ylim=(-1, 1))
        retina.set_title(DIRECTIONS[direction], loc="center")
        retina.axis("off")
        bars.append(axis.bar(range(1, reads + 1), [0] * reads, 0.7))
        axis.axhline(0, color="black", lw=0.8)
        axis.set(xlim=(0.3, config.cells + 0.7), ylim=height, xticks=range(1, config.cells + 1), xlabel="tick")
    axes["race0"].set_ylabel("right output\nahead by (%)")
    axes["race1"].set_yticklabels([])
    margins, lines = axes["margins"], []
    for direction, color in enumerate((BLUE, RED)):
        lines += margins.plot([], [], color=color, lw=1, label=DIRECTIONS[direction])
    margins.axhline(0, color="black", lw=0.8)
    margins.set(xlim=(0, end), ylim=height, xlabel="presentations", title="at the last tick")
    margins.legend(loc="upper left")

    def update(frame):
        moment, tick = moments[frame // reads], frame % reads
        for direction in range(2):
            lights[direction].set_offsets([[tick + 1 if direction == 0 else config.cells - tick, 0]])
            for column, bar in enumerate(bars[direction]):
                lead = ahead[column, direction, moment]
                bar.set(height=lead, color=GREEN if lead > 0 else RED, visible=column <= tick)
            lines[direction].set_data(range(moment + 1), ahead[-1, direction, :moment + 1])
        right = int((ahead[-1, :, moment] > 0).sum())
        figure.suptitle(f"after {moment} presentations: {right} of 2 directions right at the last tick", fontsize=10)

    save_gif(figure, update, len(moments) * reads, path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = nbb.Config(seed=parser.parse_args().seed)
    animate(config, nbb.run(config), Path(__file__).with_suffix("").with_name("nbb_moving_light.gif"))
