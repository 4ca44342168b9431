# SPDX-License-Identifier: Unlicense
"""Figures of rs-tomita: python3 rs-tomita/visualize_rs_tomita.py [--seed 0] writes viz/*.png (a minute)."""
import argparse
import dataclasses
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import rs_tomita as rs
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


NAMES = {1: "#1: 1*", 2: "#2: (10)*", 3: "#3", 4: "#4: no 000", 5: "#5", 6: "#6", 7: "#7"}
STATE_COLORS = (BLUE, GREEN, ORANGE, RED, PURPLE)
PAPER_TRIALS = {1: (182, 288), 2: (1511, 17953), 4: (13833, 35610)}  # A1, A2; averages, quoted from later literature
SCALES, SIZES, TICKS = (2, 5, 10, 20, 50, 100), (1, 2, 3, 5), (1, 3, 10, 30, 100, 600)


def prefix_states(weights, longest=10):
    """Hidden activations of one net, (H + 1, H + 3), after every string of length 1..longest -> (N, H), strings in the order of all_strings."""
    states, (hidden, net_output) = [], rs.rest(weights[..., None])
    for _ in range(longest):
        hidden, net_output = rs.continuations("tanh", weights[..., None], hidden, net_output)
        states.append(hidden[:, 0, :, 0].T)
    return np.concatenate(states)


def draw_plane(axis, weights, grammar):
    """The hidden plane of a two-unit net: states after all strings up to length 10, coloured by the grammar's automaton, and the readout's line."""
    states, kinds = prefix_states(weights), rs.automaton_states(grammar, *rs.all_strings(1, 10))
    ends = rs.AUTOMATA[grammar][1]
    for kind, legal in enumerate(ends):
        points = states[kinds == kind][:, :2].T
        axis.scatter(*points, s=95 - 22 * kind, color=STATE_COLORS[kind], marker="o" if legal else "X", lw=0, zorder=3)
    grid = np.linspace(-1.2, 1.2, 241)
    x, y = np.meshgrid(grid, grid)
    readout = weights[-1, 0] * x + weights[-1, 1] * y + weights[-1, -1]
    axis.contourf(x, y, readout, levels=[0, np.inf], colors=["#e8eef4"], zorder=0)
    if readout.min() < 0 < readout.max():
        axis.contour(x, y, readout, levels=[0], colors="black", linewidths=0.8, zorder=1)
    axis.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), xticks=(-1, 0, 1), yticks=(-1, 0, 1), xlabel="hidden unit 1", aspect="equal")


def scores_by_length(answers_of, grammar, rng):
    """Balanced accuracy at single lengths, all strings up to 15, drawn ones beyond -> {length: score}; answers_of(bits, lengths) -> boolean (N,)."""
    scores = {}
    for n in [*range(1, 16), 20, 30, 50, 100, 200, 400, 600]:
        bits, lengths = rs.long_strings(grammar, rng, 100, n, n)[:2] if n > 15 else rs.all_strings(n, n)
        legal = rs.is_legal(grammar, bits, lengths)
        if legal.any() and not legal.all():
            scores[n] = rs.balanced_accuracy(answers_of(bits, lengths), legal)
    return scores


def draw_automaton(axis, automaton):
    """The extracted automaton, equivalent boxes merged: double rings accept; blue arrows read 1, orange ones 0."""
    classes = rs.minimise(automaton["successors"], automaton["accepts"])
    order = list(dict.fromkeys(classes[np.argsort(classes != classes[0], kind="stable")]))  # the start's class first
    angle = {kind: np.pi - 2 * np.pi * i / len(order) for i, kind in enumerate(order)}
    place = {kind: np.array([np.cos(a), np.sin(a)]) for kind, a in angle.items()}
    for kind in order:
        member = int(np.flatnonzero(classes == kind)[0])
        x, y = place[kind]
        axis.add_patch(plt.Circle((x, y), 0.24, fc="white", ec="black", zorder=3))
        if automaton["accepts"][member]:
            axis.add_patch(plt.Circle((x, y), 0.19, fc="white", ec="black", zorder=4))
        axis.text(x, y, str((classes == kind).sum()), ha="center", va="center", zorder=5, fontsize=8)
        for symbol, color in ((0, ORANGE), (1, BLUE)):
            target = classes[automaton["successors"][member, symbol]]
            if target == kind:
                axis.add_patch(plt.Circle(place[kind] * (1.36 if symbol else 1.4), 0.19 if symbol else 0.25, fc="none", ec=color, lw=1.3, zorder=2))
            else:
                look = {"arrowstyle": "-|>", "color": color, "lw": 1.3, "shrinkA": 15, "shrinkB": 15}
                axis.annotate("", place[target], place[kind], arrowprops={**look, "connectionstyle": f"arc3,rad={0.16 + 0.14 * symbol}"})
    axis.annotate("", (-1.25, 0.12), (-1.75, 0.55), arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 0.8})
    axis.set(xlim=(-1.85, 1.85), ylim=(-1.75, 1.75), aspect="equal")
    axis.axis("off")


