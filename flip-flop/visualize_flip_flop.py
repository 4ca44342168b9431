# SPDX-License-Identifier: Unlicense
"""Figures of flip-flop: python3 flip-flop/visualize_flip_flop.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import flip_flop as ff
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


NETS = {"": ("K through M", BLUE), "memoryless_": ("without recurrence", ORANGE), "no_decay_": ("without logit decay", RED),
        "reinforce_": ("REINFORCE, no M", GREEN), "supervised_": ("told the answers", GREY)}
LETTERS = {ff.A: "A", ff.B: "B", ff.X: "."}


def last_event(events):
    """For events (T, S) the last one before each step that was not X (0: none yet)."""
    place = np.maximum.accumulate(np.where(events == ff.X, 0, np.arange(1, len(events) + 1)[:, None]))
    history = np.concatenate([np.full((1, events.shape[1]), ff.X), events])
    return np.take_along_axis(history, np.concatenate([np.zeros((1, events.shape[1]), int), place[:-1]]), 0)


def contexts(events):
    """Masks (T, S) of the situations that need telling apart."""
    before = last_event(events)
    return {"armed B: 1": (events == ff.B) & (before == ff.A), "used-up B: 0": (events == ff.B) & (before == ff.B),
            "B before any A: 0": (events == ff.B) & (before == ff.X), "A or X: 0": events != ff.B}


def show_events(axis, events, first=True):
    """Letters of one stream of events (T,) above an axis, and a shade where A was the last event but X."""
    before = last_event(events[:, None])[:, 0]
    for t, event in enumerate(events):
        if before[t] == ff.A:
            axis.axvspan(t - 0.5, t + 0.5, color="#fdf0d0", lw=0)
        if first and event != ff.X:
            axis.text(t, 1.12, LETTERS[event], ha="center", fontsize=8, color=ORANGE if event == ff.A else BLUE)
    axis.set(xlim=(-0.7, len(events) - 0.3))


def draw(config, result, folder):
    """Write the figures of a finished run into `folder`."""
    history, folder = result["history"], Path(folder)
    folder.mkdir(exist_ok=True)
    names, trained, events = history["names"], history["trained"], history["events"]
    thousand = np.array([check[0] for check in trained["checks"]]) / 1000
    curves = np.array([check[1:] for check in trained["checks"]])  # (checks, 2, R)
    snapshots = trained["snapshots"]
    shown = max(200, 1.3 * snapshots[-1][0] / 1000)

    figure, axes = panels(1, 2, height=3.0)
    for name, (label, color) in NETS.items():
        if name in names:
            for axis, values in zip(axes, np.moveaxis(curves[:, :, names.index(name)], 1, 0)):
                axis.plot(thousand, values, color=color, label=label, zorder=3 if name == "" else 2)
    for axis, title, constant, low in zip(axes, ("all steps", "steps with a B"), (1 - config.events / 2, 0.5), (0.88, 0.3)):
        axis.axhline(constant, color="black", lw=0.8, ls=":", label="always 0")
        axis.set(title=title, xlabel="thousand environment steps", xlim=(0, shown), ylim=(low, 1.01))
    axes[0].set_ylabel("right answers, 5000 fresh steps")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "learning.png")

    masks = contexts(events)
    moments = snapshots[::max(1, len(snapshots) // 60)]
    steps = [moment[0] / 1000 for moment in moments]
    seen = [ff.foresight(controller, model, events, config.task)[:2] for _, controller, model in moments]
    figure, axes = panels(2, 4, height=2.0, sharex=True, sharey="row")
    for column, (title, mask) in enumerate(masks.items()):
        for action, color in ((0, GREY), (1, BLUE)):
            axes[0, column].plot(steps, [pain[action][mask].mean() for pain, _ in seen], color=color, label=f"of answering {action}")
        axes[1, column].plot(steps, [ff.logistic(run.output[:, 0, 0][mask]).mean() for _, run in seen], color=GREEN)
        axes[0, column].set_title(title)
        axes[1, column].set(ylim=(-0.03, 1.03), xlabel="thousand steps")
        for axis in axes[:, column]:
            axis.axvline(config.model_first * config.window * config.streams / 1000, color="black", lw=0.8, ls=":")
    axes[0, 0].set(ylabel="pain that M predicts", ylim=(-0.25, 1.25))
    axes[1, 0].set_ylabel("K's P(answer 1)")
    axes[0, 3].legend(loc="center")
    save_png(figure, folder / "contexts.png")

    stream, length = 1, min(64, len(events))
    middle = next((n for n, (_, run) in enumerate(seen) if n and ff.logistic(run.output[:, 0, 0][masks["armed B: 1"]]).mean() > 0.5), len(seen) // 2)
    figure, axes = panels(4, 1, height=1.25, sharex=True)
    for axis, number, label in zip(axes, (0, middle, -1), ("start", "midway", "end")):
        _, run, answers = ff.foresight(*moments[number][1:], events, config.task)
        chance, answer = ff.logistic(run.output[:length, 0, 0, stream]), answers[:length, stream]
        pain = np.flatnonzero((chance > 0.5) != answer)
        show_events(axis, events[:length, stream], first=number == 0)
        axis.bar(np.arange(length), chance, 0.7, color=SKY)
        axis.plot(np.flatnonzero(answer), np.ones(answer.sum()), "o", color=GREEN, ms=4, label="right answer is 1")
        axis.plot(pain, np.full(len(pain), 0.5), "x", color=RED, ms=5, label="wrong: pain")
        axis.axhline(0.5, color="black", lw=0.6, ls=":")
        axis.set(ylim=(0, 1.08), ylabel="P(1)")
        axis.text(0.995, 0.62, f"{label}: {moments[number][0]:,d} steps", transform=axis.transAxes, ha="right", fontsize=8, backgroundcolor="#ffffffcc")
    show_events(axes[3], events[:length, stream], first=False)
    for action, color in ((0, GREY), (1, BLUE)):
        axes[3].plot(seen[-1][0][action, :length, stream], ".-", color=color, ms=4, lw=0.7, label=f"of {action}")
    axes[3].set(ylim=(-0.3, 1.3), ylabel="M predicts", xlabel="step of a test stream (shaded: armed)")
    handles = [*zip(*axes[0].get_legend_handles_labels()), *zip(*axes[3].get_legend_handles_labels())]
    figure.legend([h for h, _ in handles], [*(label for _, label in handles[:2]), "M's predicted pain of 0, at the end", "of 1"], loc="outside lower center", ncols=4)
    save_png(figure, folder / "stream.png")

    lag = 300
    lines = np.full((lag + 8, 2), ff.X)
    lines[2:5, 1], lines[2:4, 0] = (ff.A, ff.B, ff.X), (ff.X, ff.A)
    lines[-4] = ff.B
    run, *_ = ff.respond(trained["controller"][:1], lines, config.task)
    figure, axes = panels(1, 2, height=2.8, sharey=True)
    for stream, (axis, label) in enumerate(zip(axes, ("A, 300 X, B", "A, B, 300 X, B"))):
        axis.plot(run.hidden[:, 0, :, stream], color=SKY, lw=1.1, label=["K's hidden units" if unit == 0 else None for unit in range(run.hidden.shape[2])])
        chance = ff.logistic(run.output[:, 0, 0, stream])
        axis.plot(chance, color="black", lw=1.8, label="P(answer 1)")
        axis.plot(len(lines) - 4, chance[-4], "o", color=RED, ms=5, label="at the last B", zorder=3)
        axis.set(title=f"{label}: P(1) = {chance[-4]:.2f}", xlabel="step")
    axes[0].set_ylabel("activation")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "memory.png")

    figure, axes = panels(1, 2, height=3.0, sharey=True)
    for axis, task, policies in ((axes[0], "first B after A", ff.memoryless_policies(False, config.events)), (axes[1], "held latch", ff.memoryless_policies(True, config.events))):
        axis.scatter(*policies, s=6, color="#bbbbbb", lw=0, label="each policy without memory")
        axis.set(title=task, xlabel="right on all steps", xlim=(-0.02, 1.03), ylim=(-0.03, 1.04))
        perfect = policies[0] == 1
        axis.plot(policies[0][perfect], policies[1][perfect], "o", mfc="none", color=RED, ms=9)
        axis.text(0.98, 0.02, f"{perfect.sum()} of {len(perfect)} always right", transform=axis.transAxes, ha="right", fontsize=8, color=RED, backgroundcolor="white")
    axes[0].plot(1 - config.events / 2, 0.5, "s", color="black", ms=5, label="always 0")
    for name, label, marker in (("", "K", "*"), ("memoryless_", "K without recurrence", "D")):
        if name in names:
            metrics = result["metrics"]
            axes[0].plot(metrics[f"{name}accuracy"], metrics[f"{name}b_step_accuracy"], marker, color=NETS[name][1], ms=11 if marker == "*" else 5, label=label)
    axes[0].set_ylabel("right on steps with a B")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    save_png(figure, folder / "policies.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = ff.Config(seed=parser.parse_args().seed)
    draw(config, ff.run(config), Path(__file__).parent / "viz")
