# SPDX-License-Identifier: Unlicense
"""Figures of levin-add-positions: python3 levin-add-positions/visualize_levin_add_positions.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import levin_add_positions as levin
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

# --- block: figure_style ---
# Okabe and Ito's colour-blind-safe palette; GREY is for controls and for the paper's values.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#888888"
plt.rcParams.update({
    "figure.dpi": 100, "savefig.dpi": 100, "figure.constrained_layout.use": True, "svg.hashsalt": "0",
    "font.size": 9, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.labelsize": 9, "legend.fontsize": 8, "legend.frameon": False,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "#e6e6e6", "axes.axisbelow": True,
    "lines.linewidth": 1.4, "image.cmap": "cividis", "image.interpolation": "nearest",
    "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, PURPLE, SKY, GREY]),
})


def panels(rows=1, columns=1, height=2.6, **keywords):
    """A figure 700 pixels wide with `height` inches per row -> (figure, axes), axes as plt.subplots returns them."""
    return plt.subplots(rows, columns, figsize=(7, height * rows), **keywords)


def save_png(figure, path):
    """Write a palette PNG without metadata, so that the same picture is the same small file, and close the figure."""
    figure.canvas.draw()
    image = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)
    plt.close(figure)
# --- end block ---


METHODS = {"Levin search": RED, "least norm": BLUE, "least squares + L2": SKY, "delta rule, small random start": PURPLE}


def draw_storage(axis, program, work, machine="pointer", pointer=None, shown=6, highest=9):
    """The storage as a row of boxes: work cells left of address 0 (the nearest `shown`), program cells with their instructions right of it."""
    axis.set(xlim=(-shown - 0.6, highest + 0.6), ylim=(-1.5, 1.5))
    axis.axis("off")
    lines = levin.disassemble(program, machine)
    starts = [address for address, _ in lines] + [len(program)]
    for number, (address, text) in enumerate(lines):
        color = (SKY, "#f3d9a4")[number % 2]
        for place in range(address, starts[number + 1]):
            axis.add_patch(plt.Rectangle((place - 0.5, -0.4), 1, 0.8, facecolor=color, edgecolor="#444444"))
        axis.text((address + starts[number + 1] - 1) / 2, 0.62 + 0.42 * (number % 2), text, ha="center", fontsize=8)
        opcode, *arguments = program[address:starts[number + 1]]
        if opcode in (0, 2):
            bend = -0.8 / max(abs(arguments[-1] - address), 2)  # arcs of about the same depth
            axis.annotate("", (arguments[-1], -0.75), (address, -0.75),
                          arrowprops={"arrowstyle": "->", "color": RED, "connectionstyle": f"arc3,rad={bend}"})
    cells = [*program, *work]
    for address in range(-min(len(work), shown), 0):
        axis.add_patch(plt.Rectangle((address - 0.5, -0.4), 1, 0.8, facecolor="white", edgecolor="#444444"))
    for address in range(-min(len(work), shown), len(program)):
        axis.text(address, 0, cells[address], ha="center", va="center", fontsize=10)
        axis.text(address, -0.62, address, ha="center", va="center", fontsize=7, color=GREY)
    if len(work) > shown:
        axis.text(-shown - 0.55, 0, "...", ha="right", va="center")
    if pointer is not None:
        axis.add_patch(plt.Rectangle((pointer - 0.5, -0.4), 1, 0.8, fill=False, edgecolor=RED, lw=2.5, zorder=5))


def draw_cloud(axis, sample, phase, best=None, counting=None):
    """Programs tested up to `phase`, one for each pair of steps and space probability. Dotted: the frontier of the phase."""
    seen = [key for key, (first, _) in sample.items() if first <= phase]
    for halted, color, label in ((False, ORANGE, "went on, or was interrupted"), (True, BLUE, "halted")):
        rows = [(-np.log2(share), steps) for share, steps, verdict in seen if verdict == halted]
        axis.scatter(*np.array(rows).reshape(-1, 2).T, s=4, color=color, alpha=0.7, lw=0, label=label)
    x = np.array([0, 36])
    axis.plot(x, 2.0 ** (phase - x), color="black", ls=":", lw=1.2, label=f"P(q) 2^{phase} steps: phase {phase}")
    for found, marker, color, label in ((best, "*", RED, "the ramp"), (counting, "P", GREEN, "solution of the counting task")):
        if found:
            axis.scatter(-np.log2(found.probability), found.steps, s=100, marker=marker, color=color, edgecolor="black", lw=0.6, zorder=5, label=label)
    axis.set(yscale="log", xlim=(0, 36), ylim=(0.8, 40_000), xlabel="-log2 space probability (bits)", ylabel="steps")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history = result["history"]
    best, inputs, weights = history["best"], history["inputs"], history["weights"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    figure, axis = panels(1, 1, height=1.9)
    _, steps, work, _ = levin.run_program(best.program)
    draw_storage(axis, best.program, work)
    axis.set_title(f"found: space probability {best.probability:.3g}, {steps} steps, {len(work)} work cells at the end")
    save_png(figure, folder / "storage.png")

    phases, tested, _, total = np.array([row for row in history["phases"]] + [(best.phase, best.tested, best.skipped, best.total_steps)]).T
    figure, axes = panels(1, 2, height=2.6, sharex=True)
    for axis, count, name in ((axes[0], tested, "programs tested"), (axes[1], total, "steps executed")):
        axis.bar(phases, np.diff(count, prepend=0), color=BLUE)
        axis.axvline(np.log2(best.steps / best.probability), color=RED, ls="--", label="P(q) T = 398 steps for the ramp")
        axis.set(yscale="log", xlabel="phase k (T = 2^k)", title=f"{name}, per phase", ylim=(0.7, None))
    axes[0].legend(loc="upper left")
    save_png(figure, folder / "phases.png")

    figure, axis = panels(1, 1, height=3.4)
    draw_cloud(axis, history["sample"], best.phase, best, history["counting"])
    axis.set_title(f"{best.tested:,} tested programs, one dot for each pair of coordinates")
    axis.legend(loc="upper right", frameon=True, framealpha=0.95, edgecolor="none", handletextpad=0.3)
    save_png(figure, folder / "cloud.png")

    figure, axes = panels(2, 2, height=1.9, sharex=True, sharey=True)
    for axis, (name, color) in zip(axes.flat, METHODS.items()):
        axis.bar(range(levin.WEIGHTS), weights[name], width=1, color=color, lw=0)
        for number, on_bits in enumerate(history["training_set"]):
            axis.scatter(on_bits, [-8] * 3, marker="^", s=14, color=("black", GREY, ORANGE)[number])
        axis.set(title=name, ylim=(-14, 105))
        axis.grid(axis="x", visible=False)
    for axis in axes[1]:
        axis.set_xlabel("input")
    for axis in axes[:, 0]:
        axis.set_ylabel("weight")
    save_png(figure, folder / "weights.png")

    figure, axes = panels(2, 2, height=1.7, sharex=True)
    for axis, (name, color) in zip(axes.flat, METHODS.items()):
        errors = weights[name][inputs].sum(1) - levin.target(inputs)
        axis.hist(errors, bins=np.arange(-302.5, 303, 5), color=color)
        right = round(levin.accuracy(weights[name], inputs) * len(inputs))
        axis.set(title=f"{name}: {right:,} right", yscale="log", ylim=(0.7, 400_000))
    for axis in axes[1]:
        axis.set_xlabel("output minus target")
    for axis in axes[:, 0]:
        axis.set_ylabel("inputs")
    save_png(figure, folder / "errors.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = levin.Config(seed=parser.parse_args().seed)
    draw(config, levin.run(config), Path(__file__).parent / "viz")
