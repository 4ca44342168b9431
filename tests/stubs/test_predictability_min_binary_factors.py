# SPDX-License-Identifier: Unlicense
"""Invariants of predictability minimization: objective, gradients, who sees what, generators, measures."""
import itertools

import numpy as np
import predictability_min_binary_factors as pm
import pytest

UNIFORM = np.full(16, 1 / 16)
CORNERS = (pm.BINARY[4][None] + 1) / 2  # the full binary code (1, 4, 16)


def best_objective(bits, chances):
    """V when each predictor knows the mean of its unit given all other units: bits (units, n) -> number."""
    total = 0.0
    for unit in range(len(bits)):
        groups = {}
        for others, own, chance in zip(np.delete(bits, unit, 0).T, bits[unit], chances):
            groups.setdefault(tuple(others), []).append((own, chance))
        for members in groups.values():
            own, weight = np.array(members).T
            mean = (own * weight).sum() / weight.sum()
            total += (weight * (own - mean) ** 2).sum()
    return total


def numeric_gradient(function, array, epsilon=1e-5):
    """Central differences of a number with respect to every entry of `array`, which `function` reads."""
    gradient = np.empty_like(array)
    for place in np.ndindex(*array.shape):
        kept, values = array[place], []
        for array[place] in (kept + epsilon, kept - epsilon):
            values.append(function())
        array[place] = kept
        gradient[place] = (values[0] - values[1]) / (2 * epsilon)
    return gradient


def relative_error(a, b):
    return np.abs(a - b).max() / np.abs(b).max()


def some_nets(hidden=3, decoder=0, count=2, inputs=5, units=3, size=6):
    rng = np.random.default_rng(1)
    coder = pm.Coder(rng, count, inputs, 4, units, decoder, dtype=float)
    predictors = pm.Predictors(rng, count, units, hidden, dtype=float)
    return coder, predictors, rng.standard_normal((count, inputs, size)), rng.dirichlet(np.ones(size))


# --- the objective ---
def test_factorial_codes_are_least_predictable():
    full = CORNERS[0]
    assert 16 * best_objective(full, UNIFORM) == pytest.approx(16 * 4 * 0.25)
    assert best_objective(np.concatenate([full[:3], full[:1]]), UNIFORM) == pytest.approx(0.5), "a duplicate costs both units"
    exclusive_or = np.concatenate([full[:3], (full[:1] != full[1:2]).astype(float)])
    assert best_objective(exclusive_or, UNIFORM) == pytest.approx(0.25), "so does an exclusive or, which no linear predictor sees"
    assert best_objective(np.concatenate([full[:3], np.zeros((1, 16))]), UNIFORM) == pytest.approx(0.75), "a constant unit costs itself only"


def test_near_optimal_code_of_the_skewed_ensemble():
    """Four patterns with 1/9, 2/9, 2/9, 4/9: an invertible code that is not factorial reaches 19/20."""
    factorial, other = np.array([[0, 1, 0, 1], [0, 0, 1, 1.0]]), np.array([[0, 0, 1, 1], [0, 1, 1, 0.0]])
    assert best_objective(other, pm.SKEWED) / best_objective(factorial, pm.SKEWED) == pytest.approx(19 / 20)
    assert pm.is_factorial(factorial[None], pm.SKEWED)[0] and not pm.is_factorial(other[None], pm.SKEWED)[0]


# --- gradients ---
@pytest.mark.parametrize("hidden", (3, 0))
def test_gradient_of_the_predictors(hidden):
    coder, predictors, x, share = some_nets(hidden)
    code = coder.encode(x)
    gradient = predictors.gradient(2 * share * (predictors.predict(code) - code))
    numeric = numeric_gradient(lambda: (share * (predictors.predict(code) - code) ** 2).sum(), predictors.theta)
    blind = np.zeros_like(predictors.theta, bool)
    pm.views(blind, predictors.seen.shape, *[part.shape[1:] for part in predictors.layers[1:]])[0][...] = predictors.seen == 0
    assert (gradient[blind] == 0).all() and (predictors.theta[blind] == 0).all()
    assert relative_error(gradient[~blind], numeric[~blind]) < 1e-6


@pytest.mark.parametrize("full", (False, True))
@pytest.mark.parametrize("hidden", (3, 0))
def test_gradient_of_the_units(hidden, full):
    """Direct path: predictions are given numbers. Full: they depend on the code."""
    coder, predictors, x, share = some_nets(hidden)
    code = coder.encode(x)
    given = predictors.predict(code).copy()
    gradient = coder.gradient(share * pm.surprise_slope(predictors, code - given, full))

    def objective():
        code = coder.encode(x)
        return (share * (code - (predictors.predict(code) if full else given)) ** 2).sum()
    assert relative_error(gradient, numeric_gradient(objective, coder.theta)) < 1e-6


