# SPDX-License-Identifier: Unlicense
"""Invariants of the fovea, its world, the two nets and the gradient along a trajectory."""
import numpy as np
import pytest
import saccadic_target_detection as std

RNG = np.random.default_rng(7)
DISK, OFFSET, TURNING = std.TASKS["centre"], std.TASKS["offset"], std.EXTRA["rotation"]
CONFIG = std.Config(train_scenes=3, test_scenes=4, batch=5, moves=4)


def picture(scenes, number=0):
    """The 512 x 512 pixels of a stored scene."""
    whole = np.zeros((std.SIDE, std.SIDE))
    pixels = np.diff(np.diff(scenes.sums[number].astype(float), axis=0), axis=1)
    row, column = scenes.origin[number]
    whole[row:row + len(pixels), column:column + len(pixels)] = pixels
    return whole


def nets(actions=4):
    model, controller = std.Net.random(40 + actions, 40, 40, RNG), std.Net.random(40, 20, actions, RNG)
    model.theta *= 5
    controller.theta *= 5
    return model, controller


def fields_of(place):
    corner, width = std.FIELDS
    return [(slice(*(int(start) + np.array([0, size]))), slice(*(int(other) + np.array([0, size]))))
            for (start, other), size in zip(np.floor(place + 0.5) + corner, width)]


def test_forty_fields_tile_the_square():
    corner, width = std.FIELDS
    covered = np.zeros((160, 160), int)
    for (row, column), size in zip(corner + 80, width):
        covered[row:row + size, column:column + size] += 1
    assert len(width) == 40 and (covered == 1).all()
    assert sorted(np.unique(width, return_counts=True)[1]) == [12, 12, 16]


@pytest.mark.parametrize("task", [DISK, OFFSET, std.EXTRA["square"]])
def test_a_view_is_the_mean_of_the_pixels(task):
    scenes = std.draw_scenes(task, 2, RNG)
    for number in (0, 1):
        place = scenes.centre[number] + RNG.uniform(-70, 70, 2)
        whole = picture(scenes, number)
        brute = [whole[field].mean() for field in fields_of(place)]
        np.testing.assert_allclose(std.look(scenes, np.array([number]), place[None])[0], brute, atol=1e-6)


def test_a_noisy_picture_is_seen_whole_and_the_edge_is_white():
    scenes = std.draw_scenes(DISK, 1, RNG, noise=0.5)
    place = np.array([60.0, 300.0])  # reaches 20 px over the upper edge
    whole = np.pad(picture(scenes), 200)
    brute = [whole[field].mean() for field in fields_of(place + 200)]
    np.testing.assert_allclose(std.look(scenes, np.zeros(1, int), place[None])[0], brute, atol=2e-3)


@pytest.mark.parametrize("shape, area", [("disk", np.pi * 60 ** 2), ("square", 100 ** 2), ("triangle", 120 * 130 / 2), ("wedge", 60 * 130 / 2)])
def test_objects_have_their_area(shape, area):
    angle = np.array([0.0, 1.0, -2.5])
    scenes = std.make_scenes(shape, RNG.uniform(156, 356, (3, 2)), angle)
    np.testing.assert_allclose(scenes.sums[:, -1, -1], area, rtol=0.01)


def test_the_tip_of_the_triangle_is_up_and_the_disk_is_where_it_should_be():
    whole = picture(std.make_scenes("triangle", np.array([[256.0, 200.0]]), np.zeros(1)))
    rows, columns = np.nonzero(whole)
    assert abs(rows.min() - 176) <= 2 and rows.max() == 305 and columns[rows < 182].mean() == pytest.approx(199.5, abs=1)
    rows, columns = np.nonzero(picture(std.make_scenes("disk", np.array([[300.0, 180.0]]), np.zeros(1))))
    assert rows.mean() == pytest.approx(299.5, abs=0.1) and columns.mean() == pytest.approx(179.5, abs=0.1)


def test_no_coordinates_leak_into_a_view():
    """Scene and fovea moved together by whole pixels: the same 40 numbers, and nothing else, reach C."""
    centre, shift = np.array([[200.3, 310.7]]), np.array([[57.0, -91.0]])
    one, two = std.make_scenes("triangle", centre, np.zeros(1)), std.make_scenes("triangle", centre + shift, np.zeros(1))
    place = centre + [[31.2, -47.9]]
    np.testing.assert_array_equal(std.look(one, np.zeros(1, int), place), std.look(two, np.zeros(1, int), place + shift))
    assert nets()[1].inputs == 40


def test_a_turned_fovea_sees_a_turned_object_as_before():
    angle = np.array([0.0, 0.6, -1.9, 3.0])
    scenes = std.make_scenes("wedge", np.full((4, 2), 256.0), angle)
    views = std.look(scenes, np.arange(4), np.concatenate([scenes.centre, angle[:, None]], 1))
    assert np.abs(views - views[0]).mean() < 0.03
    np.testing.assert_allclose(views[0], std.look(scenes, np.zeros(1, int), scenes.centre[:1])[0], atol=1e-6)


