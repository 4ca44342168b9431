# SPDX-License-Identifier: Unlicense
"""The cart-pole of pole-balance-non-markov: equations of motion, one Euler step of 0.02 s, and the gradient through it.

All functions are vectorised: state (..., 4, N) holds x (m), speed (m/s), angle (rad) and turn (rad/s) of N carts, push (..., N) is the force in units of 10 N.
"""
import math

import numpy as np

GRAVITY, CART_MASS, POLE_MASS, HALF_LENGTH, FORCE, TIME_STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02  # SI units
X, SPEED, ANGLE, TURN = range(4)
LIMITS = np.array([[2.4], [math.radians(12)]])  # a trial fails beyond either


def accelerations(state, push, half_length=HALF_LENGTH):
    """Accelerations of cart (m/s^2) and pole (rad/s^2), without friction, each (..., N), and the intermediate values that `cart_pole_step_back` needs.

        temp  = (F + m l turn^2 sin) / (M + m)
        pole  = (g sin - cos temp) / (l (4/3 - m cos^2 / (M + m)))          cart = temp - m l pole cos / (M + m)
    """
    angle, turn = state[..., ANGLE, :], state[..., TURN, :]
    sin, cos, total = np.sin(angle), np.cos(angle), CART_MASS + POLE_MASS
    share = POLE_MASS * half_length / total
    temp = push * (FORCE / total) + share * turn * turn * sin
    inertia = half_length * 4 / 3 - share * cos * cos
    pole = (GRAVITY * sin - cos * temp) / inertia
    return temp - share * pole * cos, pole, (sin, cos, share, temp, inertia)


def cart_pole_step(state, push, half_length=HALF_LENGTH):
    """The state one Euler step later (..., 4, N)."""
    cart, pole, _ = accelerations(state, push, half_length)
    after = np.empty_like(state)
    after[..., X, :] = state[..., X, :] + TIME_STEP * state[..., SPEED, :]
    after[..., SPEED, :] = state[..., SPEED, :] + TIME_STEP * cart
    after[..., ANGLE, :] = state[..., ANGLE, :] + TIME_STEP * state[..., TURN, :]
    after[..., TURN, :] = state[..., TURN, :] + TIME_STEP * pole
    return after


def cart_pole_step_back(state, push, d_after, half_length=HALF_LENGTH):
    """Gradient at the state after a step -> gradients at the state before (..., 4, N) and at the push (..., N)."""
    _, pole, (sin, cos, share, temp, inertia) = accelerations(state, push, half_length)
    turn, d_cart = state[..., TURN, :], TIME_STEP * d_after[..., SPEED, :]
    d_pole = TIME_STEP * d_after[..., TURN, :] - share * cos * d_cart
    d_top, d_inertia = d_pole / inertia, -d_pole * pole / inertia
    d_temp = d_cart - cos * d_top
    d_cos = -share * pole * d_cart - temp * d_top - 2 * share * cos * d_inertia
    d_sin = GRAVITY * d_top + share * turn * turn * d_temp
    before = d_after.copy()
    before[..., SPEED, :] += TIME_STEP * d_after[..., X, :]
    before[..., ANGLE, :] += d_sin * cos - d_cos * sin
    before[..., TURN, :] += TIME_STEP * d_after[..., ANGLE, :] + 2 * share * turn * sin * d_temp
    return before, d_temp * (FORCE / (CART_MASS + POLE_MASS))


def failed(state):
    """Whether cart or pole is beyond its limit (..., N)."""
    return (np.abs(state[..., [X, ANGLE], :]) > LIMITS).any(-2)
