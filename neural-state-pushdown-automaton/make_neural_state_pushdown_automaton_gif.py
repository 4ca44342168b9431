# SPDX-License-Identifier: Unlicense
"""Animation of neural-state-pushdown-automaton: make_neural_state_pushdown_automaton_gif.py [--seed 0] writes the GIF."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import neural_state_pushdown_automaton as nspda
from matplotlib.animation import FuncAnimation, PillowWriter
from neural_state_pushdown_automaton_cells import trace, unpack
from neural_state_pushdown_automaton_grammars import grammar
from PIL import Image, ImageSequence
from visualize_neural_state_pushdown_automaton import BLUE, GREEN, GREY, ORANGE, RED, SKY, draw_stack

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

CONTEXTS = ((0, 2, 0, 0, "push a on #", BLUE, "-"), (0, 0, 0, 0, "push a on a", SKY, "-"), (0, 0, 1, 0, "pop a at the first b", ORANGE, "-"),
            (1, 0, 1, 0, "pop a at a later b", RED, "--"))  # state, top, input, action neuron of a^n b^n, label
STRINGS = ("aaaaaabbbbbb", "aaaaaabbbbb")


def animate(config, result, path):
    """Hint #1 on a^n b^n: left the action weights of the four contexts that matter, right what the net does with a^6 b^6 and a^6 b^5."""
    part = result["history"]["hint1_anbn"]
    outcome, snapshots = part["outcome"], part["snapshots"]
    finite = np.where(np.isfinite(outcome.epochs), outcome.epochs, -1)
    net = int(finite.argmax())  # the net that took longest among those that learned it
    shape, machine = result["history"]["nets"]["anbn"]["hint1"][1], grammar("anbn")
    frames = [snap for snap in snapshots if snap[0] <= max(finite[net], 12) + 3]
    tables = [unpack(theta[net:net + 1], shape)[0].reshape(shape.neurons, shape.states, shape.size, shape.size) for _, theta, _, _ in frames]
    epochs = [epoch for epoch, *_ in frames]
    figure = plt.figure(figsize=(7, 4.2))
    grid = figure.add_gridspec(2, 2, width_ratios=(1.1, 1), height_ratios=(2, 2))
    left, low = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
    right = [figure.add_subplot(grid[row, 1]) for row in (0, 1)]

    def update(frame):
        for axis in (left, low, *right):
            axis.clear()
        epoch, theta, limits, errors = frames[frame]
        left.axhspan(0.2615, 3, color="#dceefb", lw=0)
        left.axhspan(-3, -0.1805, color="#fbe6d6", lw=0)
        for state, top, symbol, neuron, label, color, style in CONTEXTS:
            left.plot(epochs[:frame + 1], [table[shape.states + neuron, state, top, symbol] for table in tables[:frame + 1]], style, color=color, label=label)
        reach = 1.1 * max(abs(table[shape.states, state, top, symbol]) for table in tables for state, top, symbol, *_ in CONTEXTS)
        left.set(xlim=(0, epochs[-1]), ylim=(-reach, 1.7 * reach), ylabel="action weight", title=f"push above, pop below: epoch {epoch}")
        left.legend(loc="upper left", fontsize=7, handlelength=1.3, ncols=2)
        low.plot(epochs[:frame + 1], [limit[net] for _, _, limit, _ in frames[:frame + 1]], color=GREEN, drawstyle="steps-post", label="longest string shown")
        low.plot(epochs[:frame + 1], [100 * error[net] for *_, error in frames[:frame + 1]], color=GREY, label="validation error, percent")
        low.set(xlim=(0, epochs[-1]), ylim=(0, 72), xlabel="epoch")
        low.legend(loc="upper right", fontsize=7)
        for axis, text in zip(right, STRINGS):
            seen = trace(nspda.discretise(theta[net:net + 1], shape), shape, machine.parse(text))
            draw_stack(axis, seen["stack"], [*text, "#"], machine.alphabet, 7)
            axis.set_title(f"{text[:6]}{text[6:]}: {'accepted' if seen['answer'][-1] > 0.5 else 'rejected'}")
            axis.set_ylabel("stack")
        return []

    save_gif(figure, update, len(frames), path, fps=3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = nspda.Config(seed=parser.parse_args().seed)
    animate(config, nspda.run(config), Path(__file__).parent / "neural_state_pushdown_automaton.gif")
