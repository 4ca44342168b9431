# SPDX-License-Identifier: Unlicense
"""Animation: python3 predictability-min-binary-factors/make_predictability_min_binary_factors_gif.py [--seed 0] writes predictability_min_binary_factors.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np
import predictability_min_binary_factors as pm

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_predictability_min_binary_factors import BLUE, RED, draw_cube, on_paper, pattern_words, show_codes

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
    """The 16 patterns move to the 16 corners of the code cube, while units become independent and surprise rises to its maximum."""
    patterns, words = result["history"]["patterns"], pattern_words()
    steps, codes = patterns["steps"], patterns["codes"][:, 0]
    settled = int(np.flatnonzero(~patterns["factorial"][:, 0])[-1]) + 1
    frames = sorted({int(n) for n in np.linspace(0, min(len(steps) - 1, 2 * settled + 2), 40)})
    places = np.array([on_paper(code) for code in codes])
    information = np.array([pm.mutual_information(code[None] > 0.5, code[None] > 0.5)[0] for code in codes])

    figure = plt.figure(figsize=(7, 3.9), layout="constrained")
    axes = figure.subplot_mosaic([["cube", "table", "table"], ["cube", "units", "surprise"]], width_ratios=(1.5, 0.8, 1), height_ratios=(1, 1.15))
    draw_cube(axes["cube"])
    points = axes["cube"].scatter(*places[0].T, s=34, color=RED, edgecolor="white", lw=0.6, zorder=3)
    title = axes["cube"].set_title("codes of 16 patterns\n", fontsize=9)
    table = show_codes(axes["table"], codes[0], words)
    axes["table"].set_title("code units for each input pattern")
    image = axes["units"].imshow(information[0], vmin=0, vmax=np.log(2))
    axes["units"].grid(False)
    axes["units"].set_title("information\nbetween units")
    axes["units"].set_xticks(range(4), range(1, 5))
    axes["units"].set_yticks(range(4), range(1, 5))
    axes["surprise"].axhline(1, color="black", lw=0.8, ls=":")
    axes["surprise"].set(xlim=(0, steps[frames[-1]]), ylim=(0, 1.08), xlabel="updates", title="surprise V\n(at most 1)")
    line, = axes["surprise"].plot([], [], color=BLUE)

    def update(frame):
        points.set_offsets(places[frame])
        points.set_color(np.where((np.abs(codes[frame] - 0.5) > 0.4).all(0), BLUE, RED))
        table.set_data(codes[frame])
        image.set_data(information[frame])
        line.set_data(steps[:frame + 1], patterns["objective"][:frame + 1, 0])
        title.set_text(f"codes of 16 patterns, {steps[frame]} updates\n{pm.binary_codes(codes[frame][None])[0]} of 16 binary and distinct")
    save_gif(figure, update, frames, path, fps=5, hold=3.0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = pm.Config(seed=parser.parse_args().seed)
    animate(config, pm.run(config), Path(__file__).parent / "predictability_min_binary_factors.gif")
