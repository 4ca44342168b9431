# SPDX-License-Identifier: Unlicense
"""Figures of fast-weights-unknown-delay: python3 fast-weights-unknown-delay/visualize_fast_weights_unknown_delay.py [--seed 0] writes viz/*.png."""
import argparse
import copy
from pathlib import Path

import fast_weights_unknown_delay as fw
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
            "eq4_paper_rate": ("eq. 4, rate 1", BLUE, ":"), "eq4_clipped": ("eq. 4, rate 1, clipped", BLUE, "--"),
            "fromto_clipped": ("FROM / TO, clipped", ORANGE, "--"), "rtrl_clipped": ("RTRL, clipped", GREEN, "--"), "constant": ("not programmed", GREY, "-")}
EVENT_COLORS = (ORANGE, BLUE, "#bbbbbb")


def typical(history, name="eq4"):
    """The verified net that needed the median time."""
    solved = np.where(history["verified"][name], history["lessons"]["solved"][name], np.inf)
    return int(np.argsort(solved)[np.isfinite(solved).sum() // 2])


def pushes(slow):
    """slow (rows, 3, nets) -> what each event adds to the fast weight of B (3, nets), in both interfaces."""
    return slow[fw.B] if len(slow) == 3 else slow[fw.B] * slow[3]


def draw_stream(history, folder):
    """What one frozen net sees, keeps and says."""
    net, steps = typical(history), np.arange(60)
    learner = copy.deepcopy(history["learners"]["eq4"])
    learner.slow, learner.fast = learner.slow[..., [net]], learner.fast[..., [net]]
    streams, seen = fw.FlipFlop(1, np.random.default_rng(3)), []
    streams.armed[:] = True
    for _ in range(20 + len(steps)):
        inputs, target = streams.step()
        seen.append((inputs[:, 0].argmax(), target[0], learner.respond(inputs, False)[0], learner.fast[:, 0], streams.armed[0]))
        learner.write(False)
    events, target, answer, fast, armed = (np.array(column)[20:] for column in zip(*seen))
    figure, axes = panels(4, 1, height=1.05, sharex=True, height_ratios=(1.3, 1, 1, 1))
    for t, event in enumerate(events):
        axes[0].text(t, 1.2, "ABC"[event], ha="center", fontsize=8, color=("black", BLUE, "#aaaaaa")[event])
    axes[0].bar(steps, target, color=SKY, label="target")
    axes[0].plot(steps, answer, "o", color=RED, ms=3, label="answer of the fast net")
    axes[0].set(ylim=(-0.1, 1.6), yticks=(0, 1), ylabel="answer")
    for line, axis in zip((fw.B, fw.A, fw.C), axes[1:]):
        axis.plot(steps, fast[:, line], color=BLUE if line == fw.B else GREY, drawstyle="steps-mid")
        axis.set(ylim=(-0.1, 1.1), yticks=(0, 1), ylabel=f"weight of {'ABC'[line]}")
    waiting = np.concatenate([[False], armed[:-1]])
    axes[1].fill_between(steps, 0, waiting, step="mid", color="#fdf0d0", label="an A has come, no B since")
    axes[-1].set(xlabel="step of a fresh stream, slow weights frozen", xlim=(-1, len(steps)))
    handles = [*zip(*axes[0].get_legend_handles_labels()), *zip(*axes[1].get_legend_handles_labels())]
    figure.legend(*zip(*handles), loc="outside lower center", ncols=3)
    save_png(figure, folder / "stream.png")


def draw_solving(config, history, folder):
    """How many nets have met the paper's criterion by when, and how many do work afterwards."""
    figure, (left, right) = panels(1, 2, height=3.4, width_ratios=(1.5, 1))
    for name, (label, color, style) in LEARNERS.items():
        solved = history["lessons"]["solved"][name]
        moments = np.sort(solved[np.isfinite(solved)])
        share = np.r_[0:len(moments) + 1, len(moments)] / len(solved)
        left.step(np.r_[99, moments, config.steps], 100 * share, color=color, ls=style, where="post", label=label)
    for paper, color in ((300, BLUE), (800, ORANGE)):
        left.axvline(paper, color=color, lw=0.8)
        left.text(paper * 0.985, 12, f"paper: {paper}", color=color, fontsize=8, rotation=90, ha="right")
    left.set(xscale="log", xlim=(100, config.steps), ylim=(-3, 103), xlabel="steps", ylabel="nets (%)", title="solved: 100 steps without an error")
    names = list(LEARNERS)[:7]
    for row, name in enumerate(names):
        solved, verified = 100 * (history["lessons"]["solved"][name] <= config.steps).mean(), 100 * history["verified"][name].mean()
        right.barh(row, solved, color=LEARNERS[name][1], alpha=0.3)
        right.barh(row, verified, color=LEARNERS[name][1])
        right.text(2, row, f"{LEARNERS[name][0]}: {solved:.0f} / {verified:.0f}", va="center", fontsize=8, color="white")
    right.set(yticks=[], xlim=(0, 103), xlabel="nets (%)", title="nets solved / verified (dark)")
    right.invert_yaxis()
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "solving.png")


def draw_law(config, history, folder):
    """The map of a fast weight under pushes, and the pushes that the slow nets found."""
    figure, (left, right) = panels(1, 2, height=3.3)
    w = np.linspace(0, 1, 200)
    left.plot(w, w, color="black", lw=0.7)
    for push, label, color in ((0, "no push", GREY), (1, "push 1", RED), (-1, "push -1", GREEN), (0.15, "push 0.15", SKY)):
        left.plot(w, 0.5 + 0.5 * np.tanh(config.sharpness / 2 * (w + push - 0.5)), color=color, label=label)
    left.plot((0.0072, 0.9928), (0.0072, 0.9928), "o", color="black", ms=5)
    left.plot(0.5, 0.5, "o", mfc="white", color="black", ms=5)
    left.set(xlabel="w(t-1)", ylabel="w(t)", title="a fast weight is a bit that holds itself")
    left.legend(loc="center right")
    spread = np.random.default_rng(0).uniform(-0.13, 0.13, config.nets)
    for side, name in ((-0.2, "eq4"), (0.2, "fromto")):
        found = pushes(history["learners"][name].slow).clip(-6, 6)  # some are far outside
        for works, marker, color in ((True, "o", LEARNERS[name][1]), (False, "x", RED)):
            nets = history["verified"][name] == works
            places = np.arange(3)[:, None] + side + spread[nets]
            right.plot(places.ravel(), found[:, nets].ravel(), marker, color=color, ms=3.5, lw=0, alpha=0.6,
                       label=LEARNERS[name][0] if works else "fails" if name == "eq4" else None)
    right.axhspan(-0.18, 0.18, color="#e0e0e0", lw=0, zorder=0)  # beyond, one of the two fixed points is gone
    right.set(xticks=range(3), xticklabels=("A", "B", "C"), ylim=(-6.4, 6.4), ylabel="push on the fast weight of B", title="what slow nets do to it at each event")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "law.png")


