# SPDX-License-Identifier: Unlicense
"""Figures of subgoal-obstacle-avoidance: python3 subgoal-obstacle-avoidance/visualize_subgoal_obstacle_avoidance.py [--seed 0] writes viz/*.png."""
import argparse
from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import subgoal_obstacle_avoidance as soa
from PIL import Image
from subgoal_obstacle_avoidance_arenas import shortest_path, way

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


def draw_arena(axis, arenas, number):
    """Box, circles, start and goal of one arena."""
    for centre, radius in zip(arenas.centre[:, number], arenas.radius[:, number]):
        axis.add_patch(plt.Circle((centre.real, centre.imag), radius, color="#d5d5d5", lw=0))
    start, goal = arenas.start[number], arenas.goal[number]
    axis.plot(start.real, start.imag, "o", color="black", ms=6, zorder=5)
    axis.plot(goal.real, goal.imag, "*", color="black", ms=10, zorder=5)
    axis.set(xlim=(0, soa.SIDE), ylim=(0, soa.SIDE), aspect="equal", xticks=[], yticks=[])
    axis.spines[:].set_visible(True)


def corners(plan, arenas, number):
    """The whole way start, sub-goals, goal of one arena: plan (K, B) -> x and y."""
    points = np.array([arenas.start[number], *plan[:, number], arenas.goal[number]])
    return points.real, points.imag


def gallery(history, folder):
    """Eight held-out arenas, the first four where the single pass succeeds, the last four where it does not."""
    test, free = history["test"], soa.clear(history["p2"], history["test"])[0]
    chosen = [*np.flatnonzero(free)[:4], *np.flatnonzero(~free)[:4]]
    ways = shortest_path(test, chosen)[1]
    figure, axes = panels(2, 4, height=2.0)
    for axis, number, shortest in zip(axes.flat, chosen, ways):
        draw_arena(axis, test, number)
        axis.plot(shortest.real, shortest.imag, color=GREY, ls=":", label="shortest way")
        axis.plot(*corners(history["p2"][0], test, number), "o-", color=ORANGE, ms=4, label="P2: one pass of one net")
        axis.plot(*corners(history["p3"][0], test, number), "s-", color=BLUE, ms=4, label="P3: four heads, 20 steps, chosen by E")
    for row, title in zip(axes, ("P2 is free", "P2 fails")):
        row[0].set_title(title)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    save_png(figure, folder / "plans.png")


def success(metrics, history, folder):
    """Bars of all planners, and the learning curve of P2."""
    rows = [("straight line", "straight_success", GREY), ("net that sees no circles", "blind_success", GREY),
            ("best constant", "constant_success", GREY), ("P2 net, untrained", "p2_untrained_success", GREY),
            ("best of 4 detours", "fan_success", GREY), ("best of 84 random plans", "random_shooting_success", GREY),
            ("4 detours, 20 steps", "fan_refined_success", GREY),
            ("P1, 22 iterations", "p1_success_within_22_iterations", GREEN), ("P2, one pass", "p2_single_pass_success", ORANGE),
            ("P2 and its mirror image", "p2_both_sides_success", ORANGE), ("P2, 20 steps", "p2_refined_success", ORANGE),
            ("P3 before the steps", "p3_unrefined_success", BLUE), ("P3", "p3_success_random_start_goal", BLUE),
            ("P3, learned E", "learned_evaluator_p3_success", BLUE),
            ("constant, diagonal", "diagonal_constant_success", PURPLE), ("P3, diagonal", "diagonal_p3_success", PURPLE)]
    rows = [(label, metrics[name], color) for label, name, color in rows if name in metrics]
    figure, (axis, curve) = panels(1, 2, height=4.0, width_ratios=(1.5, 1))
    places = np.arange(len(rows))
    axis.barh(places, [value for _, value, _ in rows], color=[color for *_, color in rows], height=0.7)
    for place, (_, value, _) in zip(places, rows):
        axis.text(value + 0.01, place, f"{value:.2f}", va="center", fontsize=8)
    axis.set(yticks=places, yticklabels=[label for label, *_ in rows], xlim=(0, 1.13), xlabel="held-out arenas solved (fraction)")
    axis.invert_yaxis()
    axis.grid(axis="y", visible=False)
    updates, solved = np.array(history["curve"]).T
    curve.plot(updates, solved, color=ORANGE, label="one pass")
    curve.axhline(metrics["constant_success"], color=GREY, ls="--", label="best constant")
    curve.set(xlabel="updates of S", ylabel="arenas solved (fraction)", ylim=(0, 1.03), title="P2 while S learns")
    curve.legend(loc="lower right")
    save_png(figure, folder / "success.png")


