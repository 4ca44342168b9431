# SPDX-License-Identifier: Unlicense
"""Figures of pipe-6-bit-parity: python3 pipe-6-bit-parity/visualize_pipe_6_bit_parity.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pipe_6_bit_parity as parity
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


METHODS = {"pipe": ("PIPE", BLUE), "gp": ("genetic programming", ORANGE), "subtree_mutation": ("subtree mutation", GREEN),
           "single_step": ("single small steps", PURPLE), "random": ("no learning", GREY)}
GRAY = [0, 1, 3, 2, 6, 7, 5, 4]  # neighbours differ in one bit


def correct_map(program):
    """Which of the 64 cases are right (8, 8): rows are the bits x5 x4 x3, columns x2 x1 x0, both in Gray order."""
    problem = parity.Parity(6)
    wrong = problem.outputs(program) ^ problem.target
    return np.array([[1 - (wrong >> (8 * row + column) & 1) for column in GRAY] for row in GRAY])


def draw_map(axis, program):
    """Green: right, red: wrong; a dot where the right answer is "even"."""
    axis.imshow(correct_map(program), cmap=matplotlib.colors.ListedColormap([RED, GREEN]), vmin=0, vmax=1)
    even = np.array([[(8 * row + column).bit_count() % 2 == 0 for column in GRAY] for row in GRAY])
    axis.scatter(*np.nonzero(even)[::-1], s=5, color="white", lw=0)
    ticks = [f"{code:03b}" for code in GRAY]
    axis.set_xticks(range(8), ticks, fontsize=6, rotation=90)
    axis.set_yticks(range(8), ticks, fontsize=6)
    axis.set(xlabel="x2 x1 x0", ylabel="x5 x4 x3")
    axis.grid(False)


def layout(program, problem):
    """Places (x, depth), parent and truth table of every node in prefix order; leaves side by side, functions above the middle of their arguments."""
    places, parents, tables, leaves = {}, {}, {}, [0]

    def visit(node, depth, parent):
        parents[node], end, xs = parent, node + 1, []
        for _ in range(parity.ARITY[program[node]] if program[node] < parity.X0 else 0):
            child = end
            end = visit(child, depth + 1, node)
            xs.append(places[child][0])
        if not xs:
            leaves[0] += 1
        places[node] = (np.mean(xs) if xs else leaves[0], depth)
        tables[node] = problem.outputs(program[node:end])
        return end

    visit(0, 0, None)
    return places, parents, tables


def draw_program(axis, program):
    """The program as a tree. Filled nodes compute the parity (or its opposite) of as many inputs as their colour says."""
    problem, parities = parity.Parity(6), {}
    for subset in range(1, 64):
        members = [problem.inputs[bit] for bit in range(6) if subset >> bit & 1]
        table = 0
        for member in members:
            table ^= member
        parities[table] = parities[table ^ problem.everything] = len(members)
    places, parents, tables = layout(program, problem)
    colors = {2: SKY, 3: GREEN, 4: ORANGE, 5: PURPLE, 6: RED}
    for node, (x, depth) in places.items():
        code, inputs = program[node], parities.get(tables[node], 0)
        if parents[node] is not None:
            above = places[parents[node]]
            axis.plot([x, above[0]], [-depth, -above[1]], color="#aaaaaa", lw=0.7, zorder=1)
        color = colors.get(inputs, "white")
        axis.scatter(x, -depth, s=120 if code < parity.X0 else 70, color=color, edgecolor="#bbbbbb" if color == "white" else color, lw=0.6, zorder=2)
        name = ("A", "O", "N", "IF")[code] if code < parity.X0 else str(code - parity.X0)
        axis.annotate(name, (x, -depth), ha="center", va="center", fontsize=6.5, zorder=3)
    for inputs, color in colors.items():
        axis.scatter([], [], s=60, color=color, label=f"{inputs} inputs")
    axis.axis("off")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    searches, snapshots, folder = result["history"]["searches"], result["history"]["snapshots"], Path(folder)
    folder.mkdir(exist_ok=True)
    first = searches["pipe"][0]

    figure, axes = panels(2, 1, height=2.4)
    thin = slice(None, None, max(1, len(snapshots.wrong) // 1500))
    axes[0].step(snapshots.evaluations[thin], snapshots.wrong[thin], where="post", color=BLUE, lw=1)
    for place in first.restarts:
        axes[0].axvline(place, color="black", lw=0.7, ls=":")
    axes[0].scatter(first.evaluations, first.elite_wrong, s=25, color=BLUE, zorder=3, clip_on=False)
    axes[0].set(xlabel="program evaluations", ylabel="wrong of 64", ylim=(-1, 33), title=f"six bits, one run of PIPE (dotted: {len(first.restarts)} restarts)")
    for method, (label, color) in METHODS.items():
        counts, wrong, _ = zip(*searches[method][0].improvements)
        axes[1].step([*counts, searches[method][0].evaluations], [*wrong, wrong[-1]], where="post", color=color, label=label)
    axes[1].set(xlabel="program evaluations", ylabel="fewest wrong of 64", xscale="log", ylim=(-1, 33),
                title=f"one run of each method, best so far (contrasts end after {config.contrast_evaluations:,})")
    axes[1].legend(loc="lower left")
    save_png(figure, folder / "search.png")

    figure, axis = panels(1, 1, height=2.6)
    for bits in config.small_bits:
        for search in searches[bits]:
            counts, wrong, _ = zip(*search.improvements)
            axis.step([*counts, search.evaluations], [*wrong, wrong[-1]], where="post", color=SKY, lw=0.7)
        solved = np.sort([search.solved for search in searches[bits] if search.solved is not None])
        twin = axis.twinx()
        twin.step([10, *solved], np.arange(len(solved) + 1) / len(searches[bits]), where="post", color=BLUE, lw=2)
        twin.set(ylabel="share solved (thick)", ylim=(-0.02, 1.02))
        twin.grid(False)
        axis.set(xscale="log", xlabel="program evaluations", ylabel=f"fewest wrong of {2 ** bits} (thin)", title=f"{bits} bits, {len(searches[bits])} runs")
    save_png(figure, folder / "four_bits.png")

    wanted = [next(step for step in first.improvements if step[1] <= level) for level in (32, 16, 8, 0)]
    figure, axes = panels(1, 4, height=2.4)
    for axis, (count, wrong, program) in zip(axes, wanted):
        draw_map(axis, program)
        axis.set_title(f"{64 - wrong} right, size {len(program)}\nevaluation {count:,}", fontsize=8)
    for axis in axes[1:]:
        axis.set(ylabel="", yticks=[])
    save_png(figure, folder / "truth_table.png")

    figure, axis = plt.subplots(figsize=(7, 4.2))
    draw_program(axis, first.best)
    axis.set_title(f"the program found: {len(first.best)} nodes (A, O, N: AND, OR, NOT; digits: inputs)")
    figure.legend(loc="outside lower center", ncols=5, title="filled: parity, or its opposite, of")
    save_png(figure, folder / "program.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = parity.Config(seed=parser.parse_args().seed)
    draw(config, parity.run(config), Path(__file__).parent / "viz")
