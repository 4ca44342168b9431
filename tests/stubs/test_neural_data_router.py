# SPDX-License-Identifier: Unlicense
"""Invariants of the neural data router: chains, geometric attention, gates, gradients, symmetries, and weights set by hand."""
import dataclasses

import neural_data_router as ndr
import numpy as np
import pytest

TINY = ndr.Config(values=4, tables=3, width=6, hidden=8, gate_bias=-1.0, batch=3, steps=6)


def rng(seed=0):
    return np.random.default_rng(seed)


def chains(config, depth, count, seed=0, order="forward", follows=None):
    generator = rng(seed)
    tables = np.array([generator.permutation(config.values) for _ in range(config.tables)])
    follows = np.ones((config.tables, config.tables), bool) if follows is None else follows
    return tables, *ndr.make_batch(generator, tables, depth, count, follows, order)


def numeric(loss, x, step=1e-5):
    """Central differences of loss() with respect to the array x, changed in place."""
    gradient = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        kept = x[place]
        x[place] = kept + step
        ahead = loss()
        x[place] = kept - step
        gradient[place] = (ahead - loss()) / (2 * step)
        x[place] = kept
    return gradient


# --- chains ---
@pytest.mark.parametrize("depth", (1, 2, 7))
def test_answers_by_direct_composition(depth):
    tables, symbols, answers = chains(TINY, depth, 60)
    assert symbols.shape == (depth + 1, 60) and (symbols[0] < 4).all() and (symbols[1:] >= 4).all() and symbols.max() < 7
    for column, answer in zip(symbols.T, answers):
        value = column[0]
        for name in column[1:]:
            value = tables[name - 4][value]
        assert value == answer


def test_backward_is_the_reversed_chain():
    _, ahead, answers = chains(TINY, 5, 40)
    _, back, same = chains(TINY, 5, 40, order="backward")
    np.testing.assert_array_equal(ahead[::-1], back)
    np.testing.assert_array_equal(answers, same)


def test_tables_are_drawn_uniformly_from_those_that_may_follow():
    follows = np.array([[True, True, False], [False, True, True], [True, False, True]])
    _, symbols, _ = chains(TINY, 6, 3000, follows=follows)
    pairs = np.zeros((3, 3))
    np.add.at(pairs, (symbols[1:-1].ravel() - 4, symbols[2:].ravel() - 4), 1)
    assert (pairs[~follows] == 0).all()
    share = pairs / pairs.sum(1, keepdims=True)
    np.testing.assert_allclose(share[follows], 0.5, atol=0.03)


def test_training_never_goes_deeper_than_the_depths_of_training(monkeypatch):
    depths, make_batch = [], ndr.make_batch

    def noted(rng, tables, depth, *rest):
        depths.append(depth)
        return make_batch(rng, tables, depth, *rest)

    monkeypatch.setattr(ndr, "make_batch", noted)
    config = dataclasses.replace(TINY, updates=30, cooldown=5, least_updates=5)
    tables = np.array([rng().permutation(4) for _ in range(3)])
    follows = np.ones((3, 3), bool)
    check = ndr.make_batch(rng(2), tables, 2, 8, follows)
    depths.clear()
    ndr.train("ndr", ndr.build("ndr", config, rng(3)), tables, follows, rng(1), {depth: check for depth in range(1, 7)}, check[0][:, 0])
    assert len(depths) == 35
    assert set(depths) == set(range(1, config.train_depth + 1))


# --- geometric attention ---
@pytest.mark.parametrize("length", (2, 3, 6))
def test_weights_equal_the_product_written_out(length):
    before, right, left, other = ndr.scan_masks(length, float)
    logits = 2 * rng(4).normal(size=(length, 5, length))
    weights, p = ndr.geometric_attention(logits, before, other)
    np.testing.assert_allclose(p, 1 / (1 + np.exp(-logits)))
    for i in range(length):
        order = sorted((j for j in range(length) if j != i), key=lambda j: (abs(j - i), j < i))
        passed = np.ones(5)
        for j in order:
            np.testing.assert_allclose(weights[i, :, j], p[i, :, j] * passed)
            passed = passed * (1 - p[i, :, j])
        assert (weights[i, :, i] == 0).all()
        np.testing.assert_allclose(weights[i].sum(-1) + passed, 1)  # what no column took is lost


