# SPDX-License-Identifier: Unlicense
"""Animation of fast-weights-key-value: python3 fast-weights-key-value/make_fast_weights_key_value_gif.py [--seed 0] writes fast_weights_key_value.gif."""
import argparse
from pathlib import Path

import fast_weights_key_value as fw
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_fast_weights_key_value import BLUE, RED

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
    """Learning of the tanh programmer, sum rule: what the five keys of one episode have in common, one answer, all answers."""
    history = result["history"]["continuous"]
    seen, (_, values, _) = history["snapshots"]["sum_rule"], history["shown"]
    ceiling = result["metrics"]["continuous_keys_mean_cosine_analytic_linear_sum_n5"]
    target, answers = values[0, 0], np.array(seen.reads)[:, 0]
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7, 2.9), width_ratios=(1, 1.25, 1.25), layout="constrained")
    image = left.imshow(seen.grams[0], cmap="RdBu", vmin=-1, vmax=1)
    left.set(xticks=[], yticks=[], xlabel="stored pairs", ylabel="questions")
    left.set_title("overlap of 5 keys", fontsize=9)
    left.grid(False)
    places, edges = np.arange(8), np.linspace(-1, 1, 41)
    middle.bar(places, target, width=0.8, color="#d0d0d0", label="value")
    answer = middle.plot(places, target, "o", color=BLUE, ms=5, label="answer")[0]
    span = 1.5 * np.abs(target).max()
    middle.set(ylim=(-span, 1.4 * span), xticks=[], xlabel="component", yticks=[0])
    middle.set_title("one question: answer and value", fontsize=9)
    middle.legend(loc="upper center", ncols=2, fontsize=7, columnspacing=0.8, handletextpad=0.4)
    bars = right.bar(edges[:-1] + 0.025, np.zeros(40), width=0.05, color=BLUE)
    right.axvline(ceiling, color=RED, lw=1.2, ls="--", label="mean, direction removed")
    mean = right.axvline(0, color="black", lw=1.2, label="mean, now")
    right.set(xlim=(-1, 1.02), ylim=(0, 100), xlabel="cosine of answer and value", ylabel="answers (%)")
    right.set_title("400 answers, 80 episodes", fontsize=9)
    right.legend(loc="upper left", fontsize=7, frameon=True, facecolor="white", edgecolor="none", framealpha=1)

    def update(frame):
        found = seen.cosines[frame]
        image.set_data(seen.grams[frame])
        answer.set_ydata(np.clip(answers[frame], -span, span))
        for bar, count in zip(bars, np.histogram(found, edges)[0]):
            bar.set_height(100 * count / len(found))
        mean.set_xdata([found.mean()] * 2)
        figure.suptitle(f"after {seen.updates_seen[frame]} updates: mean cosine {found.mean():.2f}", fontsize=10)

    save_gif(figure, update, len(seen.grams), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = fw.Config(seed=parser.parse_args().seed, task="continuous")
    animate(config, fw.run(config), Path(__file__).with_name("fast_weights_key_value.gif"))
