# SPDX-License-Identifier: Unlicense
"""Figures of oops-towers-of-hanoi: python3 oops-towers-of-hanoi/visualize_oops_towers_of_hanoi.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import oops_towers_of_hanoi as oops
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


MODES = {"fresh": (ORANGE, "o"), "prolonged": (PURPLE, "s"), "reused": (BLUE, "."), "unsolved": (RED, "x")}


def draw_program(axis, program, marked, y=0.0, at=None):
    """Tokens as boxes in a row; `marked`: tokens shared with the earlier solver, `at`: place of the token that runs."""
    for place, token in enumerate(program):
        edge = RED if place == at else "#444444"
        axis.add_patch(plt.Rectangle((place + 0.03, y), 0.94, 0.8, facecolor=SKY if token in marked else "#eeeeee", edgecolor=edge,
                                     lw=2.2 if place == at else 0.8))
        axis.text(place + 0.5, y + 0.4, oops.TOKENS[token], ha="center", va="center", fontsize=9)


def call_tree(axis, program, n):
    """The calls of the solver for n disks: each node is a call, labelled with its parameter and the move it makes."""
    def visit(m, pegs, x, width, depth, parent):
        if parent is not None:
            axis.plot([parent[0], x], [parent[1] - 0.14, -depth + 0.14], color="#aaaaaa", lw=0.9, zorder=1)
        axis.text(x, -depth, f"n={m}\n{'SAD'[(0, 1, 2).index(pegs[0])]}$\\to${'SAD'[pegs[2]]}", ha="center", va="center", fontsize=8,
                  bbox={"boxstyle": "round,pad=0.25", "facecolor": "#dcebf5" if m > 1 else "#eeeeee", "edgecolor": "#777777", "lw": 0.6})
        args, calls = pegs, 0
        for token in program[1:-1]:
            if token == oops.XAD:
                args = (args[0], args[2], args[1])
            elif token == oops.XSA:
                args = (args[1], args[0], args[2])
            elif token == oops.CALLTP:
                if m > 1:
                    visit(m - 1, args, x + (calls - 0.5) * width / 2, width / 2, depth + 1, (x, -depth))
                args, calls = pegs, calls + 1

    visit(n, (0, 1, 2), 0.0, 2.0**(n - 1), 0, None)
    axis.set(xlim=(-2.0**(n - 2) - 0.1, 2.0**(n - 2) + 0.1), ylim=(-n + 0.6, 0.4))
    axis.axis("off")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, metrics = result["history"], result["metrics"]
    records, anbn, hanoi = history["records"], history["anbn"], history["hanoi"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    figure, axes = panels(1, 2, height=3.1, sharey=True)
    for axis, values, title in zip(axes, ("steps", "prefixes"), ("steps paid, all tasks so far", "prefixes tested, all tasks so far")):
        total = np.maximum(np.cumsum([record[values] for record in records]), 1)
        axis.plot(range(1, len(total) + 1), total, color="#bbbbbb", lw=1)
        for mode, (color, marker) in MODES.items():
            places = [i for i, record in enumerate(records) if record["mode"] == mode]
            if places:
                axis.plot(np.array(places) + 1, total[places], marker, color=color, ms=6, label=mode)
        axis.axvline(config.tasks + 0.5, color="black", lw=0.8, ls="--")
        axis.set(title=title, yscale="log", xlabel=f"task: 1 to {config.tasks} are 1^n 2^n, then Hanoi")
    axes[0].legend(loc="upper left")
    save_png(figure, folder / "timetable.png")

    boosted = np.bincount(anbn, minlength=config.alphabet)[:config.alphabet] * config.boost_mass * config.alphabet + 1
    boosted = boosted / boosted.sum()
    figure, axes = panels(2, 1, height=1.9, height_ratios=(1, 1.25))
    for y, (name, program) in zip((1.1, 0), (("1^n 2^n", anbn), ("Hanoi", hanoi))):
        draw_program(axes[0], program, anbn, y)
        axes[0].text(-0.15, y + 0.4, name, ha="right", va="center")
    axes[0].set(xlim=(-1.2, 7.2), ylim=(-0.1, 2.0), title="the two solvers found (blue: tokens of the first one)")
    axes[0].axis("off")
    names = [oops.TOKENS[token] for token in range(config.alphabet)]
    axes[1].bar(np.arange(config.alphabet) - 0.2, np.full(config.alphabet, 1 / config.alphabet), 0.4, color=GREY, label="at first")
    axes[1].bar(np.arange(config.alphabet) + 0.2, boosted, 0.4, color=BLUE, label="after boostq")
    axes[1].set(xticks=range(config.alphabet), ylabel="probability of the next token")
    axes[1].set_xticklabels(names, fontsize=8)
    for label, token in zip(axes[1].get_xticklabels(), range(config.alphabet)):
        label.set_fontweight("bold" if token in hanoi else "normal")
    axes[1].legend(loc="upper right")
    save_png(figure, folder / "programs.png")

    figure, (left, right) = panels(1, 2, height=3.0)
    bars = {"after 1^n 2^n,\nwith boostq": "hanoi_prefixes_to_general", "Hanoi alone": "no_experience_hanoi_prefixes",
            "plain enumeration\n(no time sharing)": "enumeration_hanoi_programs"}
    bars = {name: metrics[key] for name, key in bars.items() if metrics.get(key)}
    left.barh(list(bars), [value / 1e6 for value in bars.values()], color=[BLUE, ORANGE, GREY][:len(bars)])
    left.bar_label(left.containers[0], [f"{value / 1e6:.1f} M" for value in bars.values()], padding=2)
    left.set(title="to the general Hanoi solver", xlabel="programs or prefixes tested (million)", xlim=(0, 1.4e-6 * max(bars.values())))
    left.invert_yaxis()
    sizes = np.arange(10, 201)
    right.plot(sizes, [oops.boost_gain(hanoi, anbn, int(k), config.boost_mass * k) for k in sizes], color=BLUE, label="mass = alphabet size")
    right.plot(sizes, [max(oops.boost_gain(hanoi, anbn, int(k), mass) for mass in range(1, 60)) for k in sizes], color=GREEN, label="the best mass")
    right.axhline(1, color="black", lw=0.8, ls="--")
    for size in (config.alphabet, 71):
        right.axvline(size, color=GREY, lw=0.8, ls=":")
    right.set(title="is boosting worth its prefix?", xlabel="tokens in the alphabet", ylabel="P with boostq / P without (above 1: yes)", yscale="log", ylim=(1e-4, 1e3))
    right.legend(loc="lower right")
    save_png(figure, folder / "experience.png")

    figure, axis = panels(1, 1, height=2.8)
    disks = np.arange(1, 31)
    axis.plot(disks, 2.0**disks - 1, color=BLUE, label="moves made by the solver found (7 tokens)")
    axis.plot(disks, 3.0**disks, color=ORANGE, label="states, 3^n: what breadth-first search visits")
    nodes = [oops.iterative_deepening(n) for n in (1, 2, 3, 4)]
    axis.plot((1, 2, 3, 4), nodes, "o-", ms=4, color=RED, label="nodes of iterative deepening")
    visited = [oops.breadth_first(n)[0] for n in range(1, 10)]
    axis.plot(range(1, 10), visited, "o", ms=4, color=ORANGE)
    axis.axvline(config.explicit_disks, color=GREY, lw=0.8, ls="--")
    axis.annotate("played out move by move up to here", (config.explicit_disks, 2), xytext=(4, 0), textcoords="offset points", fontsize=8)
    axis.set(yscale="log", xlabel="disks n", ylabel="count", title="a program is short where a solution is long")
    axis.legend()
    save_png(figure, folder / "growth.png")

    figure, axis = panels(1, 1, height=2.7)
    call_tree(axis, hanoi, 4)
    axis.set_title("calls of the solver for 4 disks; each call moves disk n from the first peg to the second")
    save_png(figure, folder / "calls.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = oops.Config(seed=parser.parse_args().seed)
    draw(config, oops.run(config), Path(__file__).parent / "viz")
