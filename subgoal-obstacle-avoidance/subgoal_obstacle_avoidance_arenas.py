# SPDX-License-Identifier: Unlicense
"""The world of subgoal-obstacle-avoidance: a box with circular swamps, and the exact shortest way from start to goal.

Points of the plane are complex numbers, so that turning is a product.
"""
import dataclasses
from dataclasses import dataclass

import numpy as np

SIDE, GAP, SEGMENT = 10.0, 0.4, 5.0  # the box; free space around start and goal; least distance from start to goal


@dataclass
class Arenas:
    """B arenas of N circles: start, goal (B,) and centre (N, B) complex, radius (N, B)."""
    start: np.ndarray
    goal: np.ndarray
    centre: np.ndarray
    radius: np.ndarray

    def __len__(self):
        return len(self.start)

    def take(self, index):
        return Arenas(self.start[index], self.goal[index], self.centre[:, index], self.radius[:, index])

    def single(self):
        """In single precision, for training."""
        return Arenas(*(part.astype(np.complex64) for part in (self.start, self.goal, self.centre)), self.radius.astype(np.float32))


def join(parts):
    return Arenas(*(np.concatenate([getattr(part, field.name) for part in parts], -1) for field in dataclasses.fields(Arenas)))


def points_in(low, high, shape, rng):
    return rng.uniform(low, high, shape) + 1j * rng.uniform(low, high, shape)


def make_arenas(count, rng, circles, kind="random", largest=1.2):
    """Draw whole arenas and keep those that are in order: circles disjoint, away from start and goal; the first one lies on the straight way."""
    kept = []
    while sum(map(len, kept)) < count:
        tries = 4 * count + 2000
        if kind == "random":
            low, high = 1, SIDE - 1
            start, goal = points_in(0.5, SIDE - 0.5, (2, tries), rng)
            radius, middle = rng.uniform(0.6, largest, (circles, tries)), rng.uniform(0.25, 0.75, tries) + 0j
            middle += 1j * rng.normal(0, 0.3, tries) / abs(goal - start)
        else:
            low, high = 1.5, SIDE - 1.5
            start, goal = np.full((2, tries), [[1 + 1j], [9 + 9j]])
            radius, middle = np.full((circles, tries), 0.8), rng.uniform(0.25, 0.75, tries)
        centre = points_in(low, high, (circles, tries), rng)
        centre[0] = start + middle * (goal - start)
        pairs = np.triu_indices(circles, 1)
        apart = (abs(centre[:, None] - centre) - radius[:, None] - radius)[pairs]
        inside = np.minimum(centre.real, centre.imag).min(0) >= low
        inside &= np.maximum(centre.real, centre.imag).max(0) <= high
        free = np.minimum(abs(centre - start), abs(centre - goal)) >= radius + GAP
        kept.append(Arenas(start, goal, centre, radius).take(inside & (apart > 0).all(0) & free.all(0) & (abs(goal - start) >= SEGMENT)))
    return join(kept).take(slice(count))


def mirror(arenas):
    """Upside down."""
    return Arenas(*(part.conj() + SIDE * 1j for part in (arenas.start, arenas.goal, arenas.centre)), arenas.radius)


def symmetric(arenas):
    """The arenas, their mirror images, and both with start and goal exchanged: four times as many."""
    both = join([arenas, mirror(arenas)])
    return join([both, Arenas(both.goal, both.start, both.centre, both.radius)])


def legs(plan, arenas):
    """Ends of the straight legs start, sub-goals, goal: plan (R, K, B) -> a, b (R, K + 1, B)."""
    ends = np.broadcast_to(np.array([arenas.start, arenas.goal])[:, None, None], (2, len(plan), 1, len(arenas)))
    corners = np.concatenate([ends[0], plan, ends[1]], 1)
    return corners[:, :-1], corners[:, 1:]


def seen_from_circles(a, b, centre):
    """A leg in its own direction, from each circle: where it begins and ends (u0, u1), how far it passes on its left (h), length, direction."""
    length = np.sqrt((b - a).real ** 2 + (b - a).imag ** 2) + 1e-9
    direction = (b - a) / length
    begin = (a - centre) * direction.conj()
    return begin.real, begin.real + length, begin.imag, length, direction


