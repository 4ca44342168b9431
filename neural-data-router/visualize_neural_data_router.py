# SPDX-License-Identifier: Unlicense
"""Figures of neural-data-router: python3 neural-data-router/visualize_neural_data_router.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import neural_data_router as ndr
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

LABELS = {"ndr": "router: geometric, gates", "gate_only": "softmax, relative, gates", "geometry_only": "geometric, no gates",
          "vanilla_relative": "softmax, relative, no gates", "vanilla_sinusoidal": "softmax, absolute, no gates", "lstm": "LSTM"}
COLORS = dict(zip(LABELS, (BLUE, ORANGE, GREEN, RED, PURPLE, GREY)))


def partial_results(symbols, tables, order):
    """The value that the chain of one sequence (L,) has reached in each column -> (L,)."""
    ahead = symbols if order == "forward" else symbols[::-1]
    results = [ahead[0]]
    for symbol in ahead[1:]:
        results.append(tables[symbol - tables.shape[1], results[-1]])
    return np.array(results if order == "forward" else results[::-1])


def symbol_names(symbols, values):
    """Values as numbers, tables as letters."""
    return [str(symbol) if symbol < values else chr(ord("a") + symbol - values) for symbol in symbols]


def draw_depths(config, history, folder):
    """Accuracy by depth after learning."""
    figure, axis = panels(1, 1, height=3.6)
    for name, by_depth in history["by_depth"].items():
        axis.plot(list(by_depth), list(by_depth.values()), "--o" if name == "lstm" else "-o", color=COLORS[name], ms=4, label=LABELS[name])
    axis.axvspan(0.5, config.train_depth + 0.5, color="#f0f0f0", zorder=0)
    axis.text(0.6, 1.04, "depths of training", fontsize=8, color="#555555")
    axis.axhline(1 / config.values, color="black", lw=0.8, ls=":")
    axis.text(max(by_depth), 1 / config.values - 0.015, "chance", fontsize=8, ha="right", va="top")
    axis.set(xlabel="lookups in the chain", ylabel="share of right answers", xticks=list(by_depth), xlim=(0.5, max(by_depth) + 0.3), ylim=(0, 1.12))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "depths.png")


def draw_wave(config, history, folder):
    """Accuracy of every depth over the updates, with gates and without."""
    shown = [name for name in ("ndr", "vanilla_relative") if name in history["runs"]]
    figure, axes = panels(len(shown), 1, height=2.3, squeeze=False)
    colors = plt.cm.cividis(np.linspace(0, 0.95, config.test_depth))
    for axis, name in zip(axes[:, 0], shown):
        updates, curves = zip(*history["runs"][name]["curve"])
        for depth, curve in enumerate(np.transpose(curves), 1):
            axis.plot(updates, curve, color=colors[depth - 1], lw=1.2, ls="-" if depth <= config.train_depth else "--", label=f"{depth}")
        axis.set(ylabel="share right", ylim=(0, 1.05), xlim=(0, max(updates)), title=LABELS[name])
    axes[-1, 0].set_xlabel("updates")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right center", title="lookups\n(dashed: not\nin training)", title_fontsize=8)
    save_png(figure, folder / "wave.png")


def draw_attention(config, history, folder):
    """One long chain: where the answer waits, gates, values, and what each column looks at."""
    opened, decoded, attention = history["trace"]
    partial = partial_results(history["shown"], history["tables"], config.order)
    steps = min(len(opened), config.test_depth + 1)
    figure, axes = panels(1, 2, height=3.9, gridspec_kw={"width_ratios": (1.25, 1)})
    image = axes[0].imshow(opened[:steps], vmin=0, vmax=0.7, cmap="Blues", aspect="auto")
    for t, i in np.ndindex(steps, len(partial)):
        right = decoded[t, i] == partial[i]
        color = ("white" if opened[t, i] > 0.45 else "black") if right else "#b0b0b0"
        axes[0].text(i, t, decoded[t, i], ha="center", va="center", fontsize=8, fontweight="bold" if right else "normal", color=color)
    names = symbol_names(history["shown"], config.values)
    axes[0].set(xticks=range(len(names)), xticklabels=names, yticks=range(steps), yticklabels=range(1, steps + 1), xlabel="start value, then tables",
                ylabel="step", title="gates; value decoded (bold: right)")
    figure.colorbar(image, ax=axes[0], shrink=0.6, label="mean openness")
    mean = (attention * opened[:, :, None]).sum(0) / (opened.sum(0)[:, None] + 1e-9)
    image = axes[1].imshow(mean, vmin=0, vmax=1)
    axes[1].set(xticks=range(len(names)), xticklabels=names, yticks=range(len(names)), yticklabels=names, xlabel="column looked at",
                ylabel="looking column", title="attention while open")
    figure.colorbar(image, ax=axes[1], shrink=0.6, label="weight")
    for axis in axes:
        axis.grid(False)
    save_png(figure, folder / "routing.png")


def draw_steps(config, history, folder):
    """Accuracy against the number of steps at test time."""
    figure, axis = panels(1, 1, height=3)
    colors = plt.cm.cividis(np.linspace(0, 0.95, config.test_depth))
    for depth, curve in history["by_steps"].items():
        axis.plot(range(1, len(curve) + 1), curve, color=colors[depth - 1], ls="-" if depth <= config.train_depth else "--", label=str(depth))
    axis.axvline(config.steps, color=GREY, lw=0.9, ls=":")
    axis.text(config.steps + 0.2, 0.02, "most steps\nin training", fontsize=8, color="#555555")
    axis.set(xlabel="steps at test time", ylabel="share of right answers", ylim=(0, 1.05), xlim=(1, len(curve)),
             title="the router: n lookups need about n steps; then it waits")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right center", title="lookups\n(dashed: not\nin training)", title_fontsize=8)
    save_png(figure, folder / "steps.png")


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    folder, history = Path(folder), result["history"]
    folder.mkdir(exist_ok=True)
    draw_depths(config, history, folder)
    draw_wave(config, history, folder)
    draw_attention(config, history, folder)
    draw_steps(config, history, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = ndr.Config(seed=parser.parse_args().seed)
    draw(config, ndr.run(config), Path(__file__).parent / "viz")
