# SPDX-License-Identifier: Unlicense
"""Animation of levin-add-positions: python3 levin-add-positions/make_levin_add_positions_gif.py [--seed 0] writes levin_add_positions.gif."""
import argparse
from pathlib import Path

import levin_add_positions as levin
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_levin_add_positions import BLUE, GREEN, RED, draw_cloud, draw_storage

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


def execution(program, steps):
    """The state after each of `steps` steps of the found program -> list of (work cells, weights, instruction pointer)."""
    cells, weights, address, states = list(program), [], 0, []
    for step in range(1, max(steps) + 1):
        executed = address
        _, address, _ = levin.execute(cells, len(program), weights, address, step - 1, step)
        if step in steps:
            states.append((cells[len(program):], list(weights), executed))
    return states


def animate(config, result, path):
    """The phases: more and more programs can be afforded, until the ramp is among them. Then it runs, step by step."""
    history = result["history"]
    best, training_set, sample = history["best"], history["training_set"], history["sample"]
    tested = {phase: count for phase, count, *_ in history["phases"]} | {best.phase: best.tested}
    moments = sorted({*range(1, 10), *np.linspace(12, best.steps, 14).astype(int).tolist()})
    frames = []
    for phase in range(17, best.phase + 1):  # beside the counts, the program that ran longest among those that were new and halted
        new = [(steps, program) for (_, steps, halted), (first, program) in sample.items() if halted and first == phase]
        program = max(new)[1] if new else ()
        frames.append((phase, program, [], [], None, f"phase {phase}: {tested[phase]:,} programs tested"))
    frames += [(best.phase, best.program, work, weights, pointer, f"program {best.tested:,}, step {step}")
               for step, (work, weights, pointer) in zip(moments, execution(best.program, moments))]
    accuracy = levin.accuracy(history["weights"]["Levin search"], history["inputs"])
    frames.append((*frames[-1][:5], f"program {best.tested:,}: right on {accuracy:.0%} of all 161,700 inputs"))

    figure = plt.figure(figsize=(7, 4.4), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.7))
    storage, cloud, bars = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, 0]), figure.add_subplot(grid[1, 1])
    drawn = [None]

    def update(frame):
        phase, program, work, weights, pointer, title = frame
        running = pointer is not None
        if drawn[0] != (phase, running):  # the cloud stands still while the winner runs
            cloud.clear()
            draw_cloud(cloud, sample, phase, best if running else None)
            cloud.set_title(f"tested up to phase {phase}; dotted: what it affords", fontsize=8)
            drawn[0] = (phase, running)
        storage.clear()
        draw_storage(storage, program[:12], work, pointer=pointer, shown=5, highest=11)
        storage.set_title(title, loc="center")
        bars.clear()
        for input_, value in enumerate(weights):
            bars.bar(input_, value, width=1, color=BLUE, lw=0)
        for number, on_bits in enumerate(training_set):
            output = sum(weights[i] for i in on_bits if i < len(weights))
            color = GREEN if output == levin.target(on_bits) else RED
            bars.scatter(on_bits, [-8 - 10 * number] * 3, marker="^", s=14, color=color)
            bars.text(1, 142 - 14 * number, f"input {on_bits}: {output}, should be {levin.target(on_bits)}", fontsize=8, color=color)
        bars.set(xlim=(-1, 100), ylim=(-36, 158), xlabel="input", ylabel="weight", yticks=(0, 50, 100))

    save_gif(figure, update, frames, path, fps=4, hold=3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = levin.Config(seed=parser.parse_args().seed)
    animate(config, levin.run(config), Path(__file__).with_suffix("").with_name("levin_add_positions.gif"))
