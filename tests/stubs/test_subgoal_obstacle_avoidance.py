# SPDX-License-Identifier: Unlicense
"""Invariants of the sub-goal generator, its evaluators and the world of swamps."""
import dataclasses

import numpy as np
import pytest
import subgoal_obstacle_avoidance as soa
from subgoal_obstacle_avoidance_arenas import Arenas, join, make_arenas, mirror, points_in, shortest_path, symmetric, way

CONFIG = soa.Config(**soa.PRESETS["smoke"])


def arenas(count=40, seed=0, circles=4, **how):
    return make_arenas(count, np.random.default_rng(seed), circles, **how)


def plans(count=40, heads=3, subgoals=2, seed=1):
    return points_in(1, 9, (heads, subgoals, count), np.random.default_rng(seed))


def one_arena(start, goal, *circles):
    return Arenas(np.array([start]), np.array([goal]), np.array([[centre] for centre, _ in circles]), np.array([[r] for _, r in circles]))


def swamp_cost(a, b, world, margin=0.25):
    """Integral of all cones along legs a -> b."""
    u0, u1, h, *_ = soa.seen_from_circles(a, b, world.centre)
    return soa.cone_area(u0, u1, h, world.radius + margin)[0].sum(0)


def slope(function, x, unit, step=1e-6):
    return (function(x + step * unit) - function(x - step * unit)) / (2 * step)


# --- evaluator ---
def test_gradient_of_the_plan_cost():
    world, plan = arenas(200), plans(200)
    for k in range(2):
        place = np.zeros((1, 2, 1))
        place[0, k] = 1
        gradient = soa.plan_cost(plan, world, 12.0, 0.25)[1][:, k]
        for unit, part in ((place, gradient.real), (1j * place, gradient.imag)):
            miss = abs(slope(lambda p: soa.plan_cost(p, world, 12.0, 0.25)[0], plan, unit) - part)
            assert np.quantile(miss, 0.98) < 1e-6 and miss.max() < 1e-3  # a few legs end or pass close to a kink


def test_gradient_outside_the_box_points_back():
    world = arenas(1)
    gradient = soa.plan_cost(np.array([[[-2 + 5j], [5 + 12j]]]), world, 100.0, 0.1)[1]
    assert gradient[0, 0, 0].real < 0 and gradient[0, 1, 0].imag > 0


def test_the_integral_is_that_of_the_cone():
    world, rng = arenas(60), np.random.default_rng(3)
    a, b = points_in(0, 10, (2, 60), rng)
    places = a + (b - a) * ((np.arange(4000) + 0.5) / 4000)[:, None]
    depth = np.maximum(0, 1 - abs(places[:, None] - world.centre) / (world.radius + 0.25)).sum(1)
    np.testing.assert_allclose(swamp_cost(a, b, world), depth.mean(0) * abs(b - a), atol=1e-5)


def test_penalty_is_zero_just_where_the_leg_clears_the_rim():
    world, rng = arenas(300), np.random.default_rng(4)
    a, b = points_in(0, 10, (2, 300), rng)
    u0, u1, h, *_ = soa.seen_from_circles(a, b, world.centre)
    area = soa.cone_area(u0, u1, h, world.radius + 0.25)[0]
    near = np.hypot(np.maximum(np.maximum(u0, -u1), 0), h)
    assert (area[near >= world.radius + 0.25] < 1e-12).all() and (area[near < world.radius + 0.25 - 1e-3] > 0).all()


def test_a_leg_cut_in_two_costs_the_same_in_both_directions_wherever_the_world_is_turned():
    world, rng = arenas(100), np.random.default_rng(5)
    a, b = points_in(0, 10, (2, 100), rng)
    middle = a + (b - a) * rng.uniform(0, 1, 100)
    whole = swamp_cost(a, b, world)
    np.testing.assert_allclose(swamp_cost(a, middle, world) + swamp_cost(middle, b, world), whole, atol=1e-9)
    np.testing.assert_allclose(swamp_cost(b, a, world), whole, atol=1e-9)
    turn = np.exp(0.7j)
    turned = dataclasses.replace(world, centre=world.centre * turn)
    np.testing.assert_allclose(swamp_cost(a * turn, b * turn, turned), whole, atol=1e-9)
    np.testing.assert_allclose(swamp_cost(a.conj(), b.conj(), dataclasses.replace(world, centre=world.centre.conj())), whole, atol=1e-9)


