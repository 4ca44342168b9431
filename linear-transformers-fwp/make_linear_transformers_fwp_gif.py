# SPDX-License-Identifier: Unlicense
"""Animation of linear-transformers-fwp: python3 linear-transformers-fwp/make_linear_transformers_fwp_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import linear_transformers_fwp as fwp
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_linear_transformers_fwp import COLORS, LABELS

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

SHOWN = ("elu", "dpfp1", "dpfp2")


def animate(config, result, path):
    """The kernels of three maps while they learn the same number of keys; below, their losses and floors."""
    size = config.film
    found = {name: result["history"]["capacity"]["found"][name, size] for name in SHOWN}
    last = max(len(one["losses"]) for one in found.values()) - 1
    steps = np.unique(np.geomspace(1, last, 40).astype(int))
    figure = plt.figure(figsize=(7, 5.2), layout="constrained")
    axes = figure.subplot_mosaic([list(SHOWN), ["loss"] * 3], height_ratios=(1.35, 1))
    images, curves = {}, {}
    for name, one in found.items():
        images[name] = axes[name].imshow(one["film"][0][1], vmin=0, vmax=1)
        axes[name].set(title=f"{LABELS[name]}: {fwp.feature_count(name, config.width)} features", xticks=[], yticks=[], xlabel="key")
        axes[name].grid(False)
        curves[name], = axes["loss"].plot([], [], color=COLORS[name], label=LABELS[name])
        axes["loss"].axhline(max(one["floor"], 1e-9), color=COLORS[name], lw=0.9, ls=":")
    axes["elu"].set_ylabel("query")
    axes["loss"].set(xscale="log", xlim=(1, last), ylim=(-0.02, 0.55), xlabel="Adam steps (dotted: the floor set by the number of features)", ylabel="loss")
    axes["loss"].legend(loc="lower left")
    title = figure.suptitle("", x=0.01, ha="left", fontsize=10)

    def update(step):
        for name, one in found.items():
            frame = max(k for k, (moment, _) in enumerate(one["film"]) if moment <= step)
            images[name].set_data(one["kernel"] if step >= len(one["losses"]) - 1 else one["film"][frame][1])
            upto = min(step, len(one["losses"]) - 1) + 1
            curves[name].set_data(np.arange(1, upto + 1), one["losses"][:upto])
        title.set_text(f"{size} keys for one memory: what each query gets from each key, step {step}")

    save_gif(figure, update, steps, path, fps=5, colors=40)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = fwp.Config(seed=parser.parse_args().seed)
    animate(config, fwp.run(config), Path(__file__).with_name("linear_transformers_fwp.gif"))
