# SPDX-License-Identifier: Unlicense
"""Figures of noise-free-long-lag: python3 noise-free-long-lag/visualize_noise_free_long_lag.py [--seed 0] writes viz/*.png (and trains the long rows)."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import noise_free_long_lag as lag
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

PAPER = {(50, 50): 30_000, (100, 100): 31_000, (200, 200): 33_000, (500, 500): 38_000, (1000, 1000): 49_000, (1000, 500): 49_000, (1000, 200): 75_000,
         (1000, 100): 135_000, (1000, 50): 203_000}  # Table 3: sequences presented, mean of 20 trials
X, Y = RED, BLUE  # the keys


def all_rows(config, rows, paired):
    """A trial of every row of Table 3: those of the finished run, and fresh ones of the rows that it lacks."""
    rngs = np.random.default_rng([config.seed, 3]).spawn(3)
    return {row: rows[row] if row in rows else lag.train_2c(*row, config, paired, *rngs) for row in PAPER}


def traces(net, q, tensors=None, sequences=10, seed=5):
    """States of both cells (steps, 2, sequences) on the same strings with key x and, behind those, with key y; the steps of e (sequences,)."""
    symbols, ends, keys = lag.draw_2c(np.random.default_rng(seed), q, net.p, 2 * sequences, paired=True)
    order = np.argsort(keys, kind="stable")
    trained = [tensor.copy() for tensor in net.tensors]
    for tensor, value in zip(net.tensors, tensors or trained):
        tensor[...] = value
    net.outputs(symbols[:, order], ends[order])
    for tensor, value in zip(net.tensors, trained):
        tensor[...] = value
    return 2 * net.layer.half_state[1:len(symbols) + 1], ends[order]


def draw_traces(axis, states, ends, every=1):
    """States of one cell (steps, sequences), the first half x and the second y, each up to its e; of several steps one."""
    for k, end in enumerate(ends):
        color, shown = X if 2 * k < len(ends) else Y, np.append(np.arange(0, end, every), end)
        axis.plot(shown, states[shown, k], color=color, lw=0.6, alpha=0.6)
        axis.plot(end, states[end, k], "o", color=color, ms=3)


def telling_cell(net, q):
    """The cell whose state differs most between the keys when the trigger comes."""
    states = traces(net, q)[0][q]
    half = states.shape[1] // 2
    return int(np.abs(states[:, :half].mean(1) - states[:, half:].mean(1)).argmax())


def draw_symbols(axis, row, names):
    """Write one sequence into a row, keys and the trigger in colour."""
    for step, name in enumerate(names):
        color = {"x": X, "y": Y, "e": GREEN, "b": GREY}.get(name, "#999999")
        axis.text(step, row, name if name in "xybe" else f"a{name}", color=color, weight="bold" if name in "xye" else "normal",
                  fontsize=9 if name in "xybe" else 7, ha="center", va="center")
    axis.text(len(names) - 0.25, row, "?", color=GREY, fontsize=9, va="center")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, curves, p = result["history"], result["history"]["curves"], config.p
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    figure, axes = panels(3, 1, height=1.0, sharex=True)
    rng = np.random.default_rng(4)
    names_2ab, names_2c = [*map(str, range(1, 16)), "x", "y"], [*map(str, range(1, 17)), "e", "b", "x", "y"]
    strings, ends, keys = lag.draw_2c(rng, 10, 16, 400)
    chosen = [int(np.flatnonzero((keys == key) & (ends == end))[0]) for key, end in ((0, 12), (1, 15), (0, 18))]
    for axis, title, sequences in zip(axes, ("2a: always the same symbols between (here p = 16 instead of 100)", "2b: random symbols between",
                                             "2c: random symbols and length, a trigger e (here q = 10 instead of 50 to 1000)"), (
            [[names_2ab[k] for k in string[:-1]] for string in lag.two_sequences(16)],
            [[names_2ab[k] for k in string[:-1]] for string in lag.draw_2b(rng, 16, 3)],
            [[names_2c[k] for k in strings[:ends[n] + 1, n]] for n in chosen])):
        for row, names in enumerate(sequences):
            draw_symbols(axis, row, names)
        axis.set(ylim=(len(sequences) - 0.4, -0.6), xlim=(-0.7, 19.5), yticks=[], xticks=[], title=title)
        axis.grid(False)
        axis.spines[["left", "bottom"]].set_visible(False)
    save_png(figure, folder / "sequences.png")

    figure, axes = panels(1, 2, height=3)
    look = {"2a": ("LSTM", BLUE), ("rnn_1_bptt", max(config.contrast_p)): ("1 recurrent unit, BPTT", ORANGE),
            ("rnn_16_bptt", max(config.contrast_p)): ("16 recurrent units, BPTT", RED),
            ("rnn_1_rtrl", max(config.contrast_p)): ("1 recurrent unit, RTRL", PURPLE), "no_cell": ("no memory", GREY)}
    for name, (label, color) in look.items():
        if name in curves:
            axes[0].plot([n for n, _ in curves[name]], [errors.min() for _, errors in curves[name]], color=color, label=label, ls=":" if name == "no_cell" else "-")
    for name, label, color in (("2b", "at the end", BLUE), ("2b_every_step", "at every step", ORANGE)):
        if name in curves:
            axes[1].plot(*zip(*curves[name]), color=color, label=label)
    for axis, title in zip(axes, (f"2a, p = {p}: the best net of each kind", f"2b, p = {p}: LSTM, last step")):
        axis.axhline(0.25, color=GREEN, lw=0.8, ls="--")
        axis.set(ylim=(0, 1.35), xlabel="sequences presented", ylabel="largest error of any output", title=title)
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axis.legend(loc="upper right", **({} if axis is axes[0] else {"title": "error signal", "bbox_to_anchor": (1, 0.7)}))
    save_png(figure, folder / "learning.png")

    rows, pairs = all_rows(config, history["rows"], config.paired), all_rows(config, {}, not config.paired)
    figure, axes = panels(1, 2, height=3, sharey=True)
    for axis, label, choose, where in ((axes[0], "lag q (p = q)", lambda q, p: q == p, lambda q, p: q),
                                       (axes[1], "q / p (q = 1000)", lambda q, p: q == 1000, lambda q, p: q / p)):
        kept = [row for row in PAPER if choose(*row)]
        axis.plot([where(*row) for row in kept], [PAPER[row] for row in kept], "s--", color=GREY, label="paper, mean of 20 trials")
        axis.plot([where(*row) for row in kept], [rows[row][1] for row in kept], "o-", color=BLUE, label="here, one trial")
        axis.plot([where(*row) for row in kept], [pairs[row][1] for row in kept], "^-", color=ORANGE, lw=1, label="here, each string with both keys")
        axis.set(xscale="log", yscale="log", xlabel=label, xticks=[where(*row) for row in kept])
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axis.xaxis.set_minor_locator(plt.NullLocator())
        axis.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes[0].set(ylabel="sequences presented until success", title="Table 3: longer lags")
    axes[1].set(title="Table 3: fewer distractors")
    axes[0].set(ylim=(2500, 400_000))
    axes[0].legend(loc="upper left")
    save_png(figure, folder / "table_3.png")

    net, presented, steps = rows[1000, 1000]
    figure, axes = panels(3, 1, height=1.6, sharex=True)
    moments = [0, int(np.searchsorted([n for n, *_ in steps], presented / 3)), len(steps) - 1]
    cell = telling_cell(net, 1000)
    for axis, moment in zip(axes, moments):
        states, ends = traces(net, 1000, steps[moment][2])
        draw_traces(axis, states[:, cell], ends, 25)
        axis.set(title=f"after {steps[moment][0]:,} sequences", ylabel=f"state of cell {cell + 1}")
    axes[-1].set(xlabel="step (dots: the trigger e; red: sequences with key x, blue: the same with key y)")
    save_png(figure, folder / "states.png")

    figure, axes = panels(1, 2, height=3)
    net, _, steps = list(rows.values())[2]  # q = p = 200
    cell = telling_cell(net, 200)
    for axis, last, values, first in ((axes[0], p - 1, history["adds"], None), (axes[1], net.p, net.input[cell], steps[0][2][1][cell])):
        if first is not None:
            axis.plot(np.arange(1, last + 1), first[:last], ".", color="#cccccc", ms=3, label="distractors, untrained")
        axis.plot(np.arange(1, last + 1), values[:last], ".", color="#555555", ms=3, label="distractors")
        for k, (name, color) in enumerate((("x", X), ("y", Y)) if first is None else (("e", GREEN), ("b", GREY), ("x", X), ("y", Y)), 1):
            axis.plot(last * (1.02 + 0.035 * k), values[last + k - 1], "D", color=color, ms=5, label=name)
        axis.set(xlabel="symbol")
    axes[0].legend(loc="center right")
    axes[0].set(title="2b: what a symbol adds to the state", ylabel="input gate times g")
    axes[1].legend(loc="lower left", ncols=2)
    axes[1].set(title="2c, q = p = 200: what it tells a cell", ylabel="input weight of the cell")
    save_png(figure, folder / "symbols.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = lag.Config(seed=parser.parse_args().seed)
    draw(config, lag.run(config), Path(__file__).parent / "viz")