def draw_delays(config, result, folder):
    """Frozen nets and long delays; the drift of the pattern stores."""
    history = result["history"]["flipflop"]
    figure, (left, right) = panels(1, 2, height=3.3)
    for name, errors in history["errors"].items():
        label, color, _ = LEARNERS[name]
        solved = np.isfinite(history["lessons"]["solved"][name])
        left.plot(history["delays"], 100 * (errors[:, solved] <= 0.05).mean(1), "-o", color=color, ms=3, label=label)
        left.plot(history["delays"], 100 * (errors[:, history["verified"][name]] <= 0.05).mean(1), ":", color=color, lw=2)
    left.set(xscale="log", ylim=(70, 101.5), xlabel="n events C between A and B", ylabel="nets never off by more than 0.05 (%)", title="flip-flop: solved (dotted: verified) nets")
    left.legend(loc="lower left")
    for name, label, color in (("store", "no hidden units", BLUE), ("tanh", "tanh units", ORANGE), ("gated", "tanh units and a gate", RED)):
        curve = result["history"]["pattern"]["curves"][name]
        right.plot(list(curve), [max(error, 1e-33) for error, _ in curve.values()], "-o", color=color, ms=3, label=label)
    right.axvspan(*config.delays, color="#fdf0d0", lw=0)
    right.text(1.15 * config.delays[1], 1e-23, "delays in\nlearning", ha="left", fontsize=8)
    right.axhline(1e-3, color="black", lw=0.8, ls=":")
    right.set(xscale="log", yscale="log", xlabel="distractors before recall", ylabel="squared error per bit", title=f"{config.bits}-bit pattern, no decay, W += v k^T")
    right.legend(loc="center right", bbox_to_anchor=(1, 0.55))
    save_png(figure, folder / "delays.png")


def draw(config, result, folder):
    """Write the figures of a finished run of both tasks into `folder`."""
    folder, history = Path(folder), result["history"]["flipflop"]
    folder.mkdir(exist_ok=True)
    draw_stream(history, folder)
    draw_solving(config, history, folder)
    draw_law(config, history, folder)
    draw_delays(config, result, folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = fw.Config(seed=parser.parse_args().seed)
    draw(config, fw.run(config), Path(__file__).parent / "viz")
