# SPDX-License-Identifier: Unlicense
"""Figures of neural-state-pushdown-automaton: visualize_neural_state_pushdown_automaton.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import neural_state_pushdown_automaton as nspda
from neural_state_pushdown_automaton_cells import HIGH, LOW, trace
from neural_state_pushdown_automaton_grammars import grammar
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

LANGUAGES = {"palindrome": "w c w reversed", "anbn": "a^n b^n", "anbncbmam": "a^n b^n c b^m a^m", "anmbncm": "a^(n+m) b^n c^m",
             "parenthesis": "two kinds of brackets"}
LOOK = {"programmed": ("programmed", BLUE, "o-"), "hint2": ("Hint #2", SKY, "s--"), "hint1": ("Hint #1", GREEN, "^-"), "nohint": ("no hints", PURPLE, "D-"),
        "rnn": ("Elman net", "#bbbbbb", "-"), "lstm": ("LSTM", GREY, "-"), "gru": ("GRU", "#555555", "--"),
        "stack_rnn": ("stack RNN", ORANGE, "-"), "stack_rnn_rounded": ("stack RNN, rounded", RED, "-")}
SYMBOL_COLORS = (BLUE, ORANGE, GREEN, PURPLE, "#dddddd")


def draw_rows(axis, values, names, letters, cmap, low, high):
    """A raster (T, rows) with the rows' names at the left and the input symbols below."""
    axis.imshow(values.T, aspect="auto", cmap=cmap, vmin=low, vmax=high)
    axis.set(yticks=range(len(names)), yticklabels=names, xticks=range(len(letters)), xticklabels=letters)
    axis.set_xticks(np.arange(len(letters) + 1) - 0.5, minor=True)
    axis.grid(False)
    axis.grid(which="minor", axis="x", color="white", lw=1)
    axis.tick_params(which="both", length=0)


def draw_stack(axis, stacks, letters, alphabet, height=None):
    """The stack after every step as a column of symbols."""
    height = height or max(map(len, stacks)) + 1
    for step, stack in enumerate(stacks):
        for level, symbol in enumerate(["#", *(alphabet[item] for item in stack)]):
            color = SYMBOL_COLORS[alphabet.index(symbol)] if symbol != "#" else SYMBOL_COLORS[-1]
            axis.add_patch(plt.Rectangle((step - 0.42, level - 0.5), 0.84, 0.9, fc=color, lw=0))
            axis.text(step, level - 0.06, symbol, ha="center", va="center", fontsize=7, color="black" if symbol == "#" else "white")
    axis.set(xlim=(-0.5, len(stacks) - 0.5), ylim=(-0.6, height + 0.3), xticks=range(len(letters)), xticklabels=letters, yticks=range(0, height + 1, 2))
    axis.tick_params(axis="x", length=0)
    axis.grid(False)


def draw_anatomy(nets, path):
    """The programmed palindrome net on a member and on the same string with one symbol flipped."""
    machine = grammar("palindrome")
    theta, shape = nets["palindrome"]["programmed"]
    figure, axes = panels(5, 2, height=1.05, sharex="col", gridspec_kw={"height_ratios": (3, 4, 4, 5, 2)})
    names = ("W", "R", "F"), tuple("abc#"), tuple("abc#")
    for column, text in enumerate(("abbacabba", "abbacabaa")):
        seen = trace(theta, shape, machine.parse(text))
        letters = [*text, "#"]
        for axis, values, rows, (cmap, low, high) in zip(axes[:, column], (seen["z"], seen["action"], seen["r"]), names,
                                                        (("Blues", 0, 1), ("PuOr", -1.3, 1.3), ("Greys", 0, 1.2))):
            draw_rows(axis, values, rows, letters, cmap, low, high)
        draw_stack(axes[3, column], seen["stack"], letters, machine.alphabet, 5)
        axes[4, column].bar(range(len(letters)), seen["answer"], color=GREY, width=0.84)
        axes[4, column].set(ylim=(0, 1), yticks=(0, 1), xlabel=f"input: {'accepted' if seen['answer'][-1] > 0.5 else 'rejected'}")
        axes[0, column].set_title(("a member", "its eighth symbol flipped: all states die there")[column])
    axes[1, 0].text(-0.4, 2.5, "violet: push, orange: pop", fontsize=7, va="center")
    for axis, label in zip(axes[:, 0], ("state z", "action a", "read r", "stack", "answer")):
        axis.set_ylabel(label)
    save_png(figure, path)


