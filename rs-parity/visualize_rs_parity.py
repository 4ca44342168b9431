# SPDX-License-Identifier: Unlicense
"""Figures of rs-parity: python3 rs-parity/visualize_rs_parity.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import rs_parity as rs
from matplotlib.patches import FancyArrowPatch
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


PAPER_TRIALS = {"a2-no-self": 250, "a2": 2797, "a1": 2906}
NET = rs.ARCHITECTURES["a2-no-self"]


def running_parity(x):
    """1 where the number of +1's so far is odd; x (steps, sequences)."""
    return (x > 0).cumsum(0) % 2


def draw_automaton(axis, values):
    """Two states, four arrows; values (2, 2): o(t) for o(t-1) = 0, 1 (rows) and x = -1, +1 (columns)."""
    for bit, x in ((0, -1.5), (1, 1.5)):
        axis.add_patch(plt.Circle((x, 0), 0.42, facecolor=(SKY, ORANGE)[bit], edgecolor="#444444", zorder=3))
        axis.text(x, 0, ("even\no = 0", "odd\no = 1")[bit], ha="center", va="center", zorder=4)
        side = 1 if bit else -1
        axis.add_patch(FancyArrowPatch((x + 0.30 * side, 0.32), (x + 0.30 * side, -0.32), connectionstyle=f"arc3,rad={-1.7 * side}",
                                       arrowstyle="-|>", mutation_scale=13, color="#444444"))
        axis.text(x + 0.95 * side, 0, f"x = -1\no = {values[bit, 0]:.6f}", ha="left" if bit else "right", va="center")
        axis.add_patch(FancyArrowPatch((x * 0.78, -0.28 * side), (-x * 0.78, -0.28 * side), connectionstyle="arc3,rad=-0.35",
                                       arrowstyle="-|>", mutation_scale=13, color="#444444"))
        axis.text(0, -0.82 * side, f"x = +1: o = {values[bit, 1]:.6f}", ha="center", va="center")
    axis.set(xlim=(-4, 4), ylim=(-1.15, 1.15), aspect="equal")
    axis.axis("off")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    metrics, search = result["metrics"], result["history"]["searches"]["a2-no-self"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    figure, (left, right) = panels(1, 2, height=2.9)
    trials = np.sort(np.array(search["trials"], float))
    left.step(trials, np.arange(1, len(trials) + 1) / len(trials), where="post", color=BLUE, label="our simulations")
    grid = np.linspace(0, trials[-1], 200)
    for mean, color, name in ((250, GREY, "geometric, paper's mean 250"), (metrics["draws_per_fit_a2_no_self"], ORANGE, "geometric, measured density")):
        left.plot(grid, 1 - np.exp(-grid / mean), color=color, ls="--", label=name)
    left.set(xlabel="trials", ylabel="share of simulations solved", title="trials to the first net that fits", ylim=(0, 1.03))
    left.legend(loc="lower right")
    for row, name in enumerate(rs.ARCHITECTURES):
        density = metrics[f"draws_per_fit_{name.replace('-', '_')}"]
        if density:
            fits = config.density_draws / density
            ends = config.density_draws / (fits + 2 + 2 * np.sqrt(fits + 1)), config.density_draws / max(fits + 2 - 2 * np.sqrt(fits + 1), 0.5)
            right.plot(ends, [row, row], color=BLUE, lw=2)
            right.scatter(density, row, s=36, color=BLUE, zorder=3, label="ours, draws per fit, 95 %" if row == 0 else None)
        low, high = PAPER_TRIALS[name] / (1 + 2 * 0.32), PAPER_TRIALS[name] / (1 - 2 * 0.32)
        right.plot([low, high], [row + 0.2] * 2, color="black", lw=1)
        right.scatter(PAPER_TRIALS[name], row + 0.2, s=36, marker="D", color="black", label="paper, mean of 10" if row == 0 else None)
    right.set(xscale="log", yticks=range(3), yticklabels=["A2 without self", "A2", "A1"], ylim=(2.6, -0.5), xlabel="trials per solution",
              title="three nets")
    right.legend(loc="upper right")
    save_png(figure, folder / "trials.png")

    theta = np.array(search["winners"][:1])
    x, _, targets = (part[..., :1] for part in result["history"]["test"])
    hidden, output = rs.presentation(rs.unpack(theta, NET), x[:60])
    figure, (top, bottom) = panels(2, 1, height=1.9, sharex=True, height_ratios=(1, 1.2))
    steps = np.arange(1, len(output))
    top.step(steps, running_parity(x[:60])[:, 0], where="mid", color=ORANGE, lw=4, alpha=0.5, label="true running parity")
    top.step(steps, output[1:, 0, 0], where="mid", color=BLUE, lw=1.2, label="output")
    top.set(ylabel="output", title="a net found by guessing, first 60 steps of a test sequence", ylim=(-0.1, 1.45))
    top.legend(loc="upper right", ncols=2)
    picture = bottom.imshow(hidden[1:, :, 0, 0].T, aspect="auto", extent=(0.5, len(steps) + 0.5, 10.5, 0.5), vmin=0, vmax=1)
    bottom.set(xlabel="step", ylabel="hidden unit", yticks=(1, 5, 10))
    bottom.grid(False)
    figure.colorbar(picture, ax=bottom, label="activation", pad=0.01)
    save_png(figure, folder / "winner.png")

    figure, axis = panels(1, 1, height=2.3)
    draw_automaton(axis, rs.transitions(theta)[0])
    distance = rs.proven_distance(theta)[0]
    axis.set_title("the automaton in this net" + (f": its output provably stays within {distance:.0e} of the parity" if np.isfinite(distance) else ""))
    save_png(figure, folder / "automaton.png")

    guesses = search["guesses"][:400]
    data = tuple(part[..., :60] for part in result["history"]["test"])
    shares = 100 * rs.accuracy(guesses, NET, data, 0.5)[0]
    figure, axis = panels(1, 1, height=2.5)
    axis.hist(shares, bins=np.arange(0, 103, 2) - 1, color=BLUE)
    axis.set(yscale="log", xlabel="right of 60 test sequences (%), outputs rounded", ylabel="guesses",
             title=f"the first {len(guesses)} guesses of one simulation")
    axis.annotate("the winner", (100, 1), xytext=(88, 8), arrowprops={"arrowstyle": "->"}, ha="center")
    axis.annotate("constant answers, and nets\nthat follow the last few bits", (53, 20), xytext=(70, 60), arrowprops={"arrowstyle": "->"}, ha="center")
    save_png(figure, folder / "guesses.png")

    figure, axis = panels(1, 1, height=3.0)
    styles = {"bptt": (BLUE, "o", "BPTT at this length"), "curriculum": (GREEN, "s", "BPTT, lengths growing"), "annealing": (RED, "^", "simulated annealing")}
    for name, by_length in result["history"]["contrasts"].items():
        color, marker, label = styles[name]
        lengths = list(by_length)
        axis.plot(lengths, [100 * metrics[f"{name}_accuracy_n{length}"] for length in lengths], color=color, marker=marker, ls="" if len(lengths) < len(config.lengths) else "-", label=label)
        for length, accuracies in by_length.items():
            best = accuracies[accuracies.mean(1).argmax()]
            axis.scatter(length * np.geomspace(0.93, 1.07, len(best)), 100 * best, s=8, color=color, alpha=0.6)
    axis.axhline(100, color="black", ls=":", label="guessing, all simulations")
    axis.axhline(50, color=GREY, ls="--", label="constant answer")
    axis.set(xscale="log", xlabel="sequence length (steps)", ylabel="test accuracy (%)", ylim=(40, 103), xticks=config.lengths, xticklabels=config.lengths,
             title="large marks: mean over restarts; small ones: each restart")
    axis.minorticks_off()
    figure.legend(loc="outside right")
    save_png(figure, folder / "contrasts.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = rs.Config(seed=parser.parse_args().seed)
    draw(config, rs.run(config), Path(__file__).parent / "viz")
