# SPDX-License-Identifier: Unlicense
"""Figures of fast-weights-key-value: python3 fast-weights-key-value/visualize_fast_weights_key_value.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import fast_weights_key_value as fw
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

LEARNERS = {"eq4": ("eq. 4", BLUE, "-"), "fromto": ("FROM / TO", ORANGE, "-"), "rtrl": ("recurrent net (RTRL)", GREEN, "-"),
            "constant": ("always says slot 1", GREY, "-"), "eq4_paper": ("eq. 4, paper's rate", BLUE, ":"),
            "fromto_paper": ("FROM / TO, paper's rate", ORANGE, ":")}
MEMORIES = {"attention": ("softmax attention", "black", ":"), "delta_rule": ("tanh programmer, delta rule", GREEN, "-"),
            "sum_rule": ("tanh programmer, sum rule", BLUE, "-"), "learned_linear_sum": ("learned matrix, sum", ORANGE, "-"),
            "analytic_linear_sum": ("direction removed, sum", RED, "--"), "analytic_linear_delta": ("direction removed, delta", PURPLE, "--"),
            "analytic_raw_sum": ("raw names, sum", GREY, "-")}
SLOTS = ("slot 1", "slot 2", "slot 3")


def watch_parking(slow, sharpness, steps, rng, warm_up=50):
    """A frozen net (rows, 6, 1) on a fresh stream -> inputs (steps, 6), fast weights when asked (steps, 3), answer due (steps, 3), asked (steps,)."""
    net, lots, seen = fw.FastWeights(slow, 0.0, sharpness), fw.ParkingLots(1, rng), []
    for _ in range(warm_up + steps):
        inputs, right, asked = lots.step()
        seen.append((inputs[:, 0], net.answer[:, 0], right[:, 0], asked[0]))
        net.observe(inputs, learning=False)
    return [np.array(column) for column in zip(*seen[warm_up:])]


def draw_stream(config, history, folder):
    """What one net that never fails sees and keeps."""
    best = int(np.argmin(history["tests"]["frozen"]["wrong"]["eq4"]))
    steps = np.arange(70)
    inputs, fast, right, asked = watch_parking(history["learners"]["eq4"].slow[..., [best]], config.sharpness, 70, np.random.default_rng(6))
    figure, (events, *lines) = panels(4, 1, height=1.15, sharex=True, height_ratios=(2, 1, 1, 1))
    for row in range(6):
        on = steps[inputs[:, row] > 0]
        events.scatter(on, np.full(len(on), row), marker="s", s=16, color=RED if row < 3 else GREY)
    events.set(ylim=(5.5, -0.5), yticks=range(6), yticklabels=(*SLOTS, "random 1", "random 2", "random 3"), title="inputs of the slow net")
    for slot, axis in enumerate(lines):
        axis.bar(steps, 1.0 * asked * right[:, slot], width=1, color=SKY, alpha=0.5, label="asked, and this slot is the answer")
        axis.plot(steps, fast[:, slot], color=BLUE, drawstyle="steps-mid", label="fast weight = answer")
        axis.set(ylim=(-0.08, 1.08), yticks=(0, 1), ylabel=SLOTS[slot])
    lines[-1].set(xlabel="step", xlim=(-1, 70))
    figure.legend(*lines[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_png(figure, folder / "stream.png")


def draw_solving(config, history, folder):
    """How many nets meet the paper's criterion, and what it is worth."""
    figure, (left, right) = panels(1, 2, height=3.2)
    for name, solved in history["lessons"]["solved"].items():
        label, color, style = LEARNERS[name]
        moments = np.sort(solved[np.isfinite(solved)])
        share = np.r_[0:len(moments) + 1, len(moments)] / len(solved)
        left.step(np.r_[0, moments, config.steps], 100 * share, color=color, ls=style, where="post", label=label)
        right.plot(np.linspace(0, config.steps, 100), 100 * history["lessons"]["curve"][name], color=color, ls=style)
    left.set(xlim=(0, config.steps), ylim=(-3, 103), xlabel="steps", ylabel="nets (%)", title="100 steps without an error: solved")
    right.set(xlim=(0, config.steps), ylim=(-3, 103), xlabel="steps", ylabel="answers off by more than 0.05 (%)", title="wrong answers while learning")
    for axis in (left, right):
        axis.xaxis.set_major_locator(plt.MaxNLocator(4))
    figure.legend(loc="outside lower center", ncols=4)
    save_png(figure, folder / "solving.png")