def iterations(history, folder):
    """P1: fraction of arenas solved within so many iterations."""
    figure, axis = panels(1, 1, height=2.6)
    count = np.arange(soa.ITERATIONS + 1)
    for prefix, label, color, paper in (("one_swamp", "one swamp, recurrent S", BLUE, 20), ("p1", "four swamps, static S", GREEN, 22)):
        axis.plot(count, [(history[f"{prefix}_iterations"] <= n).mean() for n in count], color=color, label=label, drawstyle="steps-post")
        axis.axvline(paper, color=color, ls=":", lw=1.2, label=f"the paper's {paper} iterations")
    axis.set(xlabel="iterations of gradient descent on one arena", ylabel="arenas with a free plan", ylim=(0, 1.03), xlim=(0, soa.ITERATIONS))
    axis.legend(loc="lower right")
    save_png(figure, folder / "iterations.png")


def landscape(config, history, folder):
    """Cost of one arena over the place of one sub-goal, the other one held where P1 left it; and P1's way down."""
    test, plans, taken = history["test"], history["p1_plans"], history["p1_iterations"]
    number = int(np.flatnonzero((taken >= 4) & (taken <= 20))[0]) if ((taken >= 4) & (taken <= 20)).any() else 0
    line = np.linspace(0, soa.SIDE, 90)
    places = (line + 1j * line[:, None]).ravel()
    figure, axes = panels(1, 2, height=3.4)
    for axis, moved in zip(axes, range(2)):
        grid = np.repeat(plans[-1][:, number, None], places.size, 1)
        grid[moved] = places
        cost = soa.plan_cost(grid[None], test.take(np.full(places.size, number)), config.penalty, config.margin)[0].reshape(90, 90)
        image = axis.contourf(line, line, cost, np.floor(cost.min()) + np.arange(0, 22, 2), extend="max",
                              colors=[str(shade) for shade in np.linspace(1, 0.5, 11)])
        draw_arena(axis, test, number)
        for patch in axis.patches:
            patch.set(facecolor="none", edgecolor=BLUE, lw=1.2)
        axis.plot(*corners(plans[-1], test, number), color=GREEN, lw=1.4)
        descent = plans[:, moved, number]
        axis.plot(descent.real, descent.imag, ".-", color=RED, ms=4, lw=1, zorder=4)
        axis.plot(descent[-1].real, descent[-1].imag, "s", color=RED, ms=6, zorder=4)
        axis.grid(visible=False)
        axis.set_title(f"E over the place of sub-goal {moved + 1}")
    figure.colorbar(image, ax=axes, label="cost of the plan", extend="max")
    save_png(figure, folder / "landscape.png")


def lengths(history, folder):
    """Length of each free plan in units of the shortest way, sorted."""
    test, shortest = history["test"], history["shortest"]
    figure, axis = panels(1, 1, height=2.6)
    for name, label, color in (("p3", "P3", BLUE), ("fan", "4 detours, 20 steps, no learning", GREEN), ("p2", "P2, one pass", ORANGE),
                               ("shots", "best of 84 random plans", GREY), ("constant", "best constant", PURPLE)):
        if name in history:
            plan = history[name]
            ratio = np.where(soa.clear(plan, test)[0], way(plan, test)[0] / shortest, np.inf)
            axis.plot(np.sort(ratio), np.arange(1, len(ratio) + 1) / len(ratio), color=color, label=label)
    axis.set(xlim=(1, 1.8), ylim=(0, 1.03), xlabel="length / shortest way", ylabel="arenas solved\nwith at most this length")
    axis.legend(loc="lower right")
    save_png(figure, folder / "lengths.png")


def draw(config, result, folder):
    folder.mkdir(exist_ok=True)
    gallery(result["history"], folder)
    success(result["metrics"], result["history"], folder)
    iterations(result["history"], folder)
    landscape(config, result["history"], folder)
    lengths(result["history"], folder)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    config = soa.Config(seed=parser.parse_args().seed)
    draw(config, soa.run(config), Path(__file__).parent / "viz")