def test_single_precision_is_close_enough_for_training():
    world, plan = arenas(200), plans(200)
    cost, gradient = soa.plan_cost(plan, world, 12.0, 0.15)
    rough_cost, rough = soa.plan_cost(plan.astype(np.complex64), world.single(), 12.0, 0.15)
    assert rough_cost.dtype == np.float32 and rough.dtype == np.complex64
    np.testing.assert_allclose(rough_cost, cost, rtol=1e-3)
    assert np.quantile(abs(rough - gradient), 0.99) < 1e-2


# --- world ---
@pytest.mark.parametrize(("circles", "how"), [(4, {}), (2, {}), (6, {}), (4, {"largest": 1.5}), (3, {"kind": "diagonal"})])
def test_arenas_are_in_order(circles, how):
    world = arenas(300, 6, circles, **how)
    assert len(world) == 300 and world.centre.shape == (circles, 300)
    apart = abs(world.centre[:, None] - world.centre) - world.radius[:, None] - world.radius
    assert (apart[np.triu_indices(circles, 1)] > 0).all()
    assert (np.minimum(abs(world.centre - world.start), abs(world.centre - world.goal)) >= world.radius + 0.4).all()
    assert (abs(world.goal - world.start) >= 5).all()
    low = 1.5 if how.get("kind") else 1
    assert (np.minimum(world.centre.real, world.centre.imag) >= low).all() and (np.maximum(world.centre.real, world.centre.imag) <= 10 - low).all()
    if how.get("kind"):
        assert (world.start == 1 + 1j).all() and (world.goal == 9 + 9j).all() and (world.radius == 0.8).all()
    else:
        ends = np.array([world.start, world.goal])
        assert ends.real.min() >= 0.5 and ends.imag.max() <= 9.5 and world.radius.min() >= 0.6 and world.radius.max() <= how.get("largest", 1.2)
    straight = soa.detours(np.array([[1 / 3, 2 / 3]]), np.zeros((1, 2)), world)
    assert soa.clear(straight, world).mean() < 0.03


def test_clear_agrees_with_80_points_per_leg_and_is_stricter():
    world, plan = arenas(500), plans(500, 1)
    free = soa.clear(plan, world)[0]
    a, b = soa.legs(plan, world)
    places = a + (b - a) * np.linspace(0, 1, 80)[:, None, None, None]
    sampled = (abs(places[:, 0, None] - world.centre[:, None]) >= world.radius[:, None]).all((0, 1, 2))
    assert (sampled | ~free).all() and (sampled == free).mean() > 0.97 and 0.02 < free.mean() < 0.9
    outside = np.full((1, 2, 500), 5 + 10.01j)
    assert not soa.clear(outside, world).any()


def test_shortest_way_around_one_circle():
    world = one_arena(1 + 5j, 9 + 5j, (5 + 5j, 1.0))
    turn = np.arcsin(1 / 4)
    length, (drawn,) = shortest_path(world, [0])
    assert length[0] == pytest.approx(2 * np.sqrt(15) + 2 * turn, abs=1e-9)
    assert abs(np.diff(drawn)).sum() == pytest.approx(length[0], abs=1e-3) and drawn[0] == 1 + 5j and drawn[-1] == 9 + 5j
    assert shortest_path(one_arena(1 + 5j, 9 + 5j, (5 + 8j, 1.0)))[0][0] == pytest.approx(8)


def test_shortest_way_between_and_around_two_circles():
    """Circles at (3.5, 5) and (6.5, 5): over the first and under the second, or over both, whichever is shorter."""
    world = one_arena(1 + 5j, 9 + 5j, (3.5 + 5j, 1.0), (6.5 + 5j, 1.0))
    turn = np.arcsin(1 / 2.5)
    over = 2 * np.sqrt(2.5 ** 2 - 1) + 3 + 2 * turn
    across = np.sqrt(9 - 4) + 2 * np.sqrt(2.5 ** 2 - 1) + 2 * (np.arcsin(2 / 3) + turn)
    assert shortest_path(world)[0][0] == pytest.approx(min(over, across), abs=1e-9)


def test_shortest_way_stays_in_the_box():
    """The circle sticks out of the box on the near side, so the way leads around the far side."""
    world = one_arena(1 + 1j, 9 + 1j, (5 + 1j, 1.2))
    free, low = shortest_path(world)[0][0], shortest_path(one_arena(1 + 3j, 9 + 3j, (5 + 3j, 1.2)))[0][0]
    assert free == pytest.approx(low, abs=1e-9)  # over the top, as in the middle of the box
    slanted = one_arena(1 + 0.5j, 9 + 0.5j, (5 + 1j, 1.2))
    assert shortest_path(slanted)[0][0] > shortest_path(one_arena(1 + 4.5j, 9 + 4.5j, (5 + 5j, 1.2)))[0][0] + 0.1


