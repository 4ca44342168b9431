# SPDX-License-Identifier: Unlicense
"""Figures of levin-count-inputs: python3 levin-count-inputs/visualize_levin_count_inputs.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import levin_count_inputs as levin
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


PAPER_ADDING_PROGRAM = (7, 1, 8, -1, 1, -1, -1, 2, 0)  # printed in the paper, for the machine with two-argument WriteWeight


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


def draw_cloud(axis, runs, best, legend=True):
    """Steps against space probability for each guessed program; dotted: equal Levin cost, log2(steps) - log2 P."""
    bits, halted = -np.log2([run[0] for run in runs]), np.array([run[3] == levin.HALT for run in runs])
    steps = np.array([steps if verdict == levin.HALT else limit for _, steps, limit, verdict in runs])  # endless loops last to their limit
    for cost in range(5, 70, 5):
        x = np.array([0, 50])
        axis.plot(x, 2.0 ** (cost - x), ls=":", lw=0.7, color=GREY)
    axis.scatter(bits[halted], steps[halted], s=7, color=BLUE, alpha=0.6, lw=0, label="halted")
    axis.scatter(bits[~halted], steps[~halted], s=7, color=ORANGE, alpha=0.8, lw=0, label="interrupted at the time limit")
    if best:
        axis.scatter(-np.log2(best.probability), best.steps, s=90, marker="*", color=RED, zorder=5, label="fits the three examples")
    axis.set(yscale="log", xlim=(0, 50), ylim=(0.8, 4 * steps.max()), xlabel="-log2 space probability (bits)", ylabel="steps")
    if legend:
        axis.legend(loc="upper right", handletextpad=0.2, frameon=True, framealpha=0.95, edgecolor="none")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history = result["history"]
    best, inputs = history["best"], history["inputs"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    figure, axes = panels(2, 1, height=1.75)
    for axis, program, machine, title in ((axes[0], best.program, "pointer", "found: an endless loop, stopped by the last weight"),
                                          (axes[1], PAPER_ADDING_PROGRAM, "index", "printed in the paper for its task of adding positions")):
        _, steps, work, _ = levin.run_program(program, machine)
        draw_storage(axis, program, work, machine)
        axis.set_title(f"{title} ({steps} steps, {len(work)} work cells)")
    save_png(figure, folder / "storage.png")

    counts = [levin.probabilistic_search(history["training_set"], levin.uniform_stream(rng), config)[0][0].tested
              for rng in levin.streams(config)[1].spawn(30)]
    figure, axis = panels(1, 1, height=2.8)
    axis.step([0, *np.sort(counts)], np.arange(31) / 30, where="post", color=BLUE, label="30 further searches")
    n = np.linspace(0, max(counts), 200)
    p = result["metrics"]["fit_probability_enumerated"]
    axis.plot(n, 1 - (1 - p) ** n, color="black", ls="--", label=f"geometric law, p = 1/{1 / p:.0f} a run (enumerated, a lower bound)")
    axis.set(xlabel="programs guessed", ylabel="fraction of searches\nthat have found a fit", ylim=(0, 1.02), xlim=(0, None))
    axis.legend(loc="lower right")
    save_png(figure, folder / "runs_to_fit.png")

    figure, axis = panels(1, 1, height=3.4)
    draw_cloud(axis, history["runs"], best)
    axis.set_title(f"{len(history['runs'])} guessed programs until the first fit; dotted: equal Levin cost")
    save_png(figure, folder / "cloud.png")

    names = list(history["weights"])
    values = [levin.accuracy(history["weights"][name], inputs) for name in names]
    figure, axis = panels(1, 1, height=2.4)
    axis.barh(names, values, color=[RED, *[BLUE] * 4, GREY][:len(names)], left=1e-6)
    for row, value in enumerate(values):
        axis.text(max(value, 1e-6) * 1.2, row, f"{round(value * len(inputs)):,} of {len(inputs):,}", va="center", fontsize=8)
    axis.set(xscale="log", xlim=(1e-6, 100), ylim=(len(names) - 0.4, -0.6), xlabel="fraction of all inputs with three on-bits that are counted right")
    axis.set_xticks([1e-6, 1e-4, 1e-2, 1])
    axis.grid(axis="y", visible=False)
    save_png(figure, folder / "accuracy.png")

    figure, axes = panels(1, 3, height=2.2, sharey=True)
    seen = sorted(i for on_bits in history["training_set"] for i in on_bits)
    for axis, name in zip(axes, ("Levin search", "delta rule", "delta rule, small random start")):
        axis.bar(range(levin.WEIGHTS), history["weights"][name], width=1, color=RED if name == "Levin search" else BLUE)
        axis.scatter(seen, [-0.42] * 9, marker="^", s=12, color="black")
        axis.set(title=name.replace("small ", ""), xlabel="input", ylim=(-0.5, 1.2))
        axis.grid(axis="x", visible=False)
    axes[0].set_ylabel("weight")
    save_png(figure, folder / "weights.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = levin.Config(seed=parser.parse_args().seed)
    draw(config, levin.run(config), Path(__file__).parent / "viz")
