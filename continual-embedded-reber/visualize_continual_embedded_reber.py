# SPDX-License-Identifier: Unlicense
"""Figures of continual-embedded-reber: python3 continual-embedded-reber/visualize_continual_embedded_reber.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import continual_embedded_reber as cerg
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

NETS = {"forget": ("forget gates", BLUE), "forget_fixed_rate": ("forget gates, fixed rate", SKY), "standard": ("no forget gates", RED),
        "state_decay": ("state decays by 0.9", ORANGE), "external_reset": ("reset from outside", GREEN)}


def follow(config, row, theta, streams):
    """Let the first net of a row, with parameters `theta`, follow streams to their end -> outputs (steps, 7) and its ForgetLSTM, of the first stream."""
    steps = len(streams.symbols) - 1
    net = cerg.Nets(config, [cerg.ROWS[row][0]], theta[None], steps, 1)
    x, _, _ = cerg.encode(streams.symbols[:, None, :1], streams.nodes[:, None, :1])
    return net.predict(x, streams.starts()[:-1, None, :1])[:, 0, :, 0], net.layer


def final(result, row):
    """Parameters of the first net that was chosen for a row, at the end of training."""
    return result["history"]["train"]["theta"][-1, result["history"]["chosen"][row][0]]


def window(config, strings=4, seed=3):
    """A stream of whole strings of moderate length with both outer letters, as a Tape of arrays (symbols, 1), and where its strings begin."""
    rng = np.random.default_rng(seed)
    while True:
        tape = cerg.draw_tape(rng, strings + 1, config.delimiters)
        starts = np.flatnonzero(tape.starts())
        outer = tape.symbols[:-1][tape.places[:-1] == 0][:strings]
        if np.diff(starts).max() <= 13 and np.diff(starts).sum() <= 46 and (outer[1:] != outer[:-1]).all():
            end = starts[-1] + 1
            return cerg.Tape(*(field[:end, None] for field in tape)), starts[:-1]


def reset_block(layer, starts):
    """The cell whose forget gate closes most at the ends of strings and is open most elsewhere."""
    f = layer.gates[:, 0, 1, :, 0, 0]  # (steps, blocks)
    near = np.isin(np.arange(len(f)), [s + k for s in starts[1:] for k in (-2, -1, 0)])
    block = int(np.argmax(f[~near].mean(0) - np.array([f[s - 2:s + 1].min(0) for s in starts[1:]]).mean(0)))
    spread = layer.half_state[1:, 0, block, :, 0].std(0)
    return block, int(spread.argmax())


def label_symbols(axis, streams, starts):
    """Symbols under the axis, a line at the start of each string, the letter to be remembered in colour."""
    symbols, nodes, places = (field[:, 0] for field in streams)
    axis.set(xticks=range(len(symbols) - 1), xlim=(-0.7, len(symbols) - 1.5))
    axis.set_xticklabels([cerg.SYMBOLS[s] for s in symbols[:-1]], fontsize=8)
    for tick, place, node in zip(axis.get_xticklabels(), places, nodes):
        if place == 0 or node in cerg.OUTER:
            tick.set(color=RED, weight="bold")
    for start in starts[1:]:
        axis.axvline(start - 0.5, color="black", lw=0.8, zorder=0)


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    training, test, chosen = history["train"], history["test"], history["chosen"]

    figure, axis = panels(1, 1, height=2.9)
    symbols = training["updates"] * config.chunk
    for row, (label, color) in NETS.items():
        errors = training["errors"][1:, chosen[row]].mean(1)
        axis.plot(symbols[1:], np.diff(symbols) / np.maximum(errors, 0.5), color=color, label=label)
    axis.set(yscale="log", xlabel="training symbols", ylabel="symbols per error", title="while they learn, strict rule (no error in a window counts as half an error)",
             xlim=(0, symbols[-1]))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "learning.png")

    figure, axis = panels(1, 1, height=3.0)
    for place, (_, color) in enumerate(NETS.values()):
        for rule, marker, shift, fill in ((0, "o", 0.17, "none"), (1, "o", -0.17, color)):
            lengths = np.maximum(test["free"][rule][place * config.nets], 1)
            axis.plot(lengths, place - shift * np.ones(len(lengths)), marker, ms=5, color=color, mfc=fill, alpha=0.8, clip_on=False, zorder=3)
    for x, name in ((1000, "good"), (config.stream_length, "no error")):
        axis.axvline(x, color="black", lw=0.8, ls="--")
        axis.text(x, -0.62, name, ha="center", va="bottom", fontsize=8)
    axis.set(xscale="log", yticks=range(len(NETS)), yticklabels=[label for label, _ in NETS.values()], xlim=(1, 1.3 * config.stream_length),
             xlabel=f"symbols before the first error, {config.streams} test streams (filled: strict rule; open: 0.49 rule)")
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    save_png(figure, folder / "error_free.png")

    figure, axis = panels(1, 1, height=2.7)
    for place, (label, color) in enumerate(NETS.values()):
        axis.plot(history["norm_at"], history["norms"][:, place * config.nets], color=color, label=label)
    axis.set(xscale="log", yscale="log", xlabel="symbols since the start of the stream", ylabel="length of the state vector", title="internal states along a test stream, mean over streams")
    axis.legend(loc="upper left")
    save_png(figure, folder / "states.png")

    streams, starts = window(config)
    p, layer = follow(config, "forget", final(result, "forget"), streams)
    figure, axes = panels(3, 1, height=1.35, sharex=True)
    f, block = layer.gates[:, 0, 1, :, 0, 0], reset_block(layer, starts)[0]
    for k, color in zip(range(config.blocks), (BLUE, ORANGE, GREEN, PURPLE)):
        axes[0].plot(f[:, k], color=color, label=f"block {k + 1}", lw=2.2 if k == block else 1)
        axes[1].plot(2 * layer.half_state[1:, 0, k, :, 0], color=color, lw=2.2 if k == block else 1)
    axes[0].set(ylabel="forget gate", ylim=(-0.05, 1.05), title=f"forget gates close where a string ends (thick: block {block + 1})")
    axes[1].set(ylabel="states")
    nodes = streams.nodes[1:, 0]
    at = np.flatnonzero(np.isin(nodes, cerg.OUTER))
    axes[2].plot(p[:, cerg.T], color=BLUE, label="T")
    axes[2].plot(p[:, cerg.P], color=ORANGE, ls="--", label="P")
    axes[2].plot(at, p[at, streams.symbols[at + 1, 0]], "o", color=RED, ms=6, label="the right one")
    axes[2].set(ylabel="predicted", ylim=(-0.05, 1.05), xlabel="symbol seen last (red: the letter to remember, and where it returns)")
    for axis in axes:
        label_symbols(axis, streams, starts)
    for axis in axes[::2]:
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    save_png(figure, folder / "forgetting.png")

    figure, (left, right) = panels(1, 2, height=2.9)
    million = config.streams * config.stream_length / 10 / 1e6
    for place, (label, color) in enumerate(NETS.values()):
        left.plot(np.arange(1, 11), np.maximum(test["wrong"][1, place * config.nets] / million, 1 / million / 2), "o-", ms=3, color=color, label=label)
        edges = np.arange(3, cerg.LONGEST + 1, 3)
        wrong, total = (np.add.reduceat(a[..., :-1], edges[:-1], -1) for a in (test["outer_wrong"][place * config.nets], test["outer"]))
        right.plot(edges[:-1][total > 20] + 1, (wrong / np.maximum(total, 1))[total > 20], "o-", ms=3, color=color)
    left.set(yscale="log", xlabel="tenth of the test streams", ylabel="errors per million symbols", title="all errors (none drawn as half an error)", xticks=range(1, 11))
    right.set(xlabel="length of the string between", ylabel="share wrong", ylim=(-0.02, 0.62), title="outer letters")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "errors.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = cerg.Config(seed=parser.parse_args().seed)
    draw(config, cerg.run(config), Path(__file__).parent / "viz")