def test_gradient_with_a_decoder():
    coder, predictors, x, share = some_nets(decoder=4)
    code = coder.encode(x)
    given = predictors.predict(code).copy()
    gradient = coder.gradient(-share * 2 * (code - given), 2 * share / 5 * (coder.decode(code) - x))

    def loss():
        code = coder.encode(x)
        return (share * ((coder.decode(code) - x) ** 2).mean(1)).sum() - (share * ((code - given) ** 2).sum(1)).sum()
    assert relative_error(gradient, numeric_gradient(loss, coder.theta)) < 1e-6


def test_full_gradient_is_that_of_the_objective_with_best_predictors():
    """Envelope theorem: with optimal predictors, moving the code changes V by the full gradient at fixed predictors; the direct path differs."""
    rng = np.random.default_rng(2)
    code, predictors = rng.uniform(0.1, 0.9, (1, 3, 12)), pm.Predictors(rng, 1, 3, 0, dtype=float)

    def fit():
        for unit in range(3):
            rows = np.concatenate([2 * np.delete(code[0], unit, 0) - 1, np.ones((1, 12))])
            predictors.layers[0][0, unit, predictors.seen[unit] == 1] = np.linalg.lstsq(rows.T, code[0, unit], rcond=None)[0]
        return ((code - predictors.predict(code)) ** 2).sum()
    numeric = numeric_gradient(fit, code)
    fit()
    surprise = code - predictors.predict(code)
    assert relative_error(pm.surprise_slope(predictors, surprise, True), numeric) < 1e-6
    assert relative_error(pm.surprise_slope(predictors, surprise, False), numeric) > 0.1
    assert 0 < pm.gradient_angle(predictors, surprise)[0] < 90


def test_no_predictor_sees_its_own_unit():
    for hidden in (4, 0):
        rng = np.random.default_rng(3)
        predictors, code = pm.Predictors(rng, 2, 5, hidden), rng.random((2, 5, 7))
        optimizer = pm.Adam(predictors.theta, 0.1)
        for _ in range(3):
            optimizer.step(predictors.gradient(predictors.predict(code) - code))
        before = predictors.predict(code).copy()
        for unit in range(5):
            other = code.copy()
            other[:, unit] = rng.random((2, 7))
            after = predictors.predict(other)
            np.testing.assert_array_equal(after[:, unit], before[:, unit])
            assert all((after[:, k] != before[:, k]).any() for k in range(5) if k != unit)


# --- generators ---
def test_patterns():
    assert pm.BINARY[4].shape == (4, 16) and len({tuple(p) for p in pm.BINARY[4].T}) == 16 and (np.abs(pm.BINARY[4]) == 1).all()
    source, rng = pm.Ensemble(pm.BINARY[2], pm.SKEWED, 3000, one_by_one=True), np.random.default_rng(4)
    x, share = source.draw(rng)
    assert x.shape == (3000, 2, 1) and share == 1
    counts = np.array([(x[:, :, 0] == pattern).all(1).mean() for pattern in pm.BINARY[2].T])
    np.testing.assert_allclose(counts, pm.SKEWED, atol=0.03)
    everything, share = pm.Ensemble(pm.LOCAL[8], count=2).draw(rng)
    assert everything.shape == (2, 8, 8) and share.sum() == pytest.approx(1)


def test_mixtures():
    rng = np.random.default_rng(5)
    source = pm.Mixture(rng, 3, 4, 8)
    np.testing.assert_allclose((source.mixing ** 2).sum(1), 1, rtol=1e-5)
    x, bits = source.sample(rng, 20_000)
    assert (np.abs(bits) == 1).all() and np.abs(bits.mean(2)).max() < 0.04
    assert (x - source.mixing @ bits).std() == pytest.approx(0.05, rel=0.02)
    assert np.abs(np.corrcoef(bits[0]) - np.eye(4)).max() < 0.04
    white = source.whitened(rng).sample(rng, 20_000)[0]
    np.testing.assert_allclose(np.cov(white[1]), np.eye(4), atol=0.06)
    bent, bits = pm.Mixture(rng, 3, 4, 8, bent=True).sample(rng, 100)
    assert np.abs(bent).max() < 1.3 and bits.shape == (3, 4, 100)


