# SPDX-License-Identifier: Unlicense
"""Animation of oops-towers-of-hanoi: python3 oops-towers-of-hanoi/make_oops_towers_of_hanoi_gif.py [--seed 0] writes oops_towers_of_hanoi.gif."""
import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import oops_towers_of_hanoi as oops
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_oops_towers_of_hanoi import BLUE, GREY, ORANGE, RED, draw_program

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


COLORS = {"open": GREY, "alive": BLUE, "dead": RED, "doomed": RED, "solved": "black"}


def replay(program, n):
    """Moments of the program on n disks: (place of the token that runs, parameters of the open calls, pegs), one per move and call."""
    moments, pegs = [], [list(range(n, 0, -1)), [], []]

    def call(m, own, calls):
        args = own
        for place, token in enumerate(program[1:-1], 1):
            if token == oops.XAD:
                args = (args[0], args[2], args[1])
            elif token == oops.XSA:
                args = (args[1], args[0], args[2])
            elif token == oops.MVDSK:
                pegs[own[2]].append(pegs[own[0]].pop())
                moments.append((place, calls, [list(peg) for peg in pegs]))
            elif token == oops.CALLTP:
                if m > 1:
                    call(m - 1, args, (*calls, m - 1))
                args = own

    call(n, (0, 1, 2), (n,))
    return moments


def animate(config, result, path):
    """First the search for 1^n 2^n, prefix by prefix; then the Hanoi solver that the same search found, moving five disks."""
    history = result["history"]
    trace, hanoi = history["trace"], history["hanoi"]
    moments = replay(hanoi, 5)
    spans = [int(round(len(trace) * (i / 14) ** 1.5)) for i in range(1, 15)]
    place = {token: i for i, token in enumerate(history["order"])}
    size = config.alphabet

    def position(prefix):
        return sum(place[token] / size ** (depth + 1) for depth, token in enumerate(prefix)) + 0.5 / size ** len(prefix)

    right = max(position(prefix) for prefix, _ in trace) * 1.05
    figure, axis = plt.subplots(figsize=(7, 3.7), layout="constrained")

    def update(frame):
        axis.clear()
        axis.grid(False)
        if frame < len(spans):
            seen = trace[:spans[frame]]
            for depth in range(1, max(len(prefix) for prefix, _ in trace) + 1):
                level = [(position(prefix), COLORS[fate]) for prefix, fate in seen if len(prefix) == depth]
                axis.scatter([x for x, _ in level], [-depth] * len(level), s=70 / depth**1.3, c=[color for _, color in level], marker="|")
            current, fate = seen[-1]
            xs = [position(current[:depth + 1]) for depth in range(len(current))]
            axis.plot([right / 2, *xs], [0, *(-1 - depth for depth in range(len(xs)))], color=COLORS[fate], lw=1.5)
            axis.set(xlim=(0, right), ylim=(-6.6, 0.5), xticks=[], yticks=range(-6, 0), yticklabels=range(6, 0, -1), ylabel="tokens in the prefix")
            axis.set_title(f"1^n 2^n, fresh programs: {len(seen)} visits   (red: died, blue: ran on, grey: definition open)", fontsize=9)
            axis.text(right / 2, -6.4, oops.spell(current) + ("   <- solves n = 1 and 2, and all others" if fate == "solved" else ""), ha="center",
                      fontsize=10, color=COLORS[fate])
            return
        at, calls, pegs = moments[frame - len(spans)]
        draw_program(axis, hanoi, history["anbn"], 4.6, at)
        for peg, disks in enumerate(pegs):
            x = 1.2 + 2.3 * peg
            axis.plot([x, x], [0, 2.9], color=GREY, lw=3, zorder=1)
            for height, disk in enumerate(disks):
                axis.add_patch(plt.Rectangle((x - 0.2 * disk, 0.5 * height), 0.4 * disk, 0.46, color=ORANGE if disk % 2 else BLUE, zorder=2))
            axis.text(x, -0.45, "SAD"[peg], ha="center")
        axis.plot([0, 7], [0, 0], color="black", lw=1)
        axis.text(0, 3.7, "open calls:  " + "  >  ".join(f"n={m}" for m in calls), fontsize=10)
        axis.set(xlim=(-0.1, 7.2), ylim=(-0.7, 5.6))
        axis.axis("off")
        axis.set_title(f"the Hanoi solver found later, 5 disks: move {frame - len(spans) + 1} of 31", fontsize=9)

    save_gif(figure, update, len(spans) + len(moments), path, fps=4)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = oops.Config(seed=parser.parse_args().seed)
    animate(config, oops.run(config), Path(__file__).with_name("oops_towers_of_hanoi.gif"))
