# SPDX-License-Identifier: Unlicense
"""Figures of nbb-xor: python3 nbb-xor/visualize_nbb_xor.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import nbb_xor as nbb
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


PAPER_TOTALS = {"h3": (619, 674 * 4), "h2": (160 * 4, None), "h2x2": (263 * 4, None)}  # found, stable; per-pattern numbers times 4


def relative_margins(history):
    """Margin of the right output over the wrong one, in percent of the mean weight into the outputs -> (4, presentations + 1)."""
    weights = np.moveaxis(history, 0, -1)  # time takes the place of the nets
    into_outputs = weights[:, nbb.OUTPUTS]
    return 100 * nbb.correct_answers(weights)[1] * np.count_nonzero(into_outputs[..., 0]) / into_outputs.sum((0, 1))


def draw_paths(axis, weights, pattern):
    """The net as a diagram: units that are on for `pattern`, connections that fire; widths show weights (9, 8)."""
    net = np.einsum("i,ij->j", nbb.PATTERNS[pattern], weights[nbb.INPUTS])[:, None]
    hidden = nbb.winners(net)[nbb.HIDDEN]
    net[nbb.OUTPUTS] += weights[nbb.HIDDEN_SOURCES, nbb.OUTPUTS].T @ hidden
    output = nbb.winners(net)[nbb.OUTPUTS]
    places = {**{i: (i - 1, 0) for i in range(3)}, **{3 + i: (i - 1, 1) for i in range(3)}, 9: (-0.6, 2), 10: (0.6, 2)}
    on = {**dict(enumerate(nbb.PATTERNS[pattern])), **{3 + i: hidden[i, 0] for i in range(3)}, 9: output[0, 0], 10: output[1, 0]}
    largest = weights.max()
    for source in range(6):
        for target in (3, 4, 5, 9, 10) if source < 3 else (9, 10):
            weight = weights[source, target - 3]
            (x0, y0), (x1, y1) = places[source], places[target]
            fires = on[source] and on[target]
            axis.plot([x0, x1], [y0, y1], color=BLUE if fires else "#d8d8d8", lw=0.5 + 3 * weight / largest, zorder=2 if fires else 1)
    right = output[nbb.TARGETS[pattern], 0] > 0
    for unit, (x, y) in places.items():
        answer = (GREEN if right else RED) if unit > 8 else BLUE
        axis.scatter(x, y, s=110, color=answer if on[unit] else "white", edgecolor="#444444", zorder=3)
    for name, (x, y) in {"$x_1$": (-1, 0), "$x_2$": (0, 0), "on": (1, 0), "0": (-0.6, 2), "1": (0.6, 2)}.items():
        axis.annotate(name, (x, y), xytext=(0, 9 if y else -16), textcoords="offset points", ha="center", fontsize=8)
    axis.set(xlim=(-1.5, 1.5), ylim=(-0.6, 2.5), xticks=[], yticks=[])
    axis.axis("off")
    x1, x2, _ = nbb.PATTERNS[pattern].astype(int)
    axis.set_title(f"{x1} XOR {x2}: {'right' if right else 'wrong'}", loc="center", fontsize=9)


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, results = result["history"], result["history"]["results"]
    folder = Path(folder)
    folder.mkdir(exist_ok=True)

    figure, axes = panels(1, 2, height=3.4, sharey=True)
    for axis, key, column, title in zip(axes, ("found", "stable100"), (0, 1), ("until a solution is found", "until it stays for 100")):
        for row, (name, outcome) in enumerate(results.items()):
            values = np.minimum(outcome[key], config.presentations)
            reached = np.isfinite(outcome[key])
            offsets = row + np.linspace(-0.28, 0.28, len(values))
            axis.scatter(values[reached], offsets[reached], s=9, color=BLUE)
            axis.scatter(values[~reached], offsets[~reached], s=9, marker="x", lw=0.8, color=RED)
            if PAPER_TOTALS.get(name, (None, None))[column]:
                axis.plot([PAPER_TOTALS[name][column]] * 2, [row - 0.4, row + 0.4], color="black", lw=2)
        axis.set(title=title, xlabel="pattern presentations", yticks=range(len(results)), yticklabels=results, ylim=(len(results) - 0.4, -0.6))
    axes[0].set(xscale="log", xticks=(20, 100, 500, 2500), xticklabels=(20, 100, 500, 2500))
    axes[0].scatter([], [], s=9, color=BLUE, label="one net")
    axes[0].scatter([], [], s=9, marker="x", lw=0.8, color=RED, label="not reached (at the cap)")
    axes[0].plot([], [], color="black", lw=2, label="paper's mean (see text)")
    figure.legend(loc="outside lower center", ncols=3)
    save_png(figure, folder / "presentations.png")

    solved = nbb.correct_answers(np.moveaxis(history["weights"], 0, -1))[0]
    first = int(np.argmax(solved.all(0)))
    figure, axes = panels(5, 1, height=1.0, sharex=True)
    axes[0].plot(solved.sum(0), color=BLUE, lw=0.6)
    axes[0].set(ylabel="right of 4", yticks=(0, 2, 4), title=f"one net, learning never switched off (dashed: all right for the first time, presentation {first})")
    for pattern, (axis, margins) in enumerate(zip(axes[1:], relative_margins(history["weights"]))):
        x1, x2, _ = nbb.PATTERNS[pattern].astype(int)
        axis.fill_between(range(len(margins)), margins, where=margins > 0, color=GREEN, lw=0)
        axis.fill_between(range(len(margins)), margins, where=margins <= 0, color=RED, lw=0)
        axis.set(ylabel=f"{x1} XOR {x2}", ylim=(-1.5, 1.5))
    for axis in axes:
        axis.axvline(first, color="black", lw=0.8, ls="--")
    axes[-1].set_xlabel("pattern presentations; below: margin of the right output (% of the mean output weight)")
    save_png(figure, folder / "stability.png")

    weights = history["weights"]
    total = weights.sum((1, 2))
    injected, lost = balance(weights, history["patterns"], config)
    figure, axis = panels(1, 1, height=2.8)
    axis.plot(total, color=BLUE, label="in the net")
    axis.plot(np.cumsum(injected), color=GREEN, label="paid in by correct outputs, so far")
    axis.plot(np.cumsum(lost), color=RED, label="paid out by the inputs, so far")
    axis.plot(total[0] + np.cumsum(injected - lost), color="black", ls=":", label="start + paid in - paid out")
    axis.set(xlabel="pattern presentations", ylabel="weight substance", title="the books close: nothing appears or vanishes elsewhere")
    axis.legend()
    save_png(figure, folder / "substance.png")

    figure, axes = panels(1, 4, height=2.2)
    for pattern, axis in enumerate(axes):
        draw_paths(axis, weights[-1], pattern)
    save_png(figure, folder / "paths.png")


def balance(weights, patterns, config):
    """Weight substance that enters (payoff) and leaves (payments of input connections) the first net, per presentation."""
    before, steps = np.moveaxis(weights[:-1], 0, -1).astype(float), len(patterns)  # every presentation is a net of its own
    active, shares, injected, start = np.zeros((9, steps)), 0, np.zeros(steps), before.sum((0, 1))
    correct = (np.arange(2)[:, None] == nbb.TARGETS[patterns]).astype(float)
    for tick in range(config.ticks):
        if tick == 1:
            active[nbb.INPUTS] = nbb.PATTERNS[patterns].T
        contributions, net = nbb.contribute(before, active)
        fires = nbb.winners(net)
        injected += config.payoff * (contributions[:, nbb.OUTPUTS] * (fires[nbb.OUTPUTS] * correct)).sum((0, 1))
        shares = nbb.pay(before, contributions, net, fires, shares, correct, (1, 1, 1), config)
        active[nbb.HIDDEN_SOURCES] = fires[nbb.HIDDEN]
    return injected, injected - (before.sum((0, 1)) - start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = nbb.Config(seed=parser.parse_args().seed)
    draw(config, nbb.run(config), Path(__file__).parent / "viz")
