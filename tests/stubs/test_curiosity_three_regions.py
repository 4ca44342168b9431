# SPDX-License-Identifier: Unlicense
"""Invariants of curiosity about three regions."""
import curiosity_three_regions as ctr
import numpy as np
import pytest

CONFIG = ctr.Config(worlds=2, steps=600, change=300)


def trace(kind, steps=600, names=("small",), count=2, config=CONFIG, **keywords):
    data_rng, noise_rng, agent_rng = np.random.default_rng(5).spawn(3)
    worlds = ctr.make_worlds(names, count, data_rng)
    return worlds, ctr.explore(kind, worlds, steps, config, noise_rng, agent_rng, **keywords)


def stationary_rewards(config, visits=2000, cells=100):
    """Rewards of visiting `cells` noise cells again and again, once M and C have settled."""
    mind, rng = ctr.Mind(1, config), np.random.default_rng(0)
    rows = np.arange(cells)
    return np.array([ctr.observe(mind, rows, rng.choice([-1.0, 1.0], (cells, 4)), "curious", config) for _ in range(visits)])[500:]


def test_noise_pays_nothing_on_average_unless_rewards_are_clipped():
    """150,000 visits: the sum telescopes, so cells are the independent draws of the t-test."""
    signed = stationary_rewards(CONFIG).mean(0)
    assert abs(signed.mean()) < 4 * signed.std() / np.sqrt(len(signed)) + 1e-12 and abs(signed.mean()) < 1e-4
    clipped = stationary_rewards(ctr.Config(clip=True)).mean(0)
    assert clipped.mean() > 0.02 and clipped.mean() > 50 * clipped.std() / np.sqrt(len(clipped))


def test_a_learned_cell_pays_nothing_and_an_improving_one_pays():
    mind, row, target = ctr.Mind(1, CONFIG), np.array([7]), np.array([[1.0, -1, 1, 1]])
    rewards = np.array([ctr.observe(mind, row, target, "curious", CONFIG)[0] for _ in range(600)])
    assert rewards[0] == 0 and (rewards[1:100] > 0).all() and abs(rewards[-1]) < 1e-12
    assert rewards.sum() == pytest.approx(CONFIG.confidence_start, abs=1e-9), "all that can be earned is the first doubt"
    np.testing.assert_allclose(mind.model[7], target[0], atol=1e-7)


def test_delta_rules_in_numbers():
    mind, row = ctr.Mind(1, CONFIG), np.array([3])
    mind.model[3], mind.confidence[3] = [0.5, 0, 0, 0], 0.4
    reward = ctr.observe(mind, row, np.array([[1.0, 1, 0, 0]]), "curious", CONFIG)
    error = (0.25 + 1) / 4
    np.testing.assert_allclose(mind.model[3], [0.515, 0.03, 0, 0])
    assert mind.confidence[3] == pytest.approx(0.4 + 0.7 * (error - 0.4)) and reward[0] == pytest.approx(0.7 * (0.4 - error))


@pytest.mark.parametrize("name, sizes", [("small", (50, 41, 9)), ("thirds", (30, 40, 30)), ("corner1", (50, 49, 1)), ("corner7", (36, 15, 49))])
def test_layouts(name, sizes):
    assert tuple(np.bincount(ctr.layout(name), minlength=3)) == sizes


def test_moves_stay_on_the_grid_and_walls_hold():
    assert (ctr.NEXT[:, 0] == [0, 10, 0, 1]).all() and (ctr.NEXT[:, 99] == [89, 99, 98, 99]).all()
    steps = np.abs(ctr.ROWS[ctr.NEXT] - ctr.ROWS) + np.abs(ctr.COLUMNS[ctr.NEXT] - ctr.COLUMNS)
    assert steps.max() == 1 and (steps == 0).sum() == 40


@pytest.mark.parametrize("kind", ["curious", "random", "oracle"])
def test_error_counts_learnable_cells_only_and_never_rises(kind):
    worlds, result = trace(kind)
    visits = np.array([np.bincount(result["cell"][:, world], minlength=100) for world in range(2)])
    left = np.where(result["region"] == ctr.LEARNABLE, 4 * (1 - CONFIG.model_rate) ** (2 * visits), 0).sum(1)
    np.testing.assert_allclose(result["error"][0], 36)
    np.testing.assert_allclose(result["error"][-1], left, rtol=1e-9)
    assert (np.diff(result["error"], axis=0) <= 1e-12).all()


def test_a_random_walk_visits_all_cells_equally():
    """A wall sends the walker back to its cell, so the walk's transition matrix is doubly stochastic: uniform in the long run."""
    matrix = np.zeros((100, 100))
    np.add.at(matrix, (np.tile(np.arange(100), 4), ctr.NEXT.ravel()), 0.25)
    np.testing.assert_allclose(matrix.sum(0), 1)
    _, result = trace("random", steps=1500, count=300)
    visits = np.bincount(result["cell"][500:].ravel(), minlength=100) / result["cell"][500:].size
    np.testing.assert_allclose(visits, 0.01, rtol=0.15)


def test_value_iteration_finds_the_closed_form_of_a_chain():
    """Three cells with two moves, left and right; only the last one pays: V = (g, 1, 1) / (1 - g)."""
    mind, config = ctr.Mind(1, CONFIG), ctr.Config(sweeps=500, discount=0.9, reward_rate=0.0)
    mind.moves, mind.reward, mind.value = np.array([[0, 0, 1], [1, 2, 2]]), np.array([0.0, 0, 1]), np.zeros(3)
    ctr.plan(mind, np.array([0]), np.array([1]), np.array([1]), np.array([0.0]), config)
    np.testing.assert_allclose(mind.value, [9, 10, 10], rtol=1e-9)