def test_moves():
    start = np.array([[10.0, 20.0]])
    np.testing.assert_allclose(std.move(start, np.array([[0.0, 1, 0.25, 0.75]])), [[30, 30]])
    np.testing.assert_allclose(std.move(start, np.full((1, 4), 0.5)), start)
    turned = std.move(np.array([[10.0, 20, np.pi / 2]]), np.array([[0, 1, 0, 0, 0, 1.0]]))
    np.testing.assert_allclose(turned, [[10, 40, np.pi / 2 + np.radians(50)]], atol=1e-12)


def test_goal_view_belongs_to_no_test_scene():
    """It is the view from the goal in any upright scene, up to the raster, and it does not change with what is drawn."""
    goal = std.goal_view(OFFSET)
    scenes = std.draw_scenes(OFFSET, 4, RNG)
    views = std.look(scenes, np.arange(4), scenes.centre + np.array(OFFSET.goal))
    assert np.abs(views - goal).max() < 0.15 and np.abs(views - goal).mean() < 0.02
    np.testing.assert_array_equal(goal, std.goal_view(OFFSET))


def test_net_gradients_and_stacked_nets():
    net, x, target = std.Net.random(6, 4, 3, RNG), RNG.random((5, 6)), RNG.random((5, 3))
    net.theta *= 10

    def error(theta, x):
        return ((net.copy(theta).forward(x)[0] - target) ** 2).sum() / 2

    output, activations = net.forward(x)
    dx, deltas = net.backward(output - target, activations)
    for analytic, point, function in ((net.gradient(deltas, activations), net.theta, lambda v: error(v, x)), (dx.ravel(), x.ravel(),
                                      lambda v: error(net.theta, v.reshape(x.shape)))):
        steps = 1e-5 * np.eye(point.size)
        numeric = np.array([function(point + step) - function(point - step) for step in steps]) / 2e-5
        np.testing.assert_allclose(analytic, numeric, atol=1e-7)
    pair = net.copy(np.stack([net.theta, -net.theta]))
    np.testing.assert_allclose(pair.forward(np.stack([x, x]))[0][1], net.copy(-net.theta).forward(x)[0])


def imagined(controller, model, first, moves):
    """A trajectory in a world that is M itself: lists as `rollout` gives them."""
    seen, actions, activations = [first], [], []
    for _ in range(moves):
        action, inner = controller.forward(seen[-1])
        actions.append(action)
        activations.append(inner)
        seen.append(model.forward(np.concatenate([seen[-1], action], -1))[0])
    return None, seen, actions, activations


def test_gradient_of_the_whole_trajectory():
    """In a world that M predicts perfectly, `through_model` is the derivative of the error at the end."""
    model, controller = nets()
    first, goal = RNG.random((3, 40)), RNG.random(40)

    def error(theta):
        return ((imagined(controller.copy(theta), model, first, 4)[1][-1] - goal) ** 2).sum() / 2

    analytic = std.through_model(controller, model, imagined(controller, model, first, 4), goal, "trajectory")
    for _ in range(5):
        direction = RNG.standard_normal(controller.theta.size)
        numeric = (error(controller.theta + 1e-5 * direction) - error(controller.theta - 1e-5 * direction)) / 2e-5
        assert analytic @ direction == pytest.approx(numeric, abs=1e-6, rel=1e-6)
    last = std.through_model(controller, model, imagined(controller, model, first, 1), goal, "last_move")
    for kind in ("trajectory", "myopic"):  # of a single move, all three are the same
        np.testing.assert_allclose(std.through_model(controller, model, imagined(controller, model, first, 1), goal, kind), last)


def test_linear_world_in_closed_form(monkeypatch):
    """The true gradient where views are the place itself: dE/d place is place - goal at all times, if C ignores what it sees."""
    monkeypatch.setattr(std, "look", lambda scenes, index, pose: np.concatenate([pose, np.zeros((*pose.shape[:-1], 38))], -1) / 100)
    controller = std.Net(np.zeros(41 * 24 + 20 * 4), 40, 20, 4)
    controller.into_output[40] = RNG.standard_normal(4)  # a bias alone
    goal, start = np.zeros(40), np.array([[1.0, 2.0]])
    trajectory = std.rollout(controller, None, np.zeros(1, int), start, 3)
    gradient = std.through_image(controller, trajectory, goal, None, np.zeros(1, int))
    output = trajectory[2][0][0]
    end = start + 3 * (output @ std.DIRECTIONS)
    expected = 3 * (end @ std.DIRECTIONS.T)[0] / 1e4 * output * (1 - output)
    np.testing.assert_allclose(std.views(gradient, (41, 20), (61, 4))[1][40], expected, rtol=1e-9)