def test_extreme_logits_neither_overflow_nor_vanish():
    before, _, _, other = ndr.scan_masks(4, np.float32)
    logits = np.full((4, 1, 4), -500, np.float32)
    logits[0, 0, 3] = 500
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        weights, p = ndr.geometric_attention(logits, before, other)
        slope = ndr.geometric_backward(np.ones_like(weights), weights, p, before)
    np.testing.assert_allclose(weights[0, 0], [0, 0, 0, 1])
    assert np.isfinite(slope).all()


def test_gradient_of_the_attention():
    before, _, _, other = ndr.scan_masks(5, float)
    logits, target = 2 * rng(5).normal(size=(2, 5, 3, 5))

    def loss():
        return 0.5 * ((ndr.geometric_attention(logits, before, other)[0] - target) ** 2).sum()

    weights, p = ndr.geometric_attention(logits, before, other)
    found = ndr.geometric_backward(weights - target, weights, p, before)
    np.testing.assert_allclose(found, numeric(loss, logits), atol=1e-7)


def test_mirror_symmetry_up_to_the_tie_rule():
    """Mirrored columns and logits give mirrored weights, if ties break the other way too."""
    before, _, _, other = ndr.scan_masks(6, float)
    logits = rng(6).normal(size=(6, 2, 6))
    i, j = np.arange(6)[:, None], np.arange(6)
    rank = np.where(i == j, 12, 2 * np.abs(i - j) - (j < i))
    left_first = (rank[:, :, None] < rank[:, None]).astype(float)
    weights = ndr.geometric_attention(logits, before, other)[0]
    mirrored = ndr.geometric_attention(logits[::-1, :, ::-1], left_first, other)[0]
    np.testing.assert_allclose(mirrored[::-1, :, ::-1], weights)
    assert np.abs(ndr.geometric_attention(logits[::-1, :, ::-1], before, other)[0][::-1, :, ::-1] - weights).max() > 0.01


# --- gradients ---
@pytest.mark.parametrize("name", ndr.RECIPES)
def test_gradient_of_the_whole_model(name):
    model = ndr.build(name, TINY, rng(7), np.float64)
    model.theta += 0.1 * rng(8).normal(size=model.theta.shape)
    _, symbols, answers = chains(TINY, 3, 3)
    steps = 3 if name in ("ndr", "gate_only") else 6

    def loss():
        return ndr.cross_entropy(model.forward(symbols, steps), answers)[0]

    model.backward(ndr.cross_entropy(model.forward(symbols, steps), answers)[1])
    places = rng(9).choice(model.theta.size, 250, replace=False)
    expected = np.zeros(len(places))
    for k, place in enumerate(places):
        kept, losses = model.theta[place], []
        for value in (kept + 1e-5, kept - 1e-5):
            model.theta[place] = value
            losses.append(loss())
        model.theta[place] = kept
        expected[k] = (losses[0] - losses[1]) / 2e-5
    np.testing.assert_allclose(model.gradient[places], expected, atol=1e-5 * np.abs(expected).max())


def test_gradient_with_dropped_gates_and_reading_the_first_column():
    config = dataclasses.replace(TINY, gate_dropout=0.5, read="first")
    model = ndr.build("ndr", config, rng(10), np.float64)
    _, symbols, answers = chains(config, 3, 4)
    scores = model.forward(symbols, 4, rng(11))
    model.backward(ndr.cross_entropy(scores, answers)[1])
    found = model.gradient.copy()
    for place in rng(12).choice(model.theta.size, 100, replace=False):
        kept, losses = model.theta[place], []
        for value in (kept + 1e-5, kept - 1e-5):
            model.theta[place] = value
            losses.append(ndr.cross_entropy(model.forward(symbols, 4, rng(11)), answers)[0])
        model.theta[place] = kept
        assert found[place] == pytest.approx((losses[0] - losses[1]) / 2e-5, abs=1e-7)


# --- gates ---
def test_closed_gates_copy_for_any_number_of_steps():
    model = ndr.build("ndr", TINY, rng(13), np.float64)
    _, symbols, _ = chains(TINY, 4, 9)
    before = model.forward(symbols, 0)
    model.each[0]["gate_bias"][...] = -1000
    for steps in (1, 5):
        np.testing.assert_allclose(model.forward(symbols, steps), before, atol=1e-12)
    np.testing.assert_allclose(before, model.once["readout"] @ model.once["embedding"][:, symbols[-1]] + model.once["readout_bias"], atol=1e-12)