def test_q_learning_in_numbers():
    mind, config = ctr.Mind(1, CONFIG), ctr.Config(q_rate=0.5, discount=0.9)
    mind.q[:] = 0
    mind.q[2, 1] = 2
    ctr.q_learn(mind, np.array([0]), np.array([3]), np.array([1]), np.array([0.2]), config)
    assert mind.q[3, 0] == pytest.approx(0.5 * (0.2 + 0.9 * 2)) and np.count_nonzero(mind.q) == 2


def test_the_planner_learns_where_the_walls_are():
    _, result = trace("random", steps=3000, count=1)
    mind, start = ctr.Mind(1, CONFIG), int(result["cell"][0, 0])
    assert (mind.moves != ctr.NEXT).sum() == 40
    for arrived in result["cell"][1:, 0]:
        choice = int(np.flatnonzero(ctr.NEXT[:, start] == arrived)[0])
        ctr.plan(mind, np.array([start]), np.array([choice]), np.array([arrived]), np.array([0.0]), CONFIG)
        start = int(arrived)
    assert (mind.moves != ctr.NEXT).sum() < 20


def test_no_agent_beats_the_bound():
    config = ctr.Config(worlds=3, steps=2200, change=300)
    for kind in ("oracle", "curious", "novelty"):
        worlds, result = trace(kind, 2200, ctr.LAYOUTS, 3, config, after=0)
        limits = [ctr.bound(region, start, config) for region, start in zip(result["region"], worlds.start)]
        times = ctr.learning_time(result["error"])
        assert (times >= limits).all()
        if kind == "oracle":
            assert (times <= 1.25 * np.array(limits)).all()


def test_worlds_do_not_depend_on_the_agent_and_runs_repeat():
    one, two = ctr.run(CONFIG), ctr.run(CONFIG)
    assert one["metrics"] == two["metrics"]
    main = ctr.run(ctr.Config(worlds=2, steps=600, change=300, contrasts="main"))
    for kind in ("curious", "error", "random"):
        np.testing.assert_array_equal(main["history"][kind]["cell"], one["history"][kind]["cell"])
    worlds = ctr.make_worlds(("small",), 2, np.random.default_rng(0))
    kept = [part.copy() for part in (worlds.region, worlds.reaction, worlds.start)]
    for kind in ("curious", "oracle"):
        ctr.explore(kind, worlds, 400, CONFIG, *np.random.default_rng(1).spawn(2), change=200)
    for part, old in zip((worlds.region, worlds.reaction, worlds.start), kept):
        np.testing.assert_array_equal(part, old)


def test_a_change_of_the_world_leaves_noise_and_known_cells_alone():
    _, result = trace("uniform", change=300)
    error = result["error"]
    assert (np.diff(error[:301], axis=0) <= 1e-12).all() and (error[301] > error[300]).all() and (np.diff(error[301:], axis=0) <= 1e-12).all()


def test_learning_time_and_shares():
    errors = np.array([[1.0, 1], [0.5, 0.5], [0.05, 0.2]])
    np.testing.assert_array_equal(ctr.learning_time(errors), [2, np.inf])
    region = np.tile(ctr.layout("thirds"), (1, 1))
    spent = ctr.shares(np.array([[0], [3], [4], [9]], np.int16), region, np.array([1]), np.array([4]))
    np.testing.assert_allclose(spent[:, 0], [0, 2 / 3, 1 / 3])


def test_change_must_lie_within_the_run():
    with pytest.raises(ValueError, match="--change"):
        ctr.Config(steps=1000)


def test_back_propagation_through_the_hidden_layer_is_the_gradient():
    config = ctr.Config(model="mlp", hidden=5, mlp_rate=1e-6)
    mind, rows, target = ctr.Mind(2, config, np.random.default_rng(0)), np.array([7, 130]), np.array([[1.0, -1, 1, 1], [-1, 1, 1, -1]])
    mind.readout[...] = np.random.default_rng(1).standard_normal(mind.readout.shape)

    def loss():
        return 0.5 * sum(((target[w] - np.tanh(mind.features[w, rows[w] % 100]) @ mind.readout[w]) ** 2).sum() for w in range(2))

    slopes, places = [], [(mind.features, (0, 7, 2)), (mind.features, (1, 30, 4)), (mind.readout, (0, 3, 1)), (mind.readout, (1, 0, 0))]
    for part, place in places:
        low, high = (part.__setitem__(place, part[place] + step) or loss() for step in (-1e-6, 2e-6))
        part[place] -= 1e-6
        slopes.append((high - low) / 2e-6)
    before = [part[place] for part, place in places]
    miss = target - np.stack([np.tanh(mind.features[w, rows[w] % 100]) @ mind.readout[w] for w in range(2)])
    ctr.back_propagate(mind, rows, miss, config.mlp_rate)
    moved = [(part[place] - old) / -config.mlp_rate for (part, place), old in zip(places, before)]
    np.testing.assert_allclose(moved, slopes, rtol=1e-5)
    np.testing.assert_allclose(mind.model[130], np.tanh(mind.features[1, 30]) @ mind.readout[1])
    assert (mind.features[0, 8] == ctr.Mind(2, config, np.random.default_rng(0)).features[0, 8]).all(), "a cell's own weights move only when it is visited"