def draw_neurons(nets, path):
    """Hard neurons with their surrogates, and the read bands with what they do to a programmed net's inputs."""
    figure, axes = panels(1, 3, height=2.5)
    v = np.linspace(-3, 3, 601)
    squashed = np.tanh(v / 2)
    for axis, smooth, hard, title in ((axes[0], (1 + squashed) / 2, v > 0, "state neuron g"),
                                      (axes[1], squashed, (squashed > 0.13) * 1.0 - (squashed < -0.09), "action neuron f")):
        axis.plot(v, hard, color=BLUE, label="forward")
        axis.plot(v, smooth, color=ORANGE, ls="--", label="its slope trains")
        axis.set(title=title, xlabel="net input v")
        axis.legend(loc="upper left", handlelength=1.5)
    axes[0].set_ylim(-0.1, 1.5)
    axes[1].set_ylim(-1.2, 2.0)
    rng = np.random.default_rng(0)
    inputs = nspda_inputs(*nets["parenthesis"]["programmed"], rng)
    axes[2].hist(inputs, np.linspace(-0.8, 0.8, 65), color=GREY)
    axes[2].axvline(0, color="black", lw=1)
    for low, high, color, name in zip(LOW, HIGH, (SKY, GREEN, RED), ("not on top", "on top", "popped")):
        axes[2].axvspan(low - 0.5, high - 0.5, color=color, alpha=0.35, lw=0, label=f"r {name}")
    axes[2].set(title="state inputs, programmed", xlabel="v (threshold at 0)", yscale="log", ylabel="steps", ylim=(1, 1e6))
    axes[2].legend(loc="upper right", handlelength=1)
    save_png(figure, path)


def nspda_inputs(theta, shape, rng):
    """Net inputs of all state neurons of a programmed bracket net over 200 strings."""
    exam = nspda.make_exam("parenthesis", 100, (1, 21), rng)
    weights, bias, _, _ = nspda.unpack(theta, shape)
    values = []
    for string in exam.strings:
        seen = trace(theta, shape, string, tuple(rng.random(3)))
        z, r = (np.vstack([first, seen[key][:-1]]) for key, first in (("z", np.eye(shape.states)[:1]), ("r", np.array([[0.004] * (shape.size - 1) + [0.95]]))))
        products = np.einsum("tj,tk,tl->tjkl", z, r, np.eye(shape.size)[seen["input"]]).reshape(len(z), -1)
        values.append((products @ weights[0].T + bias[0])[:, :shape.states].ravel())
    return np.concatenate(values)


def draw_lengths(curves, path):
    figure, axes = panels(2, 3, height=2.3, sharex=True, sharey=True)
    for axis, (name, title) in zip(axes.flat, LANGUAGES.items()):
        for label, values in curves[name].items():
            text, color, style = LOOK[label]
            axis.plot(nspda.CURVE[:len(values)], values, style, color=color, ms=3.5, label=text)
        axis.set(title=title, xscale="log", ylim=(-2, 70), xticks=(22, 60, 240, 960), xticklabels=(22, 60, 240, 960))
        axis.minorticks_off()
    for axis in axes[:, 0]:
        axis.set_ylabel("error in percent")
    for axis in (axes[1, 0], axes[1, 1], axes[0, 2]):
        axis.set_xlabel("length of the strings")
    axes[0, 2].tick_params(labelbottom=True)
    handles, labels = axes[0, 1].get_legend_handles_labels()
    axes[1, 2].axis("off")
    axes[1, 2].legend(handles, labels, loc="center")
    save_png(figure, path)


