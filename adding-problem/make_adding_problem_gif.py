# SPDX-License-Identifier: Unlicense
"""Animation of adding-problem: python3 adding-problem/make_adding_problem_gif.py [--seed 0] writes adding_problem.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import adding_problem as adding
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_adding_problem import BLUE, RED, UNITS, draw_sequence, example, trace

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
    """One fixed sequence, the cells' states and input gates on it, and the running error, while the LSTM trains."""
    curves = result["history"]["curves"]
    curve = curves["lstm"]
    moments = np.unique(np.round(np.linspace(0, 1, 36) ** 1.5 * (len(curve["sequences"]) - 1)).astype(int))
    x, ends, target = example(config)
    traces = [trace(config, curve["theta"][moment], x, ends) for moment in moments]

    figure, axes = plt.subplots(2, 2, figsize=(7, 4.2), layout="constrained", width_ratios=(1.5, 1))
    (top, error), (states, gates) = axes
    draw_sequence(top, x)
    top.set_title("add the two marked numbers (thick)")
    error.plot(curve["sequences"], curve["error"][:, 0, 0], color="#d5e3ef")
    if "rnn" in curves:
        best = int(curves["rnn"]["final_error"][:, 0].argmin())
        error.plot(curves["rnn"]["sequences"], curves["rnn"]["error"][:, best, 0], color=RED, lw=1, label="tanh net")
    line, = error.plot([], [], color=BLUE, label="LSTM")
    error.axhline(0.01, color="black", lw=0.8, ls="--")
    error.set(yscale="log", xlabel="training sequences (thousands)", title="mean absolute error")
    error.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:g}")
    error.legend(loc="upper right", bbox_to_anchor=(1, 0.85))
    limit = 1.05 * max(np.abs(trace_[0]).max() for trace_ in traces[len(traces) // 2:])

    def update(frame):
        moment, (state, gate, output) = moments[frame], traces[frame]
        line.set_data(curve["sequences"][:moment + 1], curve["error"][:moment + 1, 0, 0])
        for axis, values, name, low, high in ((states, state, "cell states", -limit, limit), (gates, gate, "input gates", -0.03, 1.03)):
            axis.clear()
            axis.set_prop_cycle(color=UNITS)
            axis.plot(values, lw=1.1)
            axis.set(ylim=(low, high), xlim=(-1, len(x)), xlabel="step", title=name)
        figure.suptitle(f"after {curve['sequences'][moment]:,} sequences: target {target:.2f}, output {output:.2f}", fontsize=10)

    save_gif(figure, update, len(moments), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = adding.Config(seed=parser.parse_args().seed)
    animate(config, adding.run(config), Path(__file__).with_suffix("").with_name("adding_problem.gif"))
