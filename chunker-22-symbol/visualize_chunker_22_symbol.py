# SPDX-License-Identifier: Unlicense
"""Figures of chunker-22-symbol: python3 chunker-22-symbol/visualize_chunker_22_symbol.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import chunker_22_symbol as ch
import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
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


WINDOW = 100  # blocks over which curves are averaged


def smooth(values):
    """Running mean over WINDOW blocks, or fewer if there are not so many -> where the windows end, and means."""
    width = min(WINDOW, len(values))
    return np.arange(width, len(values) + 1), np.convolve(values, np.ones(width) / width, "valid")


def show_blocks(axis, labels, lag):
    """Letters above an axis where blocks begin, and lines between them."""
    for block, label in enumerate(labels):
        start = block * (lag + 1)
        axis.axvline(start - 0.5, color="black", lw=0.6, ls=":")
        axis.text(start, 1.02, "xa"[label], transform=axis.get_xaxis_transform(), ha="center", fontsize=9, color=(BLUE, ORANGE)[label], weight="bold")


def mixed_start(labels, count):
    """First place in labels from which `count` of them are not alike and change early, so that a picture shows both kinds."""
    return next((start for start in range(len(labels) - count) if labels[start] != labels[start + 1] and labels[start + 1] == labels[start + 2]), 0)


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    names, trained = np.array(history["names"]), history["trained"]
    total, criterion = len(trained["errors"]), trained["criterion"]

    figure, axes = panels(1, 2, height=3.1, sharey=True)
    lines = [("A, while it imitates C", BLUE, trained["errors"][:, 0]), ("C itself", ORANGE, trained["chunker_errors"][:, 0])]
    for axis, shown in zip(axes, (lines, [lines[0], *((label, color, trained["errors"][:, names == name].T) for name, label, color in (
            ("alone_short", f"A alone, errors go back {config.span} steps", RED), ("alone_full", f"A alone, errors go back {config.lag} steps", GREEN),
            ("untrained_chunker", "A, while it imitates an untrained C", PURPLE)))])):
        for label, color, curves in shown:
            for number, curve in enumerate(np.atleast_2d(curves)):
                many = len(np.atleast_2d(curves)) > 1
                axis.plot(*smooth(curve), color=color, label=None if number else label, lw=0.8 if many else 1.8, alpha=0.7 if many else 1)
        axis.axhline(0.5, color="black", lw=0.8, ls=":")
        axis.set(xlabel="sequences", xlim=(0, total), ylim=(0, 0.88))
        axis.legend(loc="upper right")
    axes[0].set(ylabel=f"error of the target, mean of {min(WINDOW, total)} blocks", title="the two nets")
    axes[1].set_title("contrasts: 4 learning rates each for A alone")
    save_png(figure, folder / "learning.png")

    figure, axes = panels(2, 1, height=2.3, sharex=True)
    shown = min(total, 1500)
    width = max(1, shown // 150)
    cut = shown // width * width
    axes[0].imshow(trained["places"][:cut].reshape(-1, width, config.lag + 1).mean(1).T, aspect="auto", vmin=0, vmax=1, extent=(0, cut, config.lag + 0.5, -0.5))
    axes[0].set(yticks=[0, config.lag // 2, config.lag], yticklabels=["a or x", f"b{config.lag // 2}", f"b{config.lag}"], title="how often each symbol of a block is a surprise (yellow: always)")
    axes[0].grid(False)
    axes[1].plot(*smooth(trained["surprises"][:, 0]), color=BLUE)
    axes[1].axhline(1, color="black", lw=0.8, ls=":")
    axes[1].set(xlabel="sequences", ylabel="surprises per block", ylim=(0, config.lag + 2), xlim=(0, shown))
    save_png(figure, folder / "surprises.png")

    start = mixed_start(history["labels"], 4)
    labels, (_, automatizer, chunker) = history["labels"][:start + 4], trained["snapshots"][-1]
    inputs, run, surprise, known = ch.replay(automatizer, chunker, labels, config)
    first = start * (config.lag + 1)
    figure, axes = panels(3, 1, height=1.6, sharex=True)
    axes[0].plot(known[first:, :-1], color=ORANGE, lw=2.4, label=["C"] + [None] * (known.shape[1] - 2))
    axes[0].plot(run.imitation[0, first:, :-1], color="black", lw=0.9, label=["A's imitation of C"] + [None] * (known.shape[1] - 2))
    axes[0].set_ylabel("C's state")
    axes[1].plot(known[first:, -1], color=ORANGE, lw=2.4)
    axes[1].plot(run.imitation[0, first:, -1], color="black", lw=0.9)
    axes[1].set(ylabel="C expects\na target of", ylim=(-0.1, 1.1))
    axes[2].plot(run.predicted[0, first:, -1], color=BLUE, lw=0.9, label="A's target unit")
    ends = np.arange(1, 5) * (config.lag + 1) - 1
    axes[2].plot(ends, labels[start:], "o", mfc="none", color=GREEN, ms=8, label="right answer, due at the last symbol only")
    axes[2].set(ylabel="target unit", xlabel="step of a test stream without teacher", ylim=(-0.1, 1.1))
    show_blocks(axes[0], labels[start:], config.lag)
    for axis in axes[1:]:
        for end in ends[:-1]:
            axis.axvline(end + 0.5, color="black", lw=0.6, ls=":")
    figure.legend(*[sum(pairs, []) for pairs in zip(*(axis.get_legend_handles_labels() for axis in (axes[0], axes[2])))], loc="outside lower center", ncols=4)
    save_png(figure, folder / "memory.png")

    figure, axes = panels(1, 3, height=2.8, width_ratios=(1, 1, 1.1))
    before, after = (snapshot[1][0][0, :config.automatizer_hidden] for snapshot in (trained["snapshots"][0], trained["snapshots"][-1]))
    _, run, _, _ = ch.replay(automatizer, chunker, history["labels"], config)
    hidden, kind = run.hidden[0].reshape(len(history["labels"]), config.lag + 1, -1)[1:], history["labels"][1:]
    for axis, picture, limit in ((axes[0], after.T, np.abs(after).max()), (axes[2], (hidden[kind == 1].mean(0) - hidden[kind == 0].mean(0)).T, 2)):
        shown = axis.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        figure.colorbar(shown, ax=axis, location="bottom", shrink=0.8)
        axis.grid(False)
    axes[0].set(title="A's recurrent weights", xlabel="from hidden unit", ylabel="to hidden unit")
    axes[2].set(title="hidden units:\na blocks minus x blocks", xlabel="symbol that is due", ylabel="hidden unit", xticks=[0, config.lag // 2, config.lag], xticklabels=["a/x", f"b{config.lag // 2}", f"b{config.lag}"])
    turn = np.linspace(0, 2 * np.pi, 200)
    axes[1].plot(np.cos(turn), np.sin(turn), color="black", lw=0.8, ls=":")
    for weights, color, label in ((before, GREY, "start"), (after, BLUE, "end")):
        values = np.linalg.eigvals(weights)
        axes[1].plot(values.real, values.imag, "o", ms=4, color=color, label=label)
    axes[1].set(title="their eigenvalues\n(dotted: size 1)", xlabel="real part", ylabel="imaginary part")
    axes[1].set_aspect("equal", "datalim")
    figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_png(figure, folder / "weights.png")

    runs = criterion[:config.runs]
    figure, axis = panels(1, 1, height=2.6)
    axis.axvspan(0, 5000, color="#eef4fa", lw=0)
    axis.plot(np.sort(runs[np.isfinite(runs)]), np.arange(1, np.isfinite(runs).sum() + 1), "o-", color=BLUE, drawstyle="steps-post", label=f"{config.runs} runs here")
    axis.plot([5000, 35_000], [13, 17], "s", color=GREY, label="paper: 13 of 17 below 5000, all below 35,000")
    axis.set(xscale="log", xlabel="sequences until the criterion is met", ylabel="runs that met it", ylim=(0, config.runs + 1), xlim=(300, 50_000), yticks=sorted({0, 5, 13, config.runs}))
    axis.legend(loc="lower right")
    save_png(figure, folder / "runs.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = ch.Config(seed=parser.parse_args().seed)
    draw(config, ch.run(config), Path(__file__).parent / "viz")
