# SPDX-License-Identifier: Unlicense
"""Animation of flip-flop: python3 flip-flop/make_flip_flop_gif.py [--seed 0] writes flip_flop.gif."""
import argparse
from pathlib import Path

import flip_flop as ff
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_flip_flop import BLUE, GREEN, GREY, RED, SKY, contexts, show_events

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
    """One test stream, acted in again and again while M and K learn: M's prediction above, K's answers below, right both on all armed B's."""
    history = result["history"]
    snapshots, events = history["trained"]["snapshots"], history["events"]
    moments = [snapshots[n] for n in sorted({int(n) for n in np.linspace(0, len(snapshots) - 1, 40)})]
    scenes = [ff.foresight(controller, model, events, config.task) for _, controller, model in moments]
    armed_b, other_b = list(contexts(events).values())[:2]
    steps = np.array([moment[0] for moment in moments]) / 1000
    stream, length = 1, min(44, len(events))
    answer = scenes[0][2][:length, stream]

    figure = plt.figure(figsize=(7, 3.6), layout="constrained")
    axes = figure.subplot_mosaic([["model", "model_curve"], ["controller", "controller_curve"]], width_ratios=(2.6, 1))
    for name, title in (("model", "M: predicted pain of answering 1 minus that of 0\n"), ("controller", "K: probability of answering 1")):
        show_events(axes[name], events[:length, stream], first=False)
        axes[name].set_title(title)
        axes[name].set_xticks([])
    for t, event in enumerate(events[:length, stream]):
        axes["model"].text(t, 1.38, "XAB"[event], ha="center", fontsize=7.5, color="#bbbbbb" if event == ff.X else "black")
    axes["model"].set_ylim(-1.3, 1.3)
    axes["model"].axhline(0, color="black", lw=0.8)
    axes["controller"].set(ylim=(0, 1.1), xlabel="steps of one test stream (shaded: armed)")
    axes["controller"].plot(np.flatnonzero(answer), np.full(answer.sum(), 1.03), "o", color=GREEN, ms=4)
    model_bars = axes["model"].bar(range(length), np.zeros(length), 0.75)
    bars = axes["controller"].bar(range(length), np.zeros(length), 0.75, color=SKY)
    curves = {}
    for name, title in (("model_curve", "mean on B\n"), ("controller_curve", "mean on B")):
        axes[name].set_title(title)
        curves[name] = [axes[name].plot([], [], color=color, label=label)[0] for color, label in ((BLUE, "armed"), (GREY, "used up"))]
        axes[name].set_xlim(0, steps[-1])
    axes["model_curve"].set_ylim(-1.3, 1.3)
    axes["controller_curve"].set(ylim=(0, 1.1), xlabel="thousand steps")
    axes["model_curve"].legend(loc="lower left")
    slopes = np.array([pain[1] - pain[0] for pain, _, _ in scenes])
    chances = np.array([ff.logistic(run.output[:, 0, 0]) for _, run, _ in scenes])

    def update(frame):
        for t in range(length):
            slope, chance = slopes[frame, t, stream], chances[frame, t, stream]
            model_bars[t].set(height=slope, color=BLUE if slope < 0 else GREY)
            bars[t].set(height=chance, color=SKY if (chance > 0.5) == answer[t] else RED)
        for name, values in (("model_curve", slopes), ("controller_curve", chances)):
            for line, mask in zip(curves[name], (armed_b, other_b)):
                line.set_data(steps[:frame + 1], values[:frame + 1, mask].mean(1))
        wrong = int(((chances[frame, :, :] > 0.5) != scenes[frame][2]).sum())
        figure.suptitle(f"after {moments[frame][0]:,d} steps in the world: {wrong} of {events.size:,d} test answers wrong (red: pain)", fontsize=10)

    save_gif(figure, update, len(moments), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = ff.Config(seed=parser.parse_args().seed)
    animate(config, ff.run(config), Path(__file__).with_suffix("").with_name("flip_flop.gif"))
