# SPDX-License-Identifier: Unlicense
"""Animation of pole-balance-non-markov: python3 pole-balance-non-markov/make_pole_balance_non_markov_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pole_balance_non_markov as pole
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from pole_balance_non_markov_cart import TIME_STEP
from visualize_pole_balance_non_markov import BLUE, GREY, ORANGE, UNITS, first_run

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


WARM_UP, HORIZON, STRIDE = 5, 60, 6


def compare(log, config, cycle):
    """The first run after a cycle: real and imagined positions (HORIZON + 1, 2) in m and degrees, both steered by K, from the same five real steps on."""
    controller, model = first_run(log, config, cycle)
    start = np.array([-0.3, 0.0, 0.06, 0.3]).reshape(1, 4, 1)
    steps = pole.Trials.record(pole.Controller(controller), start, WARM_UP + HORIZON).whole()
    window = steps[:WARM_UP + 1]
    imagined = np.stack(pole.imagine(controller, model, window[:, :, :4], window[:-1, :, 4:], HORIZON)[2])[:, 0, :, 0]
    real = pole.observe(steps)[WARM_UP:, 0, :, 0] * UNITS[:, 0]
    real = np.concatenate([real, np.full((HORIZON + 1 - len(real), 2), np.nan)])
    return real, np.concatenate([real[:1], imagined * UNITS[:, 0]])


def animate(config, result, path):
    """The cart in reality and in M's imagination after each cycle; below, how long K balances, against real trials."""
    log = result["history"]["logs"]["main"]
    cycles, time = log["cycles_used"][0], TIME_STEP * np.arange(HORIZON + 1)
    both = [compare(log, config, cycle) for cycle in range(cycles + 1)]
    moments = np.arange(0, HORIZON + 1, STRIDE)
    frames = [(cycle, moment) for cycle in range(cycles + 1) for moment in moments]
    trials = config.random_trials + config.cycle_trials * np.arange(1, cycles + 1)

    figure = plt.figure(figsize=(7, 3.9), layout="constrained")
    axes = figure.subplot_mosaic([["cart", "angle"], ["cart", "trials"]], width_ratios=(1.25, 1))
    scene, angle, progress = axes["cart"], axes["angle"], axes["trials"]
    scene.plot([-2.4, 2.4], [0, 0], color=GREY, lw=2)
    scene.set(xlim=(-2.6, 2.6), ylim=(-0.5, 2.6), yticks=[], xlabel="x (m)")
    scene.spines["left"].set_visible(False)
    scene.grid(False)
    poles = [scene.plot([], [], "-", color=color, lw=width, solid_capstyle="round", label=label)[0]
             for color, width, label in ((ORANGE, 3, "imagined by M"), (BLUE, 6, "real"))]
    carts = [scene.plot([], [], "s", color=color, ms=size)[0] for color, size in ((ORANGE, 10), (BLUE, 18))]
    scene.legend(loc="upper left", ncols=2)
    lines = [angle.plot([], [], color=color, lw=width)[0] for color, width in ((ORANGE, 1.4), (BLUE, 2.4))]
    angle.axhline(12, color="black", lw=0.8, ls="--")
    angle.axhline(-12, color="black", lw=0.8, ls="--")
    angle.set(xlim=(0, time[-1]), ylim=(-16, 16), xlabel="time (s)", ylabel="angle (degrees)")
    dots, = progress.plot([], [], "-o", color=BLUE, ms=4)
    progress.axhline(1000, color="black", lw=0.8, ls="--")
    progress.set(xlim=(config.random_trials, trials[-1] + 15), ylim=(20, 3000), yscale="log", xlabel="real trials so far", ylabel="steps balanced")

    def update(frame):
        cycle, moment = frame
        for number, positions in enumerate(both[cycle][::-1]):
            x, tilt = positions[moment] if np.isfinite(positions[moment]).all() else positions[np.isfinite(positions[:, 0])][-1]
            tilt = np.radians(np.clip(tilt, -90, 90))
            poles[number].set_data([x, x + 2 * np.sin(tilt)], [0.15, 0.15 + 2 * np.cos(tilt)])
            carts[number].set_data([x], [0.1])
            lines[number].set_data(time[:moment + 1], positions[:moment + 1, 1])
        dots.set_data(trials[:cycle], log["validation_steps"][:cycle, 0])
        figure.suptitle(f"after cycle {cycle}, {trials[cycle - 1]} real trials: K balances {log['validation_steps'][cycle - 1, 0]:.0f} steps" if cycle else
                        "before learning", fontsize=10)

    save_gif(figure, update, frames, path, fps=6)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = pole.Config(seed=parser.parse_args().seed)
    animate(config, pole.run(config), Path(__file__).with_suffix("").with_name("pole_balance_non_markov.gif"))