def draw_hints(history, metrics, path):
    """Epochs of every net that converged, and the share of nets without an error on the test."""
    groups = {"Hint #2": (history["hint2_epochs"], metrics["hint2_order3_equivalent_fraction"]),
              "Hint #1, growing lengths": (history["hint1_anbn"]["outcome"].epochs, metrics["hint1_anbn_success_fraction"]),
              "- with weight noise": (history["variations"]["hint1_weight_noise"].epochs, metrics["hint1_weight_noise_anbn_success_fraction"]),
              "- two stages (2-IL)": (history["variations"]["hint1_two_il"].epochs, metrics["hint1_two_il_anbn_success_fraction"]),
              "- all lengths at once": (history["variations"]["hint1_no_curriculum"].epochs, metrics["hint1_no_curriculum_anbn_success_fraction"]),
              "dead states only": (history["variations"]["dead_hint"].epochs, metrics["dead_hint_anbn_success_fraction"]),
              "no hints": (history["nohint"]["outcome"].epochs, (history["nohint"]["errors"] == 0).mean())}
    figure, (left, right) = panels(1, 2, height=2.9, sharey=True, gridspec_kw={"width_ratios": (2, 1)})
    rng = np.random.default_rng(0)
    for row, (epochs, share) in enumerate(groups.values()):
        done = epochs[np.isfinite(epochs)]
        left.plot(done, row + rng.uniform(-0.25, 0.25, len(done)), "o", ms=4, color=BLUE, alpha=0.6)
        low, high = wilson(share, len(epochs))
        right.barh(row, 100 * share, color=SKY, height=0.6)
        right.plot((100 * low, 100 * high), (row, row), color="black", lw=1)
        right.text(103, row, f"{round(share * len(epochs))}/{len(epochs)}", va="center", fontsize=7)
    left.set(yticks=range(len(groups)), yticklabels=groups, xlabel="epochs to convergence, one dot per net", xscale="log", xticks=(1, 3, 10, 30),
             xticklabels=(1, 3, 10, 30), title="a^n b^n (Hint #2: all grammars)")
    left.minorticks_off()
    left.invert_yaxis()
    right.set(xlabel="nets without error, percent", xlim=(0, 122), xticks=(0, 50, 100))
    save_png(figure, path)


def wilson(share, count, z=1.96):
    """95 percent interval of a rate."""
    middle, spread = share + z * z / (2 * count), z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return (middle - spread) / (1 + z * z / count), (middle + spread) / (1 + z * z / count)


def draw_unhinted(nets, history, path):
    """What a net that was told nothing does on a^5 b^5, beside the programmed one."""
    figure, axes = panels(2, 2, height=2.2, sharex=True, gridspec_kw={"height_ratios": (1, 1.3)})
    machine = grammar("anbn")
    for column, (label, text) in enumerate((("programmed", "programmed"), ("nohint", "learned without hints"))):
        seen = trace(*nets["anbn"][label], machine.parse("aaaaabbbbb"))
        letters = [*"aaaaabbbbb", "#"]
        draw_rows(axes[0, column], seen["z"], [f"z{i + 1}" for i in range(seen["z"].shape[1])], letters, "Blues", 0, 1)
        draw_stack(axes[1, column], seen["stack"], letters, machine.alphabet, 6)
        axes[0, column].set_title(f"{text}: {'accepts' if seen['answer'][-1] > 0.5 else 'rejects'} a^5 b^5")
        axes[1, column].set_xlabel("input")
    axes[0, 0].set_ylabel("state neurons")
    axes[1, 0].set_ylabel("stack")
    save_png(figure, path)


def draw_learners(cosines, path):
    figure, (left, right) = panels(1, 2, height=2.5)
    left.hist(cosines["single"], np.linspace(-0.2, 1, 25), color=SKY)
    left.set(xlabel="cosine between one UORO draw and the exact gradient", ylabel="draws of 100")
    right.plot(range(1, len(cosines["averaged"]) + 1), cosines["averaged"], color=BLUE)
    right.axhline(1, color=GREY, ls="--", lw=1)
    right.text(1.1, 1.01, "BPTT = RTRL", color=GREY, fontsize=8, va="bottom")
    right.set(xscale="log", xlabel="UORO draws averaged", ylabel="cosine", ylim=(min(0, cosines["averaged"].min()), 1.1), xticks=(1, 10, 100),
              xticklabels=(1, 10, 100))
    right.minorticks_off()
    save_png(figure, path)


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    draw_anatomy(history["nets"], folder / "anatomy.png")
    draw_neurons(history["nets"], folder / "neurons.png")
    draw_lengths(history["curves"], folder / "error_by_length.png")
    draw_hints(history, result["metrics"], folder / "hints.png")
    draw_unhinted(history["nets"], history, folder / "no_hints.png")
    draw_learners(history["cosines"], folder / "learners.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = nspda.Config(seed=parser.parse_args().seed)
    draw(config, nspda.run(config), Path(__file__).parent / "viz")
