# SPDX-License-Identifier: Unlicense
"""Animation of rs-tomita: python3 rs-tomita/make_rs_tomita_gif.py [--seed 0] writes rs_tomita.gif."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import rs_tomita as rs
from matplotlib.animation import FuncAnimation, PillowWriter
from PIL import Image, ImageSequence
from visualize_rs_tomita import GREEN, GREY, RED, STATE_COLORS, draw_plane

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


KINDS = ("last symbol 1", "one 0 at the end", "two 0s at the end", "000 was there")


def animate(config, result, path):
    """Left: the hidden plane of one candidate net for grammar #4 after another, states after all strings up to length 10, then a long string walking
    through the winner's plane. Right: how far each candidate came, then the string and the answers."""
    found = result["history"][4]["found"]
    shown = [(trial, weights) for trial, _, weights in found["records"]]
    shown += [(index + 1, found["first"][..., index]) for index in range(18)]
    candidates = list(dict(sorted(shown, key=lambda item: item[0])).items())
    plan = rs.plan_lessons(rs.exhaustive_lessons(4, rs.TRAIN_LENGTH))
    passed = [int(rs.examine("tanh", weights[..., None], plan)[0]) for _, weights in candidates]
    winner = candidates[-1][1]
    symbols = np.array([int(c) for c in "1001101001011100100001101"])
    walk = np.array([np.concatenate([symbols[:n], np.zeros(len(symbols) - n, int)]) for n in range(1, len(symbols) + 1)], np.int8)
    lengths = np.arange(1, len(symbols) + 1)
    answers, truth = rs.respond("tanh", winner, walk, lengths) > 0, rs.is_legal(4, walk, lengths)
    track = [np.zeros(2)]
    for symbol in symbols:
        track.append(np.tanh(winner[:2, :2] @ track[-1] + winner[:2, -2] * (2 * symbol - 1) + winner[:2, -1]))

    figure, (plane, side) = plt.subplots(1, 2, figsize=(7, 3.6), width_ratios=(1, 1.05), layout="constrained")

    def update(frame):
        plane.clear()
        side.clear()
        index = min(frame, len(candidates) - 1)
        draw_plane(plane, candidates[index][1], 4)
        plane.set_ylabel("hidden unit 2")
        plane.set_title(f"draw {candidates[index][0]:,}", fontsize=10)
        if frame < len(candidates):
            colors = [GREEN if count == rs.TRAIN_LENGTH else GREY for count in passed[:index + 1]]
            side.bar(range(index + 1), np.maximum(passed[:index + 1], 0.08), color=colors)
            side.set(xlim=(-1, len(candidates)), ylim=(0, 10.5), xticks=[], xlabel="the first 18 draws, then new records",
                     ylabel="lengths passed, of 10")
            side.set_title("all strings right up to length" + (": a fit" if passed[index] == rs.TRAIN_LENGTH else ""), fontsize=10)
        else:
            now = frame - len(candidates) + 1
            plane.plot(*np.array(track[:now + 1]).T, color="black", lw=0.5, alpha=0.5, zorder=4)
            plane.plot(*track[now], "o", ms=11, mfc="none", mec="black", mew=1.6, zorder=5)
            side.axis("off")
            side.set(xlim=(0, 1), ylim=(0, 1))
            side.set_title("the winner reads a string", fontsize=10)
            for place, symbol in enumerate(symbols[:now]):
                side.text(0.02 + 0.039 * place, 0.82, str(symbol), family="monospace", fontsize=10,
                          weight="bold" if place == now - 1 else "normal", color=GREEN if answers[place] else RED)
            side.text(0.02, 0.66, f"answer: {'legal' if answers[now - 1] else 'illegal'}", fontsize=10, color=GREEN if answers[now - 1] else RED)
            side.text(0.4, 0.66, "(right)" if answers[now - 1] == truth[now - 1] else "(wrong)", fontsize=10)
            for row, (kind, color) in enumerate(zip(KINDS, STATE_COLORS)):
                side.scatter(0.05, 0.45 - 0.11 * row, s=40, color=color, marker="X" if row == 3 else "o")
                side.text(0.1, 0.45 - 0.11 * row, kind, va="center", fontsize=9)

    save_gif(figure, update, len(candidates) + len(symbols), path, fps=3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = rs.Config(seed=parser.parse_args().seed)
    animate(config, rs.run(config), Path(__file__).with_suffix("").with_name("rs_tomita.gif"))
