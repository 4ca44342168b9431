# SPDX-License-Identifier: Unlicense
"""Animation of levin-count-inputs: python3 levin-count-inputs/make_levin_count_inputs_gif.py [--seed 0] writes levin_count_inputs.gif."""
import argparse
from pathlib import Path

import levin_count_inputs as levin
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_levin_count_inputs import BLUE, GREEN, RED, draw_storage

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


def guesses(config, numbers):
    """Guess the run's programs once more -> the states (program, work cells, weights, instruction pointer) in which runs `numbers` ended."""
    uniform, arity, kept = levin.uniform_stream(levin.streams(config)[1]), levin.ARITY[config.machine], {}
    for number in range(1, max(numbers) + 1):
        limit = 32 << max(1, 1 - levin.math.frexp(1 - next(uniform))[1])
        _, cells, end, weights, _, _ = levin.guess_program(uniform, limit, arity)
        if number in numbers:
            kept[number] = (cells[:end], cells[end:], weights, None)
    return kept


def execution(program, steps):
    """The state after each of `steps` steps of the found program -> {steps: state}."""
    cells, weights, address, states = list(program), [], 0, {}
    for step in range(1, max(steps) + 1):
        executed = address
        _, address, _ = levin.execute(cells, len(program), weights, address, step - 1, step)
        if step in steps:
            states[step] = (program, cells[len(program):], list(weights), executed)
    return states


def animate(config, result, path):
    """First the search, program after program; then the winner, step by step."""
    best, training_set = result["history"]["best"], result["history"]["training_set"]
    numbers = sorted({*range(1, 7), *np.geomspace(8, best.tested - 1, 12).astype(int).tolist()})
    steps = sorted({*range(1, 9), *np.linspace(9, best.steps, 20).astype(int).tolist()})
    frames = [(f"program {number:,}: {{}}", state) for number, state in guesses(config, numbers).items()]
    frames += [(f"program {best.tested:,}, step {step}: {{}}", state) for step, state in execution(best.program, steps).items()]

    accuracy = levin.accuracy(result["history"]["weights"]["Levin search"], result["history"]["inputs"])
    frames.append((f"program {best.tested:,}: {{}}, and {accuracy:.0%} of all 161,700 inputs", frames[-1][1]))
    figure, (storage, bars) = plt.subplots(2, 1, figsize=(7, 3.6), height_ratios=(1, 1.15), layout="constrained")

    def update(frame):
        title, (program, work, weights, pointer) = frame
        outputs = [sum(weights[i] for i in on_bits if i < len(weights)) for on_bits in training_set]
        right = [output == levin.target(on_bits) for output, on_bits in zip(outputs, training_set)]
        for axis in (storage, bars):
            axis.clear()
        draw_storage(storage, program[:16], work, pointer=pointer, shown=4, highest=15)
        for input_, value in enumerate(weights):
            bars.bar(input_, value, width=1, color=BLUE, lw=0)
        for number, (on_bits, output) in enumerate(zip(training_set, outputs)):
            color = GREEN if right[number] else RED
            bars.scatter(on_bits, [-0.35 - 0.4 * number] * 3, marker="^", s=20, color=color)
            bars.text(101, -0.35 - 0.4 * number, f"sum {output}, should be 3", va="center", fontsize=8, color=color)
        bars.set(xlim=(-1, 125), ylim=(-1.6, 2.2), xlabel="input", ylabel="weight", xticks=range(0, 101, 20), yticks=(0, 1, 2))
        bars.text(101, 1.0, f"weights\nwritten: {len(weights)}", va="center", fontsize=8)
        storage.set_title(title.format(f"{sum(right)} of 3 examples right"), loc="center")

    save_gif(figure, update, frames, path, fps=4, hold=3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = levin.Config(seed=parser.parse_args().seed)
    animate(config, levin.run(config), Path(__file__).with_suffix("").with_name("levin_count_inputs.gif"))
