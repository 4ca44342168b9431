# SPDX-License-Identifier: Unlicense
"""Animation of embedded-reber: python3 embedded-reber/make_embedded_reber_gif.py [--seed 0] writes embedded_reber.gif."""
import argparse
from pathlib import Path

import embedded_reber as reber
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_embedded_reber import BLUE, RED, answer, example, show_prediction

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
    """What the LSTM predicts on one test string, and its wrong steps at the outer letter and elsewhere, while it learns."""
    curve, string = result["history"]["curves"]["lstm"], example(result["history"])
    last = len(curve["theta"]) - 1
    frames = np.unique(np.round(np.linspace(0, 1, 40) ** 1.5 * last).astype(int))
    seen = [answer(config, "lstm", curve["theta"][frame], string)[0] for frame in frames]

    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7, 4.6), layout="constrained", height_ratios=(1.5, 1))
    image = show_prediction(top, seen[-1], string)
    top.set(ylabel="predicted next", xlabel="a test string: symbol seen last (framed: legal next; red: the outer letter)")
    for axis, name, color, label in ((bottom, "outer", RED, "at the outer letter"), (bottom, "inner", BLUE, "at all other steps")):
        axis.plot(curve["presentations"], curve[name][:, 0] / result["history"]["steps"][name], color=color, label=label)
    now = bottom.axvline(0, color="black", lw=1)
    bottom.set(ylim=(-0.03, 1.05), xlim=(0, curve["presentations"][-1]), xlabel="strings presented", ylabel="share wrong", title="256 training and 256 test strings")
    bottom.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=2)

    def update(frame):
        presented = 25 * frames[frame]
        image.set_data(seen[frame].T)
        now.set_xdata([presented, presented])
        wrong = sum(np.interp(presented, curve["presentations"], curve[name][:, 0]) for name in ("inner", "outer"))
        top.set_title(f"after {presented:,} strings" + (": every legal symbol above every illegal one, on all 512 strings" if frame == len(frames) - 1 and wrong == 0 else ""))

    save_gif(figure, update, len(frames), path, fps=6, colors=200)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = reber.Config(seed=parser.parse_args().seed)
    animate(config, reber.run(config), Path(__file__).with_suffix("").with_name("embedded_reber.gif"))