def test_true_gradient_matches_differences_in_the_scene():
    """Views on the pixel raster are steps, so compare over a change of many pixels' worth of places: the sign and the size, not the digits."""
    scenes = std.draw_scenes(DISK, 200, RNG)
    pose, goal, index = scenes.centre + RNG.uniform(-60, 60, (200, 2)), std.goal_view(DISK), np.arange(200)
    slope = std.image_slope(scenes, index, pose)
    seen = std.look(scenes, index, pose)
    analytic = ((seen - goal)[..., None] * slope).sum(-2)
    error = [[((std.look(scenes, index, pose + sign * step) - goal) ** 2).sum(-1) / 2 for sign in (1, -1)] for step in 2 * np.eye(2)]
    numeric = np.array([(up - down) / 4 for up, down in error]).T
    assert np.corrcoef(analytic.ravel(), numeric.ravel())[0, 1] > 0.97


def test_model_is_frozen_in_phase_two_and_side_by_side_equals_alone():
    scenes, (model, controller) = std.draw_scenes(DISK, 3, RNG), nets()
    before, starts = model.theta.copy(), std.draw_starts(DISK, scenes, 3, CONFIG, RNG)
    models = model.copy(np.stack([model.theta, model.theta / 2]))
    pair = controller.copy(np.stack([controller.theta] * 2))
    first = controller.theta.copy()
    weights, updates = std.train_controller("trajectory", controller, DISK, scenes, starts, CONFIG, model)
    std.train_controller("trajectory", pair, DISK, scenes, starts, CONFIG, models)
    np.testing.assert_array_equal(model.theta, before)
    np.testing.assert_allclose(pair.theta[0], controller.theta, rtol=1e-9)
    assert np.abs(pair.theta[1] - controller.theta).max() > 1e-4 and list(updates) == [0, 1, 2, 3]
    np.testing.assert_array_equal(weights[0], first)


def test_reinforce_points_the_right_way():
    """Exploration that happened to do better is made more likely: the expected gradient follows that of the true image."""
    task, config = std.Task("disk"), std.Config(batch=4000)
    scenes = std.draw_scenes(task, 20, RNG)
    controller = std.Net.random(40, 20, 4, RNG)
    starts = std.draw_starts(task, scenes, 1, config, RNG)
    jitter = RNG.normal(0, std.SPREAD, (2, 4000, 4))
    goal, index, pose = std.goal_view(task), starts[0][0], starts[1][0]
    estimate = std.reinforce(controller, std.rollout(controller, scenes, index, pose, 2, jitter=jitter), goal, jitter)
    exact = std.through_image(controller, std.rollout(controller, scenes, index, pose, 2), goal, scenes, index)
    assert estimate @ exact / np.linalg.norm(estimate) / np.linalg.norm(exact) > 0.5


def test_the_reflex_ends_at_the_centroid_and_a_drift_is_a_moving_object():
    scenes, reflex = std.draw_scenes(OFFSET, 20, RNG), std.CentroidReflex(0.5, True)
    index = np.arange(20)
    pose = std.random_poses(OFFSET, scenes, index, 60, 0, RNG)
    end = std.rollout(reflex, scenes, index, pose, 25)[0][-1]
    np.testing.assert_allclose(end - scenes.centre, np.tile([50 - 130 / 3, 0], (20, 1)), atol=1.0)
    poses = std.rollout(std.CentroidReflex(0.0, True), scenes, index, pose, 3, drift=np.array([1.0, -2.0]))[0]
    np.testing.assert_allclose(poses[-1], pose - [3, -6])


def test_random_poses_and_targets():
    scenes = std.draw_scenes(TURNING, 5, RNG)
    index = RNG.integers(5, size=4000)
    pose = std.random_poses(TURNING, scenes, index, 110, 60, RNG)
    distance = np.sqrt(((pose[:, :2] - scenes.centre[index]) ** 2).sum(1))
    assert distance.max() <= 110 and (distance < 110 / np.sqrt(2)).mean() == pytest.approx(0.5, abs=0.04)
    assert np.abs(pose[:, 2] - scenes.angle[index]).max() <= np.radians(60)
    upright = std.draw_scenes(OFFSET, 5, RNG)
    np.testing.assert_allclose(std.distance_to_goal(upright.centre + [-30, 4], upright, np.arange(5), OFFSET), 4)


def test_targets_of_the_model_are_views():
    """What M learns to predict is what the fovea sees after the move, and no more."""
    scenes, config = std.make_scenes("disk", np.array([[256.0, 256.0]]), np.zeros(1)), std.Config()
    inputs, targets = std.random_moves(DISK, scenes, (50,), config, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    index = rng.integers(1, size=(50,))
    pose = std.random_poses(DISK, scenes, index, 1.3 * 110, 0, rng)
    np.testing.assert_array_equal(targets, std.look(scenes, index, std.move(pose, inputs[:, 40:])))
    np.testing.assert_array_equal(inputs[:, :40], std.look(scenes, index, pose))


def test_contrasts_do_not_touch_the_main_run():
    settings = {"train_scenes": 3, "test_scenes": 5, "model_updates": 30, "controller_updates": 10}
    one, two = std.run(std.Config(**settings))["metrics"], std.run(std.Config(**settings, contrasts=False))["metrics"]
    assert len(two) < len(one) and all(one[name] == value for name, value in two.items())