def test_no_free_plan_is_shorter_than_the_shortest_way():
    world = arenas(200)
    shortest = shortest_path(world)[0]
    assert (shortest >= abs(world.goal - world.start) - 1e-9).all()
    np.testing.assert_allclose(shortest_path(mirror(world))[0], shortest)
    np.testing.assert_allclose(shortest_path(Arenas(world.goal, world.start, world.centre, world.radius))[0], shortest)
    plan = points_in(0, 10, (300, 2, 200), np.random.default_rng(7))
    assert (np.where(soa.clear(plan, world), way(plan, world), np.inf) >= shortest - 1e-9).all()


# --- generator ---
@pytest.mark.parametrize("generator", ("static", "recurrent"))
@pytest.mark.parametrize("private", (0, 5))
@pytest.mark.parametrize("coordinates", ("frame", "raw"))
def test_gradient_of_the_generator(generator, private, coordinates):
    config, world = dataclasses.replace(CONFIG, generator=generator, subgoals=3), arenas(5)
    net = soa.Generator((7, 6), config, np.random.default_rng(8), offsets=(1.0,) if private else (-1.0, 1.0), private=private)
    net.theta = net.theta.astype(float)
    rows = net.theta.shape[0]
    _, shapes = soa.new_weights((soa.INPUTS, 7, 6, 2 if generator == "recurrent" else 6), (rows,), np.random.default_rng(0))
    net.gradient = np.zeros_like(net.theta)
    net.layers, net.gradients = soa.views(net.theta, *shapes), soa.views(net.gradient, *shapes)
    x, pull = soa.features(world, coordinates).astype(float), points_in(-1, 1, (1 if private else 2, 3, 5), np.random.default_rng(9))

    def value():
        return (pull.conj() * net.plan(x, world, coordinates)).real.sum()

    value()
    gradient = net.backward(pull).copy()
    for index in np.random.default_rng(10).integers(net.theta[0].size, size=25):
        row, old = index % rows, net.theta[index % rows, index]
        ends = []
        for step in (1e-5, -1e-5):
            net.theta[row, index] = old + step
            ends.append(value())
        net.theta[row, index] = old
        assert gradient[row, index] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_private_nets_do_not_know_of_each_other():
    world = arenas(6)
    net = soa.Generator((9,), CONFIG, np.random.default_rng(11), private=6)
    weights = net.theta.copy()
    together = soa.solve_each(net, world, 0.002, CONFIG)
    alone = soa.Generator((9,), CONFIG, np.random.default_rng(11), private=1)
    alone.theta[...] = weights[3]
    np.testing.assert_allclose(soa.solve_each(alone, world.take([3]), 0.002, CONFIG)[:20, :, 0], together[:20, :, 3], atol=1e-3)


def test_in_the_frame_position_and_direction_do_not_matter_but_for_the_box():
    world = arenas(50)
    quarter = Arenas(*((part - 5 - 5j) * 1j + 5 + 5j for part in (world.start, world.goal, world.centre)), world.radius)
    np.testing.assert_allclose(soa.features(quarter), soa.features(world), atol=1e-5)
    shuffled = Arenas(world.start, world.goal, world.centre[::-1], world.radius[::-1])
    np.testing.assert_array_equal(soa.features(shuffled), soa.features(world))
    assert abs(soa.features(quarter, "raw") - soa.features(world, "raw")).max() > 0.1


def test_slots_for_fewer_and_more_circles():
    two, six = arenas(20, 1, 2), arenas(20, 1, 6)
    assert soa.features(two).shape == soa.features(six).shape == (soa.INPUTS, 20)
    along = soa.features(six)[soa.CIRCLES_FROM:soa.CIRCLES_FROM + soa.SLOTS]
    assert (np.diff(along, axis=0) >= 0).all()


def test_symmetric_arenas():
    world = arenas(10)
    four = symmetric(world)
    assert len(four) == 40 and len(join([world, four])) == 50
    np.testing.assert_allclose(mirror(mirror(world)).centre, world.centre)
    plan = plans(10, 1)
    np.testing.assert_array_equal(soa.clear(plan.conj() + 10j, mirror(world)), soa.clear(plan, world))


# --- learning and controls ---
def test_walking_tells_the_learned_evaluator_what_the_exact_one_computes():
    world, evaluator = arenas(30), soa.LearnedEvaluator(np.random.default_rng(0))
    x, met = soa.walk_legs(400, evaluator, world, CONFIG, np.random.default_rng(12), steps=2000)
    exact = soa.cone_area(x[0] * soa.SCALE, x[1] * soa.SCALE, x[2] * soa.SCALE, x[3] + 1)[0].sum(0)
    np.testing.assert_allclose(met, exact, atol=2e-3)


