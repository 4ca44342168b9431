# SPDX-License-Identifier: Unlicense
"""Animation of neural-data-router: python3 neural-data-router/make_neural_data_router_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import matplotlib
import neural_data_router as ndr
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_neural_data_router import BLUE, ORANGE, partial_results, symbol_names

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
    """One long chain at moments of learning: gates, and the value decoded in each column after each step; right, accuracy by depth."""
    history = result["history"]
    film, curve = history["runs"]["ndr"]["film"], dict(history["runs"]["ndr"]["curve"])
    partial = partial_results(history["shown"], history["tables"], config.order)
    steps, columns = len(film[0][1][0]), len(partial)
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 4.3), gridspec_kw={"width_ratios": (1.9, 1)}, layout="constrained")
    image = left.imshow(film[-1][1][0], vmin=0, vmax=0.8, cmap="Blues", aspect="auto")
    left.grid(False)
    texts = {(t, i): left.text(i, t, "", ha="center", va="center", fontsize=8) for t, i in np.ndindex(steps, columns)}
    left.set(xticks=range(columns), xticklabels=symbol_names(history["shown"], config.values), yticks=range(steps), yticklabels=range(1, steps + 1),
             xlabel="start value, then tables", ylabel="step")
    left.set_title("blue: gate open; green: value right", fontsize=9)
    depths = range(1, config.test_depth + 1)
    bars = right.bar(depths, curve[0], color=[BLUE if depth <= config.train_depth else ORANGE for depth in depths])
    right.axhline(1 / config.values, color="black", lw=0.8, ls=":")
    right.set(ylim=(0, 1.03), xticks=depths, xlabel="lookups (orange: not in training)", title="share of right answers")
    right.title.set_fontsize(9)
    title = figure.suptitle("", x=0.01, ha="left", fontsize=10)

    def update(frame):
        moment, (opened, decoded, _) = film[frame]
        image.set_data(opened)
        for (t, i), text in texts.items():
            good = decoded[t, i] == partial[i]
            text.set(text=str(decoded[t, i]), color="#006040" if good else "#b0b0b0", fontweight="bold" if good else "normal")
        for bar, height in zip(bars, curve[moment]):
            bar.set_height(height)
        title.set_text(f"the router after {moment} updates: a chain of {config.test_depth} lookups, trained on up to {config.train_depth}")

    count = len(film)
    save_gif(figure, update, sorted({min(count - 1, int(count * share)) for share in np.linspace(0, 1, 40) ** 1.7}), path, fps=4, colors=40)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = ndr.Config(seed=parser.parse_args().seed, models="ndr")
    animate(config, ndr.run(config), Path(__file__).with_name("neural_data_router.gif"))