def draw_slow_weights(history, folder):
    """The program: which input switches which fast weight on or off, in nets that work and in one that does not."""
    learners, wrong = history["learners"], history["tests"]["frozen"]["wrong"]
    shown = [("eq. 4, no wrong answer", learners["eq4"].slow[..., np.argmin(wrong["eq4"])], SLOTS),
             ("eq. 4, mostly wrong", learners["eq4"].slow[..., np.argmax(wrong["eq4"])], SLOTS),
             ("FROM / TO, no wrong answer", learners["fromto"].slow[..., np.argmin(wrong["fromto"])], ("FROM", "TO 1", "TO 2", "TO 3"))]
    figure, axes = panels(1, 3, height=2.6, width_ratios=(1, 1, 1))
    for axis, (title, slow, rows) in zip(axes, shown):
        image = axis.imshow(slow, cmap="RdBu", vmin=-3, vmax=3, aspect="auto")
        for (row, column), weight in np.ndenumerate(slow):
            axis.text(column, row, f"{round(weight, 1) + 0:.1f}", ha="center", va="center", fontsize=7, color="white" if abs(weight) > 1.8 else "black")
        axis.set(yticks=range(len(rows)), yticklabels=rows, xticks=range(6), xticklabels=("1", "2", "3", "r", "r", "r"),
                 xlabel="detectors 1-3, random bits r")
        axis.set_title(title, fontsize=9)
        axis.grid(False)
    figure.colorbar(image, ax=axes, shrink=0.8, label="slow weight")
    save_png(figure, folder / "slow_weights.png")


def draw_capacity(config, history, folder):
    """Cosine by number of pairs; bits by number of names."""
    figure, (left, right) = panels(1, 2, height=3.7)
    for name, (label, color, style) in MEMORIES.items():
        curve = history["continuous"]["curves"][name]
        left.plot(list(curve), list(curve.values()), color=color, ls=style, marker="o", ms=3, label=label)
    left.axvline(config.pairs, color="black", lw=0.8, ls=":")
    left.annotate("trained here", (config.pairs, 0.03), xytext=(4, 0), textcoords="offset points", fontsize=8)
    left.set(xlabel="pairs in the memory", ylabel="mean cosine of answer and value", ylim=(0, 1.03), xticks=list(curve), title="fresh vectors as names")
    for count, color, place, side in ((16, RED, (-12, -5), "right"), (12, ORANGE, (6, -3), "left"), (8, BLUE, (0, 6), "right"), (4, "black", (0, 6), "right")):
        curve = history["discrete"]["curves"][f"binding_{count}_names"]
        right.plot(list(curve), [100 * share for share in curve.values()], color=color, marker="o", ms=3)
        right.annotate(f"{count} names", (count, 100 * curve[count]), xytext=place, ha=side, textcoords="offset points", color=color)
    right.set(xlabel="names bound at once", ylabel="bits right (%)", xticks=(1, 4, 8, 12, 16), ylim=(82, 102), title="known names, keys of 8 dimensions")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "capacity.png")


def draw_keys(history, folder):
    """What interferes with what in one episode: Gram matrices."""
    names, _, _ = history["shown"]
    sets = {"raw names": fw.unit(names), "shared direction removed": fw.without_direction(names, history["common"]),
            "learned matrix": history["programmers"]["learned_linear_sum"].keys(names), "tanh programmer": history["programmers"]["sum_rule"].keys(names)}
    figure, axes = panels(1, 4, height=2.1)
    for axis, (title, keys) in zip(axes, sets.items()):
        gram = keys @ keys.swapaxes(1, 2)
        apart = gram[:, ~np.eye(gram.shape[1], dtype=bool)]
        image = axis.imshow(gram[0], cmap="RdBu", vmin=-1, vmax=1)
        axis.set(xticks=[], yticks=[], xlabel=f"cross-talk {np.sqrt((apart * apart).mean()):.2f}")
        axis.set_title(title, fontsize=8.5, loc="center")
        axis.grid(False)
    figure.colorbar(image, ax=axes, shrink=0.8, label="inner product")
    save_png(figure, folder / "keys.png")


def draw(config, result, folder):
    """Write the figures of a finished run of all tasks into `folder`."""
    folder, history = Path(folder), result["history"]
    folder.mkdir(exist_ok=True)
    draw_stream(config, history["parking"], folder)
    draw_solving(config, history["parking"], folder)
    draw_slow_weights(history["parking"], folder)
    draw_capacity(config, history, folder)
    draw_keys(history["continuous"], folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = fw.Config(seed=parser.parse_args().seed)
    draw(config, fw.run(config), Path(__file__).parent / "viz")