def test_derivatives_of_the_learned_evaluator():
    evaluator, rng = soa.LearnedEvaluator(np.random.default_rng(13)), np.random.default_rng(14)
    evaluator.layers = [layer.astype(float) for layer in evaluator.layers]
    u0, u1, h, reach = rng.normal(0, 2, 50), rng.normal(0, 2, 50), rng.normal(0, 1, 50), rng.uniform(0.7, 1.4, 50)
    _, *slopes = evaluator(u0, u1, h, reach)
    for k, slope_k in enumerate(slopes):
        ends = []
        for step in (1e-2, -1e-2):  # what E sees is single precision
            moved = [u0.copy(), u1.copy(), h.copy()]
            moved[k] += step
            ends.append(evaluator(*moved, reach)[0])
        smooth = abs(h) > 0.02
        np.testing.assert_allclose(((ends[0] - ends[1]) / 2e-2)[smooth], slope_k[smooth], atol=1e-3)


def test_evaluator_is_frozen_while_s_learns_and_s_while_p3_plans():
    rng, world = np.random.default_rng(15), arenas(60)
    evaluator = soa.LearnedEvaluator(rng)
    evaluator.learn(world, CONFIG, rng)
    before = evaluator.theta.copy()
    heads = soa.train_heads(CONFIG, world, rng, evaluator)
    np.testing.assert_array_equal(evaluator.theta, before)
    weights = heads.theta.copy()
    soa.plan_heads(heads, world, CONFIG, evaluator)
    np.testing.assert_array_equal(heads.theta, weights)
    np.testing.assert_array_equal(evaluator.theta, before)


@pytest.mark.parametrize("offsets", [(1.5,), soa.HEADS])
def test_one_head_gets_the_whole_gradient_and_four_share_it(offsets, monkeypatch):
    world, limited, whole, used = arenas(60), soa.limited, [], []
    net = soa.Generator((9,), CONFIG, np.random.default_rng(16), offsets=offsets)
    start, backward = net.theta.copy(), net.backward
    monkeypatch.setattr(soa, "limited", lambda *given: whole.append(limited(*given)) or whole[-1])
    net.backward = lambda by_plan: used.append(by_plan) or backward(by_plan)
    soa.train(net, world, 3, CONFIG, np.random.default_rng(17))
    for all_of_it, part in zip(whole, used, strict=True):
        share = abs(part).sum(1) / abs(all_of_it).sum(1)
        np.testing.assert_allclose(share.sum(0), 1, rtol=1e-4)
    assert len(used) == 3 and (net.theta != start).any(1).all()
    plan = soa.propose(soa.Generator((9,), CONFIG, np.random.default_rng(16), offsets=offsets), world, CONFIG)
    across = ((plan - world.start) * (world.goal - world.start).conj() / abs(world.goal - world.start)).imag.mean((1, 2))
    assert (np.diff(across) > 0).all()


def test_controls_ignore_the_circles():
    world, other = arenas(20, 1), arenas(20, 2)
    moved = Arenas(world.start, world.goal, other.centre, other.radius)
    fractions, laterals = np.array([[0.3, 0.7]]), np.array([[1.0, 1.0]])
    np.testing.assert_array_equal(soa.detours(fractions, laterals, world), soa.detours(fractions, laterals, moved))
    net = soa.Generator((9,), CONFIG, np.random.default_rng(18))
    np.testing.assert_array_equal(soa.propose(net, world, CONFIG, blind=True), soa.propose(net, moved, CONFIG, blind=True))
    assert (soa.propose(net, world, CONFIG) != soa.propose(net, moved, CONFIG)).any()


def test_gradient_steps_lower_the_cost_and_e_chooses_the_lowest():
    world, plan = arenas(100), plans(100, 4)
    cost = soa.plan_cost(plan, world, CONFIG.penalty, CONFIG.margin)[0]
    refined = soa.plan_cost(soa.refine(plan, world, CONFIG), world, CONFIG.penalty, CONFIG.margin)[0]
    assert (refined < cost).mean() > 0.99
    chosen = soa.choose(plan, world, CONFIG)
    np.testing.assert_allclose(soa.plan_cost(chosen, world, CONFIG.penalty, CONFIG.margin)[0][0], cost.min(0))


def test_other_presets_and_flags_run():
    for change in ({"generator": "recurrent", "evaluator": "learned"}, {"arena": "diagonal", "circles": 3, "subgoals": 3, "coordinates": "raw"}):
        metrics = soa.run(dataclasses.replace(CONFIG, contrasts=False, updates=3, head_updates=2, **change))["metrics"]
        assert set(soa.HEADLINE) <= set(metrics)
