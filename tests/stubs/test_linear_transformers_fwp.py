# SPDX-License-Identifier: Unlicense
"""Invariants of the fast weight programmers: sequences, feature maps, schedules, rules, gradients and the rank floor."""
import linear_transformers_fwp as fwp
import numpy as np
import pytest

MAPS = ("identity", "elu", "dpfp1", "dpfp2", "dpfp3", "favor")


def rng(seed=0):
    return np.random.default_rng(seed)


def numeric(loss, x, step=1e-6):
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


# --- sequences ---
def test_without_replacement_both_are_permutations():
    keys, values, right = fwp.make_sequences(50, 9, 9, False, rng())
    for part in (keys, values):
        np.testing.assert_array_equal(np.sort(part, axis=1), np.tile(np.arange(9), (50, 1)))
    np.testing.assert_array_equal(right, values)
    assert len({tuple(row) for row in keys}) == 50 and (keys != values).any()


def test_with_replacement_the_last_binding_wins():
    keys, values, right = fwp.make_sequences(50, 6, 12, True, rng())
    for row_keys, row_values, row_right in zip(keys, values, right):
        table = dict(zip(row_keys, row_values))
        assert [table[key] for key in row_keys] == list(row_right)
    assert keys.max() == values.max() == 5


# --- feature maps ---
@pytest.mark.parametrize("name", MAPS)
def test_number_and_sign_of_features(name):
    x = rng().normal(size=(40, 8))
    phi = fwp.features(name, x, fwp.random_features(8, rng(1)))
    assert phi.shape == (40, fwp.feature_count(name, 8))
    assert name == "identity" or (phi >= 0).all()


def test_dpfp_by_its_definition_and_disjoint_supports():
    x = rng().normal(size=5)
    z = np.maximum(np.concatenate([x, -x]), 0)
    expected = [z[i] * z[(i - j) % 10] for j in (1, 2) for i in range(10)]
    np.testing.assert_allclose(fwp.features("dpfp2", x), expected)
    keys = np.array([[1.0, 1, -1, -1], [-1.0, 1, 1, -1], [-1, -1, 1, 1], [1, -1, -1, 1]])
    phi = fwp.features("dpfp1", keys)  # four vectors of the plane's corners, pairwise not orthogonal as they are
    products = phi @ phi.T
    assert (np.diag(products) > 0).all()
    one = fwp.features("dpfp1", np.array([[1.0, 1, 0], [0, 1, 1], [-1, -1, 0], [0, -1, -1]]))
    np.testing.assert_allclose(one @ one.T, np.eye(4))


def test_favor_estimates_the_exponential_without_bias():
    q, k = 0.4 * rng(2).normal(size=(2, 6))
    generator = rng(3)
    draws = [fwp.features("favor", q, omega) @ fwp.features("favor", k, omega) for omega in (fwp.random_features(6, generator) for _ in range(8000))]
    assert abs(np.mean(draws) - np.exp(q @ k)) < 5 * np.std(draws) / np.sqrt(len(draws))
    omega = fwp.random_features(6, generator).astype(float)
    gram = omega @ omega.T
    np.testing.assert_allclose(gram - np.diag(np.diag(gram)), 0, atol=1e-5)


# --- gradients ---
@pytest.mark.parametrize("name", (*MAPS, "softmax"))
def test_gradient_of_the_kernel(name):
    queries, keys = rng(4).normal(size=(2, 7, 5))
    omega, target = fwp.random_features(5, rng(5)).astype(float), np.eye(7)

    def loss():
        return 0.5 * ((fwp.attention(name, queries, keys, omega)[0] - target) ** 2).sum()

    weights, cache = fwp.attention(name, queries, keys, omega)
    found = fwp.attention_backward(name, queries, keys, cache, weights, weights - target, omega)
    for x, gradient in zip((queries, keys), found):
        expected = numeric(loss, x)
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("rule", ("sum", "delta", "overwrite"))
@pytest.mark.parametrize("name", ("elu", "dpfp1", "dpfp2"))
def test_gradient_of_the_sequence_model(name, rule):
    """From the embeddings through all writes to the answers; keys come several times."""
    model = fwp.SequenceModel(name, rule, 3, 4, rng(6), np.float64)
    model.beta_value[...] = rng(7).normal(size=model.beta_value.shape)
    model.beta_key[...] = rng(8).normal(size=model.beta_key.shape)
    keys, values, right = fwp.make_sequences(2, 3, 6, True, rng(9))
    target = np.eye(3)[right]

    def loss():
        return 0.5 * ((model.forward(keys, values, keys) - target) ** 2).sum()

    model.backward(model.forward(keys, values, keys) - target)
    gradient, expected = model.gradient.copy(), numeric(loss, model.parameters)
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())
    assert rule != "delta" or np.abs(gradient[-9:]).max() > 0, "the write strength learns"


# --- schedules and rules ---
@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("chunk", (1, 4, 50))
def test_schedules_agree_at_every_position(name, chunk):
    q, k, values = 0.5 * rng(10).normal(size=(3, 19, 6))
    omega = fwp.random_features(6, rng(11)).astype(float)
    answers = fwp.causal_schedules(fwp.features(name, q, omega), fwp.features(name, k, omega), values, chunk, name != "identity")
    assert len(answers) == 4
    for answer in answers.values():
        np.testing.assert_allclose(answer, answers["parallel"], atol=1e-12 * np.abs(values).max() * (100 if name == "identity" else 1))


