# SPDX-License-Identifier: Unlicense
"""The two intervals that pages show, both at 95 %."""
import math

import numpy as np


def wilson(successes, trials, z=1.959964):
    """Wilson's score interval for a success rate -> (low, high); (0, 1) without trials."""
    if not trials:
        return 0.0, 1.0
    rate, weight = successes / trials, z * z / trials
    centre, half = rate + weight / 2, z * math.sqrt(rate * (1 - rate) / trials + weight / (4 * trials))
    return max(0.0, (centre - half) / (1 + weight)), min(1.0, (centre + half) / (1 + weight))


def bootstrap_mean(values, resamples=10_000):
    """Percentile bootstrap interval of the mean -> (low, high); the same values always give the same interval."""
    values = np.asarray(values, float)
    chosen = np.random.default_rng(0).integers(len(values), size=(resamples, len(values)))
    low, high = np.quantile(values[chosen].mean(1), [0.025, 0.975])
    return float(low), float(high)