def draw(config, result, folder):
    """Write the figures of a finished run of experiment "guess" into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    grammars = [grammar for grammar in config.grammars if history[grammar]["automaton"]]

    scan = rs.run(dataclasses.replace(config, experiment="scales", max_trials=1_500_000, wanted_fits=20))["metrics"]
    table = rs.run(rs.Config(seed=config.seed, **rs.PRESETS["paper"]))["metrics"]
    figure, axes = panels(1, 3, height=3.3, sharey=True)
    for axis, grammar in zip(axes, (1, 2, 4)):
        for units, color in zip(SIZES, (SKY, BLUE, GREEN, PURPLE)):
            values = [scan.get(f"tomita{grammar}_trials_per_fit_{units}_units_scale_{scale}") for scale in SCALES]
            axis.plot(SCALES, [np.nan if v is None else v for v in values], "o-", ms=3, color=color, label=f"{units} tanh unit{'s' * (units > 1)}")
            if None in values:
                missed = [scale for scale, value in zip(SCALES, values) if value is None]
                axis.plot(missed, [2e6 * 1.25 ** SIZES.index(units)] * len(missed), "^", ms=4, color=color)
        for arch, color, paper in zip(("a1", "a2"), (ORANGE, RED), PAPER_TRIALS[grammar]):
            value = table[f"{arch}_tomita{grammar}_trials_per_fit"]
            axis.plot(100, value or (3.5e6 if arch == "a1" else 6e6), "s" if value else "^", ms=6, color=color, label=f"{arch.upper()}, here")
            axis.plot(140, paper, "*", ms=9, color=color, label=f"{arch.upper()}, paper")
        axis.set(title=NAMES[grammar], xscale="log", yscale="log", xlabel="scale s: weights in [-s, s]", ylim=(10, 1e7), xticks=SCALES, xticklabels=SCALES)
        axis.minorticks_off()
    axes[0].set_ylabel("draws per fit (triangle: no fit)")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    save_png(figure, folder / "fit_probability.png")

    figure, axes = panels(1, len(grammars), height=3.5, squeeze=False)
    for axis, grammar in zip(axes[0], grammars):
        draw_plane(axis, history[grammar]["found"]["nets"][..., 0], grammar)
        axis.set_title(f"{NAMES[grammar]}, draw {history[grammar]['found']['trials'][0]:,}")
    axes[0, 0].set_ylabel("hidden unit 2")
    for kind in range(max(len(rs.AUTOMATA[grammar][1]) for grammar in grammars)):
        axes[0, 0].scatter([], [], s=40, color=STATE_COLORS[kind], label=f"state {kind}")
    figure.legend(loc="outside lower center", ncols=5, title="state of the grammar's automaton (state 0: start); crosses: illegal")
    save_png(figure, folder / "state_space.png")

    figure, axes = panels(1, len(grammars), height=2.5, squeeze=False)
    for axis, grammar in zip(axes[0], grammars):
        draw_automaton(axis, history[grammar]["automaton"])
        axis.set_title(NAMES[grammar])
    for name, color in (("reads 0", ORANGE), ("reads 1", BLUE)):
        axes[0, 0].plot([], [], color=color, label=name)
    figure.legend(loc="outside lower center", ncols=2)
    save_png(figure, folder / "automata.png")

    figure, axes = panels(1, len(grammars), height=3.0, sharey=True, squeeze=False)
    for axis, grammar in zip(axes[0], grammars):
        part, rng = history[grammar], np.random.default_rng(config.seed)
        groups = {"all strings up to 10: first fit": (part["found"]["nets"], BLUE, "o"),
                  "gradient descent: mean of fits": (part["bptt"], GREEN, "s"),
                  "16 strings, 2 units: mean of fits": (part["small"]["guess16"], ORANGE, "^"),
                  "16 strings, 5 units: mean of fits": (part["small"]["guess16wide"], RED, "v")}
        for label, (nets, color, marker) in groups.items():
            each = [scores_by_length(lambda bits, lengths, net=net: rs.respond("tanh", net, bits, lengths) > 0, grammar, rng)
                    for net in np.moveaxis(nets, -1, 0)]
            if each:
                axis.plot(list(each[0]), np.mean([list(scores.values()) for scores in each], axis=0), marker=marker, ms=3, color=color, label=label)
        linear = scores_by_length(lambda bits, lengths, c=part["coefficients"]: rs.ngram_features(bits, lengths) @ c > 0, grammar, rng)
        axis.plot(list(linear), list(linear.values()), color=GREY, ls="--", label="linear in counts and n-grams")
        axis.set(title=NAMES[grammar], xscale="log", xlabel="length of the string", ylim=(0.45, 1.03), xticks=TICKS, xticklabels=TICKS)
        axis.minorticks_off()
    axes[0, 0].set_ylabel("balanced accuracy")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "accuracy_by_length.png")

    figure, axis = panels(1, 1, height=2.9)
    for grammar, color, marker in zip(grammars, (GREEN, ORANGE, BLUE, RED, PURPLE, SKY, GREY), "os^vDPX"):
        cascade = history[grammar]["found"]["cascade"]
        axis.plot(range(len(cascade)), cascade, marker=marker, ms=4, color=color, label=NAMES[grammar])
    axis.set(yscale="log", xlabel="all strings up to this length answered rightly", ylabel="nets left, of those drawn", xticks=range(11))
    axis.legend()
    save_png(figure, folder / "cascade.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = rs.Config(seed=parser.parse_args().seed)
    draw(config, rs.run(config), Path(__file__).parent / "viz")