def test_causal_attention_does_not_see_the_future():
    q, k, values = rng(12).random((3, 10, 6))
    whole = fwp.causal_schedules(q, k, values)
    half = fwp.causal_schedules(q[:5], k[:5], values[:5])
    for name in whole:
        np.testing.assert_allclose(whole[name][:5], half[name], rtol=1e-12)


def test_parallel_delta_rule_equals_the_loop():
    generator = rng(13)
    k, q = generator.random((20, 6)), generator.random((4, 6))
    (k, _), (q, _), values, beta = fwp.normalise(k), fwp.normalise(q), generator.normal(size=(20, 5)), generator.random((20, 1))
    np.testing.assert_allclose(q @ k.T @ fwp.delta_writes(k, values, beta)[0], fwp.delta_sequential(q, k, values, beta), atol=1e-10)


def test_sum_and_delta_rule_agree_on_orthonormal_keys():
    k = np.linalg.qr(rng(14).normal(size=(7, 7)))[0]
    values = rng(15).normal(size=(7, 4))
    np.testing.assert_allclose(fwp.delta_writes(k, values, np.ones((7, 1)))[0], values, atol=1e-12)
    np.testing.assert_allclose(fwp.delta_sequential(k, k, values, np.ones((7, 1))), values, atol=1e-12)


def test_delta_rule_mixes_old_and_new_by_the_write_strength():
    key = np.eye(3)[:1]
    answer = fwp.delta_sequential(key, np.repeat(key, 2, axis=0), np.array([[1.0, 0], [0, 1]]), np.array([[1.0], [0.25]]))
    np.testing.assert_allclose(answer, [[0.75, 0.25]])


def test_sum_rule_cannot_see_the_order():
    model = fwp.SequenceModel("dpfp1", "sum", 4, 5, rng(16), np.float64)
    keys, values, _ = fwp.make_sequences(3, 4, 8, True, rng(17))
    asked = keys[:, :2]
    order = rng(18).permutation(8)
    np.testing.assert_allclose(model.forward(keys[:, order], values[:, order], asked), model.forward(keys, values, asked), atol=1e-12)
    changed = fwp.SequenceModel("dpfp1", "delta", 4, 5, rng(16), np.float64)
    assert np.abs(changed.forward(keys[:, order], values[:, order], asked) - changed.forward(keys, values, asked)).max() > 1e-4


def test_order_blind_floor_is_the_mean_of_what_was_bound():
    keys, values, right = np.array([[0, 0, 1]]), np.array([[0, 1, 1]]), np.array([[1, 1, 1]])
    assert fwp.order_blind_floor(keys, values, right, 2) == pytest.approx((0.25 + 0.25 + 0) / 3)


# --- capacity ---
@pytest.mark.parametrize("name", ("identity", "elu", "dpfp1", "favor"))
def test_no_kernel_is_below_the_rank_floor(name):
    for size in (5, 20, 60):
        generator = rng(size)
        queries, keys = generator.normal(size=(2, size, 6))
        weights = fwp.attention(name, queries, keys, fwp.random_features(6, generator))[0]
        assert 0.5 * ((weights - np.eye(size)) ** 2).sum() / size >= fwp.floor(fwp.feature_count(name, 6), size) - 1e-9


def test_training_ends_at_the_floor_and_not_below():
    """One idle feature costs 0.5 / S, which is more than the slack."""
    config = fwp.Config(width=8, steps=800, film=2)
    for name, size, slack in (("dpfp1", 32, 0.005), ("identity", 20, 0.005), ("dpfp2", 16, 0.05)):
        one = fwp.train_kernel(name, size, config, rng(19), rng(20))
        assert one["floor"] - 1e-6 <= one["loss"] <= one["floor"] + slack
        assert np.linalg.matrix_rank(one["kernel"].astype(float), tol=1e-3) <= fwp.feature_count(name, 8)


def test_merged_finds_twins_and_lost_keys():
    weights = np.eye(5)
    weights[1, 1] = weights[1, 3] = weights[3, 1] = weights[3, 3] = 0.5
    weights[4, 4] = 0
    assert set(fwp.merged(weights, 8)) == {3, 4}


def test_twins_are_drawn_anew_only_while_features_are_idle():
    groups = np.repeat(np.arange(4), 2)
    groups[7] = 0  # keys of group 0: 0, 1 and 7; key 6 is alone
    weights = (groups[:, None] == groups) / np.bincount(groups)[groups][:, None]
    assert len(fwp.merged(weights, 4)) == 0, "rank 4 is all there is"
    np.testing.assert_array_equal(fwp.merged(weights, 5), [1])
    assert set(fwp.merged(weights, 100)) == {1, 3, 5, 7}


def test_crossing_interpolates():
    assert fwp.crossing({20: 0.0, 40: 0.1}) == pytest.approx(30)
    assert fwp.crossing({20: 0.0, 40: 0.01}) is None


def test_a_short_run_learns_to_rebind():
    config = fwp.Config(updates=150)
    model = fwp.SequenceModel("dpfp1", "delta", 5, 8, rng(21))
    fwp.train_sequences(model, 5, 10, True, config, rng(22))
    test = fwp.make_sequences(100, 5, 10, True, rng(23))
    assert fwp.evaluate(model, *test) < 0.5 * fwp.order_blind_floor(*test, 5)