def test_open_gates_take_the_new_state_and_dropped_ones_the_old():
    model = ndr.build("ndr", dataclasses.replace(TINY, gate_dropout=0.9), rng(14), np.float64)
    model.each[0]["gate"][...] = 0
    model.each[0]["gate_bias"][...] = 1000
    _, symbols, _ = chains(TINY, 4, 50)
    model.forward(symbols, 1)
    np.testing.assert_allclose(model.states.mean(0), 0, atol=1e-9)  # normalised, whatever it was before
    old = model.once["embedding"][:, symbols]
    model.forward(symbols, 1, rng(15))
    kept = np.isclose(model.states, old).all(0)
    assert kept.mean() == pytest.approx(0.9, abs=0.07) and np.allclose(model.states[:, ~kept].mean(0), 0)


def test_without_positions_only_the_neighbourhood_counts():
    """What is far behind a column that every query takes first has no influence."""
    model = ndr.build("ndr", TINY, rng(16), np.float64)
    model.each[0]["into_bias"][TINY.width + 1] = 200  # every column takes its left neighbour
    _, symbols, _ = chains(TINY, 5, 20)
    other = symbols.copy()
    other[0] = (other[0] + 1) % 4
    for steps, far in ((4, True), (5, False)):  # news travels one column per step
        same = np.allclose(model.forward(symbols, steps), model.forward(other, steps), atol=1e-9)
        assert same == far


def test_renaming_tables_renames_nothing_else():
    """Permute the table names in the data and the embeddings alike: the same answers."""
    model = ndr.build("ndr", TINY, rng(17), np.float64)
    _, symbols, _ = chains(TINY, 4, 30)
    scores = model.forward(symbols, 5).copy()
    names = np.concatenate([np.arange(4), 4 + rng(18).permutation(3)])
    embedding = model.once["embedding"].copy()
    model.once["embedding"][:, names] = embedding
    np.testing.assert_allclose(model.forward(names[symbols], 5), scores, atol=1e-9)


# --- learning ---
def test_a_tiny_router_solves_chains_it_was_and_was_not_trained_on():
    """3 values, 3 tables, trained on up to 4 lookups: right on every single chain of these, and on nearly all of 5 and 6."""
    config = ndr.Config(values=3, tables=3, train_depth=4, test_depth=5, width=24, hidden=24, steps=7, batch=32, updates=900, cooldown=50, least_updates=900,
                        evaluate_every=100)
    tables = np.array([[1, 2, 0], [1, 0, 2], [0, 2, 1]])
    every = {}
    for depth in range(1, 7):
        symbols = np.array(list(np.ndindex(*[3] * (depth + 1)))).T
        answers = symbols[0]
        for table in symbols[1:]:
            answers = tables[table, answers]
        symbols[1:] += 3
        every[depth] = symbols, answers
    checks = {depth: tuple(part[..., ::3 ** max(0, depth - 3)] for part in every[depth]) for depth in range(1, 5)}
    model = ndr.build("ndr", config, rng(22))
    found = ndr.train("ndr", model, tables, np.ones((3, 3), bool), rng(21), checks, every[5][0][:, 0])
    assert found["mastered"] is not None and len(found["losses"]) == 900
    shares = [ndr.evaluate(model, *chains) for chains in every.values()]
    assert min(shares[:4]) == 1 and shares[4] >= 0.99 and shares[5] >= 0.95, shares


def test_evaluation_gives_two_steps_more_than_lookups():
    router, usual = ndr.build("ndr", TINY, rng(23)), ndr.build("vanilla_relative", TINY, rng(23))
    assert [ndr.step_count(router, depth) for depth in (1, 4, 9, 20)] == [6, 6, 11, 22]
    assert ndr.step_count(usual, 20) == ndr.step_count(usual, 3, rng()) == 6
    assert {ndr.step_count(router, 3, rng(k)) for k in range(60)} == {4, 5, 6}
    fixed = ndr.build("ndr", dataclasses.replace(TINY, random_steps=False), rng(23))
    assert {ndr.step_count(fixed, 3, rng(k)) for k in range(9)} == {TINY.steps}


@pytest.mark.parametrize("bad", ({"test_depth": 5}, {"steps": 5}, {"held_out": 8}))
def test_settings_that_contradict_each_other(bad):
    with pytest.raises(ValueError, match="argument --"):
        ndr.Config(**bad)
