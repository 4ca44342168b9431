# SPDX-License-Identifier: Unlicense
"""Figures of self-referential-weight-matrix: python3 self-referential-weight-matrix/visualize_self_referential_weight_matrix.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np
import self_referential_weight_matrix as srwm

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

LABELS = {"self-modifying": ("self-modifying (1993)", BLUE, "-"), "output row only": ("writes to output row only", SKY, "-"), "feedback": ("taught by its error", GREEN, "-"),
          "modern": ("softmax form (2022)", PURPLE, "-"), "recurrent": ("activations kept instead", ORANGE, "-"), "frozen": ("no writing", GREY, "-"),
          "held-out 3 bits": ("3 bits, 192 functions", RED, "-"), "held-out 2 bits": ("2 bits, 12 functions", SKY, "-"), "switch": ("2 bits, function changes", GREEN, "-")}


def examples(bits, function, orders):
    """Patterns, labels and shown of one episode, orders (2, 2^bits): of demonstrations and of questions."""
    patterns = np.array(orders).reshape(-1, 1)
    return patterns, 2 * (function >> patterns & 1) - 1, np.arange(len(patterns)) < len(patterns) // 2


def changes(net, patterns, labels, shown, variance):
    """One episode -> W(t) - W(1) after each example (T, n, m), and the answers (T,) in -1 .. 1."""
    answers = net.forward(patterns, labels, shown, variance)
    writes = net.left[0, :, :, None] * net.right[0, :, None]
    return writes.cumsum(0)[net.ticks - 1::net.ticks], np.tanh(answers[:, 0])


def draw_curves(history, folder):
    """Accuracy on the questions while the nets learn."""
    figure, axes = panels(1, 2, height=3.1, sharey=True)
    for axis, names, title in ((axes[0], list(LABELS)[:6], "16 functions of 2 bits"), (axes[1], list(LABELS)[6:], "further tasks")):
        for name in names:
            if name in history["curves"]:
                label, color, style = LABELS[name]
                updates, accuracy = history["curves"][name].T
                axis.plot(updates, accuracy, color=color, ls=style, label=label)
        axis.axhline(0.5, color="black", lw=0.8, ls=":")
        axis.set(xscale="symlog", xlim=(0, None), ylim=(0.3, 1.02), xlabel="updates of W(1)", title=title)
        axis.set_xticks((0, 1, 10, 100), ("0", "1", "10", "100"))
        axis.legend(loc="upper left", bbox_to_anchor=(0, 0.98))
    axes[0].set_ylabel("questions answered rightly")
    save_png(figure, folder / "curves.png")


def draw_episode(config, history, folder):
    """The matrix after each example of one episode with a function that was not seen in training."""
    net, function = history["nets"]["held-out 3 bits"], int(history["splits"][3][1][0])
    rng = np.random.default_rng(5)
    episode = examples(3, function, [rng.permutation(8), rng.permutation(8)])
    grids, answers = changes(net, *episode, config.narrow)
    figure, axes = panels(4, 4, height=1.55)
    reach = np.abs(grids).max() * 0.7
    for t, (axis, grid) in enumerate(zip(axes.flat, grids)):
        axis.imshow(grid, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto")
        *_, row, column = net.tape[(t + 1) * net.ticks - 1]
        axis.plot(column[0].argmax(), row[0].argmax(), "o", mfc="none", mec="black", ms=7, mew=1.2)
        pattern, label = int(episode[0][t, 0]), int(episode[1][t, 0])
        said = f"is {label:+d}" if episode[2][t] else f"? says {answers[t]:+.2f} ({label:+d})"
        axis.set_title(f"{pattern:03b}"[::-1] + f" {said}", color="black" if episode[2][t] else GREEN if answers[t] * label > 0 else RED, fontsize=9)
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    axes[0, 0].set_ylabel("targets")
    axes[-1, 0].set(ylabel="targets", xlabel="sources")
    save_png(figure, folder / "episode.png")


def draw_addresses(config, history, folder):
    """Where the 3-bit net writes when it sees a pattern, and which answers a label decides."""
    net, names = history["nets"]["held-out 3 bits"], [f"{pattern:03b}"[::-1] for pattern in range(8)]
    rng, effect, where = np.random.default_rng(6), np.zeros((8, 8)), {"row": np.zeros((8, net.shape[0])), "column": np.zeros((8, net.shape[1]))}
    for _ in range(20):
        function, orders = int(rng.integers(256)), [rng.permutation(8), rng.permutation(8)]
        episodes = [examples(3, function ^ flip, orders) for flip in (0, *(1 << np.arange(8)))]
        patterns, labels = (np.concatenate([episode[k] for episode in episodes], axis=1) for k in (0, 1))
        shown = episodes[0][2]
        answers = np.tanh(net.forward(patterns, labels, shown, config.narrow))
        for t in range(8):
            *_, row, column = net.tape[(t + 1) * net.ticks - 1]
            where["row"][patterns[t, 0]] += row[0] / 20
            where["column"][patterns[t, 0]] += column[0] / 20
        for q in range(8, 16):
            effect[:, patterns[q, 0]] += np.abs(answers[q, 1:] - answers[q, 0]) / 40
    figure, axes = panels(1, 3, height=2.9, width_ratios=(1, 1, 1.15))
    for axis, (name, kernel) in zip(axes, where.items()):
        axis.imshow(kernel, vmin=0, vmax=1, aspect="auto")
        axis.set(title=f"writing: {name}s", xlabel=f"{name} of W", yticks=range(8), yticklabels=names)
    image = axes[2].imshow(effect, vmin=0, vmax=1, aspect="auto")
    axes[2].set(title="label and answer", xlabel="question", xticks=range(8), yticks=range(8), yticklabels=names)
    axes[2].set_xticklabels(names, fontsize=7)
    axes[0].set_ylabel("pattern demonstrated")
    figure.colorbar(image, ax=axes[2], label="answer moved by flipping the label")
    for axis in axes:
        axis.grid(False)
    save_png(figure, folder / "addresses.png")


def draw_tests(config, history, folder):
    """Functions never seen, and a function that changes in mid-episode."""
    figure, axes = panels(1, 2, height=2.8)
    net, functions = history["nets"]["held-out 3 bits"], np.sort(history["splits"][3][1])
    final, film = net.theta.copy(), history["films"]["held-out 3 bits"]
    marks = [min(film, key=lambda frame: abs(frame[0] - share * film[-1][0])) for share in (0, 0.06, 0.12, 0.25, 1)]
    for (update, variance, theta), color in zip(marks, (GREY, ORANGE, SKY, GREEN, BLUE)):
        net.theta[:] = theta
        right = srwm.query_scores(net, np.repeat(functions, 8)[:, None], variance, np.random.default_rng(7)).reshape(8, len(functions), 8).mean((0, 2))
        axes[0].plot(np.arange(1, len(right) + 1), np.sort(right), color=color, drawstyle="steps-mid", label=f"{update} updates")
    net.theta[:] = final
    axes[0].set(ylim=(-0.35, 1.02), yticks=(0, 0.25, 0.5, 0.75, 1), xlabel="functions never seen in training, worst first", ylabel="questions answered rightly", title="3 bits")
    axes[0].legend(loc="lower right", ncols=2)
    for shift, (name, label, color) in zip((-0.2, 0.2), (("switch", "trained on changes", BLUE), ("switch, never trained", "never saw a change", ORANGE))):
        axes[1].bar(np.arange(8) + shift, history["scores"][name].mean(1), 0.4, color=color, label=label)
    axes[1].axvline(3.5, color="black", lw=0.8, ls=":")
    axes[1].set(ylim=(0.3, 1.28), yticks=(0.4, 0.6, 0.8, 1.0), xticks=range(8), xticklabels=[1, 2, 3, 4] * 2, xlabel="question, before | after the change", title="2 bits, the function changes")
    axes[1].legend(loc="upper center", ncols=2, columnspacing=1, handlelength=1.2)
    save_png(figure, folder / "tests.png")


def draw(config, result, folder):
    """Write all figures into `folder`."""
    folder, history = Path(folder), result["history"]
    folder.mkdir(exist_ok=True)
    draw_curves(history, folder)
    draw_episode(config, history, folder)
    draw_addresses(config, history, folder)
    draw_tests(config, history, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = srwm.Config(seed=parser.parse_args().seed)
    draw(config, srwm.run(config), Path(__file__).with_name("viz"))