# --- measures ---
def test_what_counts_as_factorial():
    assert pm.binary_codes(CORNERS)[0] == 16 and pm.is_factorial(CORNERS, UNIFORM)[0]
    assert pm.is_factorial(0.15 + 0.7 * CORNERS, UNIFORM)[0] == 0, "activations inside [0.1, 0.9] are not binary"
    shuffled = CORNERS[:, :, np.random.default_rng(0).permutation(16)]
    assert pm.is_factorial(shuffled, UNIFORM)[0], "any assignment of patterns to corners is factorial"
    twice = CORNERS.copy()
    twice[0, :, 5] = twice[0, :, 9]
    assert pm.binary_codes(twice)[0] == 15 and not pm.is_factorial(twice, UNIFORM)[0]
    two_bits, quarter = np.array([[0, 1, 0, 1], [0, 0, 1, 1.0]]), np.full(4, 0.25)
    assert pm.is_factorial(np.concatenate([two_bits, np.ones((1, 4))])[None], quarter)[0], "a spare unit may be constant"
    assert not pm.is_factorial(np.concatenate([two_bits, two_bits[:1] != two_bits[1:]])[None], quarter)[0], "but not an exclusive or"


def test_mutual_information():
    a = np.array([[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 1, 1, 0, 0, 1, 1], [0, 0, 0, 1, 0, 1, 1, 1]], bool)[None]
    table = pm.mutual_information(a, a)[0]
    np.testing.assert_allclose(np.diag(table), np.log(2), rtol=1e-5)
    assert table[0, 1] == pytest.approx(0, abs=1e-6)
    assert table[0, 2] == pytest.approx(0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5), rel=1e-5)
    np.testing.assert_allclose(table, table.T, atol=1e-6)


@pytest.mark.parametrize("factors", (2, 4, 5))
def test_assignment_equals_brute_force(factors):
    rng = np.random.default_rng(factors)
    code, bits = rng.random((6, factors, 15)) > 0.5, rng.random((6, factors, 15)) > 0.5
    agree = (code[:, :, None] == bits[:, None]).mean(3)
    agree = np.maximum(agree, 1 - agree)
    expected = [max(np.mean([table[i, j] for i, j in enumerate(order)]) for order in itertools.permutations(range(factors))) for table in agree]
    np.testing.assert_allclose(pm.bit_accuracy(code, bits), expected, rtol=1e-12)
    assert (pm.bit_accuracy(~bits[:, ::-1], bits) == 1).all(), "order and signs do not count"


def test_ica_separates_a_linear_mixture():
    rng = np.random.default_rng(6)
    source = pm.Mixture(rng, 2, 4, 8)
    filters = pm.independent_components(source.sample(rng, 4096)[0], 4, rng)
    x, bits = source.sample(rng, 1000)
    assert pm.bit_accuracy(filters @ x > 0, bits > 0).min() > 0.99


# --- learning ---
def learned(count=2, updates=8, seed=0, **change):
    source = pm.Ensemble(pm.BINARY[4], count=count)
    rngs = np.random.default_rng(seed).spawn(2)
    return pm.train(pm.Recipe(4, 6, 5, updates, 0.01, 0.03)._replace(**change), source, source.all, *rngs)[1]


def test_predictors_pull_and_units_push():
    """With units at rest the surprise falls; with predictors at rest it rises."""
    for change, sign in (({"unit_rate": 0.0, "updates": 40}, -1), ({"predictor_updates": 0, "updates": 40}, 1)):
        seen = learned(**change)
        first, last = (((code - guess) ** 2).sum((1, 2)) for _, code, guess, _ in (seen[0], seen[-1]))
        assert (sign * (last - first) > 0).all()


def test_head_start_is_for_predictors_only():
    (_, code, guess, _), (_, code_before, guess_before, _) = learned(head_start=20)[0], learned()[0]
    np.testing.assert_array_equal(code, code_before)
    assert (((code - guess) ** 2).sum((1, 2)) < ((code_before - guess_before) ** 2).sum((1, 2))).all()


def test_no_fight_without_strength():
    frozen = learned(strength=0.0)
    np.testing.assert_array_equal(frozen[0][1], frozen[-1][1])
    assert (learned()[-1][1] != frozen[-1][1]).any()


def test_four_bits_reach_sixteen_corners():
    config = pm.Config()
    recipe = pm.Recipe(4, config.encoder_hidden, config.predictor_hidden, 250, config.unit_rate, config.predictor_rate,
                       head_start=config.head_start)
    source = pm.Ensemble(pm.BINARY[4], count=10)
    solved, _ = pm.factorial_runs(recipe, source, *np.random.default_rng(7).spawn(2))
    assert solved >= 8


def test_same_seed_same_code_and_seeds_differ():
    np.testing.assert_array_equal(learned()[-1][1], learned()[-1][1])
    assert (learned()[-1][1] != learned(seed=1)[-1][1]).any()