def clear(plan, arenas):
    """Whether C, walking straight from point to point, touches no circle and stays in the box: plan (R, K, B) -> boolean (R, B). Exact."""
    a, b = legs(plan, arenas)
    u0, u1, h, *_ = seen_from_circles(a, b, arenas.centre[:, None, None])
    nearest = np.hypot(np.maximum(np.maximum(u0, -u1), 0), h)
    low, high = np.minimum(plan.real, plan.imag), np.maximum(plan.real, plan.imag)
    return (nearest >= arenas.radius[:, None, None]).all((0, 2)) & ((low >= 0) & (high <= SIDE)).all(1)


def way(plan, arenas):
    """Length of the whole way, (R, B)."""
    a, b = legs(plan, arenas)
    return abs(b - a).sum(1)


def shortest_path(arenas, drawn=()):
    """Shortest ways around the circles inside the box: straight tangents and arcs, by dynamic programming over tangents.

    Returns the lengths (B,) and, for the arenas numbered in `drawn`, the ways as points.

    A corner is a circle with a sense of turning (start and goal: circles of radius 0). A tangent from i to j keeps either centre at its distance on
    its side, so its angle follows from sin(angle - angle of j seen from i) = (side_i r_i - side_j r_j) / |c_j - c_i|.
    """
    circles = len(arenas.centre)
    centre = np.concatenate([[arenas.start], [arenas.goal], arenas.centre, arenas.centre])
    radius = np.concatenate([np.zeros((2, len(arenas))), arenas.radius, arenas.radius])
    side = np.array([1, 1] + [1] * circles + [-1] * circles)[:, None]  # 1: counter-clockwise, centre on the left
    which = np.array([-1, -2, *range(circles), *range(circles)])
    pairs = [(i, j) for i in range(len(which)) for j in range(len(which)) if which[i] != which[j] and i != 1 and j != 0]
    i, j = np.array(pairs).T
    between = centre[j] - centre[i]
    offset = side[j] * radius[j] - side[i] * radius[i]
    direction = between / abs(between) * np.exp(-1j * np.arcsin(np.clip(offset / abs(between), -1, 1)))
    leave, arrive = centre[i] - 1j * direction * side[i] * radius[i], centre[j] - 1j * direction * side[j] * radius[j]
    length = abs(arrive - leave)
    place = (arenas.centre[:, None] - leave) * direction.conj()
    nearest = abs(place - np.clip(place.real, 0, length))
    own = (which[i] == np.arange(circles)[:, None]) | (which[j] == np.arange(circles)[:, None])
    blocked = ((nearest < arenas.radius[:, None]) & ~own[..., None]).any(0)
    for end in (leave, arrive):
        blocked |= (np.minimum(end.real, end.imag) < 0) | (np.maximum(end.real, end.imag) > SIDE)
    length = np.where(blocked, np.inf, length)
    first, then = np.array([(a, b) for a in range(len(pairs)) for b in range(len(pairs)) if j[a] == i[b]]).T  # arc from tangent a to tangent b
    corner = j[first]
    begin = np.angle(arrive[first] - centre[corner])
    arc = side[corner] * (np.angle(leave[then] - centre[corner]) - begin) % (2 * np.pi)
    cost = arc * radius[corner] + length[then]
    for k in range(4):  # an arc that leaves the box passes the point of its circle that lies farthest out
        rim = centre[corner] + radius[corner] * 1j ** k
        outside = (np.minimum(rim.real, rim.imag) < 0) | (np.maximum(rim.real, rim.imag) > SIDE)
        cost = np.where(outside & (side[corner] * (k * np.pi / 2 - begin) % (2 * np.pi) < arc), np.inf, cost)
    best = np.where((i == 0)[:, None], length, np.inf)  # of ways that end with each tangent
    for _ in range(2 * circles):
        longer = best.copy()
        np.minimum.at(longer, then, best[first] + cost)
        if (longer == best).all():
            break
        best = longer
    ways = []
    for b in drawn:
        tangent = np.where(j == 1, best[:, b], np.inf).argmin()
        points = [arrive[tangent, b], leave[tangent, b]]
        while i[tangent] != 0:
            before = np.flatnonzero(then == tangent)
            before = before[(best[first[before], b] + cost[before, b]).argmin()]
            turned = side[corner[before]] * arc[before, b] * np.linspace(1, 0, 12) + begin[before, b]
            points.extend(centre[corner[before], b] + radius[corner[before], b] * np.exp(1j * turned))
            tangent = first[before]
            points.append(leave[tangent, b])
        ways.append(np.array(points[::-1]))
    return best[j == 1].min(0), ways
