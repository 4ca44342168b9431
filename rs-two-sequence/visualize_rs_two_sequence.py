# SPDX-License-Identifier: Unlicense
"""Figures of rs-two-sequence: python3 rs-two-sequence/visualize_rs_two_sequence.py [--seed 0] writes viz/*.png."""
import argparse
import math
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import rs_two_sequence as rs
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


def traces(theta, name, x):
    """All activations of A1 or A2 on x (steps, sequences) -> hidden (steps, hidden, nets, sequences), output (steps, nets, sequences)."""
    weights = rs.unpack(theta, rs.ARCHITECTURES[name])
    hidden, output, kept = np.zeros((rs.ARCHITECTURES[name].hidden, len(theta), x.shape[1])), np.zeros((len(theta), x.shape[1])), []
    for row in x:
        hidden, output = rs.step(weights, row, hidden, output)
        kept.append((hidden, output))
    return (np.array(part) for part in zip(*kept))


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    searches, metrics = result["history"]["searches"], result["metrics"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    winner, x = searches["a1"]["winners"][0], result["history"]["test"][0][:config.shortest, :20]
    hidden, output = traces(winner[None], "a1", x)
    figure, axes = panels(3, 1, height=1.4, sharex=True)
    steps = np.arange(1, len(x) + 1)
    axes[0].plot(steps, x[:, 1], color=GREY, lw=0.6)
    axes[0].scatter(1, x[0, 1], color=ORANGE, s=30, zorder=3)
    axes[0].set(ylabel="input", title="a net found by guessing (A1), ten test sequences of each class; the input of one of them")
    for axis, values, label in ((axes[1], hidden[:, 0, 0], "hidden unit"), (axes[2], output[:, 0], "output")):
        for kind, color, name in ((0, BLUE, "first input -1"), (1, ORANGE, "first input +1")):
            axis.plot(steps, values[:, kind::2], color=color, lw=0.8, alpha=0.6)
            axis.plot([], [], color=color, label=name)
        axis.set(ylabel=label, ylim=(-0.08, 1.08))
    axes[2].legend(loc="center right")
    axes[2].set_xlabel("step")
    save_png(figure, folder / "winner.png")

    figure, axes = panels(1, 2, height=2.8, sharey=True)
    papers = {"latch1": 6, "latch2": 22}
    for axis, name in zip(axes, papers):
        longest = 0
        for noise, color, label in (("", BLUE, "variance"), ("_narrow", GREEN, "standard deviation")):
            trials = np.sort(np.array(searches[name + noise]["trials"], float))
            longest = max(longest, np.nanmax(trials))
            axis.step(np.r_[0, trials], np.arange(len(trials) + 1) / len(trials), where="post", color=color, label=f"{config.variance} is the noise's {label}")
            axis.plot(grid := np.linspace(0, longest, 200), 1 - np.exp(-grid / trials.mean()), color=color, ls="--", lw=0.9)
        axis.plot(grid, 1 - np.exp(-grid / papers[name]), color="black", ls=":", label=f"geometric, paper's mean {papers[name]}")
        axis.set(xlabel="trials", title=f"latch {'I' if name == 'latch1' else 'II'}: {len(trials)} simulations", ylim=(0, 1.03))
        axis.legend(loc="lower right", fontsize=7)
    axes[0].set_ylabel("share of simulations solved")
    save_png(figure, folder / "latches.png")

    data_rng, rng = np.random.default_rng(config.seed).spawn(2)
    figure, axes = panels(1, 2, height=2.8, sharey=True)
    lengths, variances, draws = (50, 100, 200, 500, 1000), (0.01, 0.02, 0.04, 0.1, 0.2, 0.4), 50_000
    for variance, color in ((config.variance, BLUE), (config.variance ** 2, GREEN)):
        shares = [rs.density("a1", draws, config, T, T, math.sqrt(variance), data_rng, rng) or np.nan for T in lengths]
        axes[0].plot(lengths, shares, color=color, marker="o", label=f"variance {variance:.2g}")
    axes[0].set(xscale="log", yscale="log", xlabel="sequence length (steps)", ylabel="draws per fit, A1", title="the length matters little",
                xticks=lengths, xticklabels=lengths)
    axes[0].minorticks_off()
    shares = [rs.density("a1", draws, config, 100, 120, math.sqrt(variance), data_rng, rng) or np.nan for variance in variances]
    axes[1].plot(variances, shares, color=PURPLE, marker="o", label="100 to 120 steps")
    axes[1].set(xscale="log", yscale="log", xlabel="variance of the noise", title="the noise matters a lot", xticks=variances, xticklabels=variances)
    axes[1].minorticks_off()
    for axis in axes:
        axis.axhspan(718, 1247, color=GREY, alpha=0.3, lw=0, label="paper's 718 to 1,247 trials")
        axis.set_ylim(40, 40_000)
        axis.legend(loc="lower right", fontsize=7)
    save_png(figure, folder / "density.png")

    figure, axes = panels(1, 3, height=2.7, sharey=True)
    side = np.linspace(-100, 100, 100)
    for axis, bias in zip(axes, (0, 10, 20)):
        w, v = (part.ravel() for part in np.meshgrid(side, side, indexing="ij"))
        right = rs.judge(np.stack([w, v, np.full_like(w, bias)], axis=1), "latch2", *searches["latch2"]["data"])
        axis.imshow((right == config.training_sequences).reshape(100, 100), origin="lower", extent=(-100, 100, -100, 100), cmap="cividis", aspect="auto")
        noise = np.abs(searches["latch2"]["data"][0][1:]).max()
        line = np.array([bias, 100])
        axis.plot(line, bias + noise * line, color=RED, ls="--", label="w = |c| + v max |x|")
        axis.axvline(bias, color=ORANGE, ls=":", label="v = |c|")
        axis.set(xlabel="input weight v", title=f"bias c = {bias}", xlim=(-100, 100), ylim=(-100, 100))
        axis.grid(False)
    axes[0].set_ylabel("self-weight w")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_png(figure, folder / "basin.png")

    figure, axis = panels(1, 1, height=2.9)
    for name, color, marker, label in (("adam", BLUE, "o", "BPTT, Adam"), ("sgd", SKY, "s", "BPTT, plain descent"), ("annealing", RED, "^", "simulated annealing")):
        lengths = list(result["history"]["contrasts"][name])
        axis.plot(lengths, [100 * metrics[f"{name}_solved_fraction_n{T}"] for T in lengths], color=color, marker=marker,
                  ls="" if name == "annealing" else "-", label=label)
    axis.axhline(100, color="black", ls=":", label=f"guessing: all {config.latch_simulations} simulations")
    axis.set(xscale="log", xlabel="sequence length (steps)", ylabel="restarts that solve the task (%)", xticks=config.lengths, xticklabels=config.lengths,
             title="latch II by gradient descent, by annealing, by guessing", ylim=(-4, 104))
    axis.minorticks_off()
    figure.legend(loc="outside right")
    save_png(figure, folder / "contrasts.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = rs.Config(seed=parser.parse_args().seed)
    draw(config, rs.run(config), Path(__file__).parent / "viz")
