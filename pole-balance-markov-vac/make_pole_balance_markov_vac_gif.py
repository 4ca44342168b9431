# SPDX-License-Identifier: Unlicense
"""Animation of pole-balance-markov-vac: python3 pole-balance-markov-vac/make_pole_balance_markov_vac_gif.py [--seed 0] writes pole_balance_markov_vac.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pole_balance_markov_vac as vac

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_pole_balance_markov_vac import BLUE, GREY, ORANGE, RED

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

SHOWN, FRAMES = 240, 11  # steps of a trial that are shown, and frames for them


def replay(actor, critic, rng):
    """One sampled trial of one learner -> states (T, 4), values (T, 2), where T is at most TRIAL_STEPS."""
    state, states, values = rng.uniform(-vac.START, vac.START, (4, 1)), [], []
    while len(states) < vac.TRIAL_STEPS and not vac.beyond(state).any():
        states.append(state[:, 0])
        values.append(vac.forward(critic, vac.look(state, 0, 1))[0][:, 0])
        state = vac.cart_pole_step(state, vac.act(actor, np.zeros(1, bool), np.zeros(1), rng, state))
    return np.array([*states, state[:, 0]]), np.array([*values, values[-1]])


def animate(config, result, path):
    """Trials of the first learner at four moments: cart and pole on the left, what the critic predicts on the right."""
    trained = result["history"]["trained"]
    snapshots, lengths = trained["snapshots"], np.array([length for length, _ in trained["trials"][0]])
    last = len(lengths)
    moments = [0, last // 4, last // 2, last]
    trials = [replay(*snapshots[moment][1:], np.random.default_rng(config.seed)) for moment in moments]

    figure = plt.figure(figsize=(7, 3.7), layout="constrained")
    axes = figure.subplot_mosaic([["cart", "value"], ["trials", "value"]], width_ratios=(1.5, 1), height_ratios=(1.6, 1))
    stage, value, curve = axes["cart"], axes["value"], axes["trials"]
    stage.set(xlim=(-2.6, 2.6), ylim=(-0.25, 1.35), yticks=[], aspect="equal", xlabel="x (m)")
    stage.grid(False)
    stage.plot([-2.4, 2.4], [0, 0], color=GREY, lw=1)
    for edge in (-2.4, 2.4):
        stage.plot([edge, edge], [-0.1, 0.1], color=RED, lw=2)
    cart, = stage.plot([], [], color="black", lw=9, solid_capstyle="butt")
    pole, = stage.plot([], [], color=ORANGE, lw=4)
    value.set(xlim=(0, SHOWN), ylim=(-5, 135), xlabel="step of the trial", title="what the critic predicts")
    lines = [value.plot([], [], color=color, label=label)[0] for color, label in ((BLUE, "pole: steps up, discounted"), (ORANGE, "cart: steps near the middle"))]
    value.axhline(100, color=GREY, lw=0.8, ls=":")
    value.legend(loc="upper left", fontsize=8)
    curve.plot(np.arange(1, last + 1), lengths, color=GREY, lw=1)
    curve.set(xlim=(0, last + 1), ylim=(0, 1060), xlabel="training trial", ylabel="steps")
    mark, = curve.plot([], [], "o", color=RED, ms=5)

    def update(frame):
        states, values = trials[frame // FRAMES]
        trial, end = moments[frame // FRAMES], len(states) - 1
        now = round(min(end, SHOWN) * (frame % FRAMES) / (FRAMES - 1))
        x, angle = states[now, [vac.X, vac.ANGLE]]
        cart.set_data([x - 0.25, x + 0.25], [0.06, 0.06])
        pole.set_data([x, x + np.sin(angle)], [0.12, 0.12 + np.cos(angle)])
        pole.set_color(RED if now == end < vac.TRIAL_STEPS else ORANGE)
        for line, series in zip(lines, values.T):
            line.set_data(np.arange(now + 1), series[:now + 1])
        mark.set_data([max(trial, 1)], [lengths[max(trial, 1) - 1]])
        word = "before learning" if trial == 0 else f"after {trial} trials"
        fell = "fell" if np.abs(states[-1, vac.ANGLE]) > vac.LIMITS[1, 0] else "left the track"
        figure.suptitle(f"{word}: step {now}, " + (f"{fell} after {end}" if end < vac.TRIAL_STEPS else f"balanced all {end}"), fontsize=10)

    save_gif(figure, update, FRAMES * len(moments), path, fps=5)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = vac.Config(seed=parser.parse_args().seed)
    animate(config, vac.run(config), Path(__file__).with_suffix("").with_name("pole_balance_markov_vac.gif"))
