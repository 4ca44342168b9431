# SPDX-License-Identifier: Unlicense
"""Figures of embedded-reber: python3 embedded-reber/visualize_embedded_reber.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import embedded_reber as reber
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

NETS = {"lstm": ("LSTM of 1997", BLUE), "full_gradient": ("with the full gradient", SKY), "no_output_gates": ("without output gates", ORANGE),
        "rnn": ("tanh net, full gradient", GREEN), "elman": ("tanh net, Elman's training", RED)}
PAPER = {"4 x 1, rate 0.1": 39_740, "3 x 2, rate 0.1": 21_730, "3 x 2, rate 0.2": 14_060, "4 x 1, rate 0.5": 9500, "3 x 2, rate 0.5": 8440}
PLACES = ((0, 0), (1, 1), (1, -1), (2.4, 1), (2.4, -1), (3.4, 0), (4.3, 0))  # of the states of the inner automaton


def example(history):
    """A test string of the first net with 15 to 18 symbols."""
    return next((string for string in history["test"] if 15 <= len(string) <= 18), history["test"][0])


def answer(config, kind, theta, string):
    """Run a net with parameters `theta` over one string -> softmax (T, 7), and the model with all its activations."""
    model = reber.Model(kind, reber.dataclasses.replace(config, nets=1), np.random.default_rng(0))
    model.theta[...] = theta
    strings = reber.encode([[string]])
    outputs = model.outputs(reber.ONE_HOT[strings.symbols[..., :-1]].transpose(2, 0, 3, 1))[:, 0, :, 0]
    e = np.exp(outputs - outputs.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True), model


def show_prediction(axis, probability, string):
    """Heatmap symbols x steps, the legal symbols framed; returns the image."""
    image = axis.imshow(probability.T, cmap=plt.get_cmap("Greys", 11), vmin=0, vmax=1, aspect="auto")
    for step, allowed in enumerate(reber.legal_next(string)):
        for symbol in allowed:
            color = RED if step == len(string) - 3 else BLUE
            axis.add_patch(plt.Rectangle((step - 0.46, symbol - 0.46), 0.92, 0.92, fill=False, ec=color, lw=2.2 if color == RED else 1.2))
    axis.grid(False)
    axis.set(yticks=range(7), yticklabels=list(reber.SYMBOLS), xticks=range(len(string) - 1), xticklabels=list(string[:-1]))
    return image


def arrow(axis, start, end, letter):
    """An arrow between two places, its letter to the left of it."""
    axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 1, "shrinkA": 8, "shrinkB": 8})
    (x, y), (u, v) = start, end
    side = 0.2 / np.hypot(u - x, v - y)
    axis.text((x + u) / 2 - side * (v - y), (y + v) / 2 + side * (u - x), letter, ha="center", va="center", fontsize=10, weight="bold", color=BLUE)


def draw_grammar(folder):
    """The inner automaton, and the frame around it."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.15), width_ratios=(5.7, 6.4))
    for (x, y), name in zip(PLACES, (*"012345", "")):
        left.plot(x, y, "o", ms=15, mfc="white", mec="black")
        left.text(x, y, name, ha="center", va="center", fontsize=8)
    left.plot(*PLACES[-1], "o", ms=9, color="black")
    for state, ways in enumerate(reber.REBER):
        for symbol, following in dict.fromkeys(ways):
            letter = reber.SYMBOLS[symbol]
            if state == following:  # a loop
                up = PLACES[state][1]
                left.add_patch(plt.Circle((PLACES[state][0], 1.42 * up), 0.25, fill=False, lw=1))
                left.text(PLACES[state][0] + 0.4, 1.5 * up, letter, ha="center", va="center", fontsize=10, weight="bold", color=BLUE)
            else:
                arrow(left, PLACES[state], PLACES[following], letter)
    arrow(left, (-1, 0), PLACES[0], "B")
    left.set(xlim=(-1.1, 4.6), ylim=(-1.8, 1.85), aspect="equal", title="Reber grammar: choices at 1/2")
    for x, y in ((0, 0), (1, 0), (2, 1), (4, 1), (2, -1), (4, -1), (5, 0), (6, 0)):
        right.plot(x, y, "o", ms=11, mfc="black" if x == 6 else "white", mec="black")
    for y, letter in ((1, "T"), (-1, "P")):
        arrow(right, (1, 0), (2, y), letter)
        arrow(right, (4, y), (5, 0), letter)
        right.add_patch(plt.Rectangle((2.3, y - 0.45), 1.4, 0.9, fc="#e3eef7", ec="black", lw=0.8))
        right.text(3, y, "Reber", ha="center", va="center", fontsize=9)
        right.plot((2, 2.3), (y, y), (3.7, 4), (y, y), color="black", lw=1, zorder=0)
    arrow(right, (0, 0), (1, 0), "B")
    arrow(right, (5, 0), (6, 0), "E")
    right.set(xlim=(-0.2, 6.2), ylim=(-1.8, 1.85), aspect="equal", title="embedded: both outer letters are the same")
    for axis in (left, right):
        axis.axis("off")
    save_png(figure, folder / "grammar.png")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    draw_grammar(folder)
    curves, theta, string = history["curves"], history["theta"], example(history)

    figure, axes = panels(2, 1, height=2.1, sharex=True)
    for kind, curve in curves.items():
        label, color = NETS[kind]
        for axis, name in zip(axes, ("outer", "inner")):
            axis.plot(curve["presentations"], curve[name][:, 0], color=color, label=label, zorder=3 if kind == "lstm" else 2)
            if np.isfinite(curve["met"][0]):
                axis.plot(curve["met"][0], 0, "o", color=color, ms=6, clip_on=False, zorder=4)
    axes[0].set(ylabel="steps wrong", ylim=(0, 530), title="the outer letter, 512 predictions")
    axes[1].set(yscale="symlog", ylim=(0, 1e4), yticks=(0, 1, 10, 100, 1000), yticklabels=("0", "1", "10", "100", "1000"), xlabel="strings presented", xlim=(0, max(curve["presentations"][-1] for curve in curves.values())),
                ylabel="steps wrong", title="all other predictions (dot: no step wrong any more, success)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "learning.png")

    shown = [kind for kind in ("lstm", "elman") if kind in theta]
    figure, axes = panels(len(shown), 1, height=2.1, sharex=True, squeeze=False)
    for axis, kind in zip(axes[:, 0], shown):
        image = show_prediction(axis, answer(config, kind, theta[kind], string)[0], string)
        axis.set(ylabel="next symbol", title=NETS[kind][0] + (" (framed: legal; red: the outer letter)" if kind == "lstm" else ""))
    axes[-1, 0].set_xlabel("a test string: symbol seen last")
    figure.colorbar(image, ax=axes, label="probability", shrink=0.7)
    save_png(figure, folder / "prediction.png")

    traces = []
    for letter in "TP":
        probability, model = answer(config, "lstm", theta["lstm"], f"B{letter}{string[2:-2]}{letter}E")
        layer, steps = model.layer, len(string) - 1
        state = 2 * layer.half_state[1:steps + 1, 0, :, 0]
        gates = [np.repeat(layer.rows[1:steps + 1, 0, gate, 0], config.cells, axis=1) for gate in (layer.in_gates, layer.out_gates)]
        traces.append((state, *gates, model.y[:steps, 0, :, 0] * (model.output[0, reber.T] - model.output[0, reber.P])))
    vote = (traces[0][3] - traces[1][3])[len(string) - 3]  # of each cell, for T rather than P, when the outer letter is asked for
    cell = int(np.argmax(vote))
    figure, axes = panels(4, 1, height=1.35, sharex=True)
    for (*lines,), letter, color, style in zip(traces, "TP", (BLUE, ORANGE), ("o-", "s--")):
        for axis, values, name in zip(axes, lines, ("state s", "input gate", "output gate", "vote, T - P")):
            axis.plot(values[:, cell], style, ms=3, color=color, label=f"outer letter {letter}")
            axis.axvline(len(string) - 3, color=RED, lw=4, alpha=0.15)
            axis.set(ylabel=name)
    for axis in axes[1:3]:
        axis.set(ylim=(-0.05, 1.05))
    axes[0].set_title(f"cell {cell + 1} of {len(vote)}, the one that tells most (red: the outer letter comes next)")
    axes[3].set(xticks=range(len(string) - 1), xticklabels=[string[0], "T/P", *string[2:-2], "T/P"], xlabel="symbol seen last")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_png(figure, folder / "latch.png")

    bars = [(f"paper: {row}", met, GREY) for row, met in PAPER.items()] + [(*NETS[kind][:1], curve["met"][0], NETS[kind][1]) for kind, curve in curves.items()]
    figure, axis = panels(1, 1, height=3.0)
    for place, (label, met, color) in enumerate(bars):
        axis.barh(place, met if np.isfinite(met) else 0, color=color)
        limit = curves[next(kind for kind in curves if NETS[kind][0] == label)]["presentations"][-1] if not np.isfinite(met) else 0
        axis.annotate(f"{met:,.0f}" if np.isfinite(met) else f"not within {limit:,}", (met if np.isfinite(met) else 0, place), xytext=(4, 0),
                      textcoords="offset points", va="center", fontsize=8)
    axis.set(yticks=range(len(bars)), yticklabels=[label for label, *_ in bars], xlabel="strings presented until success (paper: mean of the successful of 30 trials)", xlim=(0, 45_000))
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    save_png(figure, folder / "presentations.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = reber.Config(seed=parser.parse_args().seed)
    draw(config, reber.run(config), Path(__file__).parent / "viz")
