# SPDX-License-Identifier: Unlicense
"""From a log to depths: what every read costs.

Memory is a list ordered by last access. A read at depth d costs ceil(sqrt(d)); in bytes, a value of s bytes below A live bytes costs
ceil(sqrt(A + 1)) + ... + ceil(sqrt(A + s)). A value leaves the list with its last read.

An access (a store, or a read that is not the second of the same value within its instruction) is a *point* if its value is read again. The
list before instruction t consists of the points made before t and not yet read again. A read in t of a value last accessed at p has

    depth = points alive at t - points before p that outlive the stretch of the log at hand - reads from t on whose own p is earlier

and the last term is a count of inversions. All of it is done stretch by stretch, for all reads of a stretch at once.
"""
from dataclasses import dataclass, field

import numpy as np

OCTAVES = 64
MOST_OPERANDS = 8  # of an instruction


def root_sums(n):
    """ceil(sqrt(1)) + ... + ceil(sqrt(n)), exact for n < 2^31; n (..., ) of integers."""
    n = np.asarray(n, np.int64)
    m = np.where(n > 0, np.floor(np.sqrt(np.maximum(n - 1, 0))).astype(np.int64) + 1, 0)
    return m * n - (m - 1) * m * (2 * m - 1) // 6


BLOCK = 64


def later_before(order, start=None, weights=None):
    """For each element of a permutation (n,) of 0..n-1, the number (or weight) of larger elements that stand before it -> by element, (n,).

    `start` (n,), in the order given, is added. From the top bit down the elements are parted, stably, by one bit: an element of the lower half
    has the larger ones of the upper half before it counted, as its index minus its rank among the lower half. Blocks of 64 are finished by
    shifted comparisons of bytes.
    """
    count = len(order)
    if weights is not None:
        return weight_before(order, start, weights)
    kind, bits = (np.uint32, 16) if count <= 1 << 16 else (np.int64, 32)  # a word holds the count so far and the element
    words, steps = order.astype(kind), np.arange(count, dtype=kind)
    low_bits, half = kind((1 << bits) - 1), BLOCK
    while half < count:
        half *= 2
    while half > BLOCK:
        half //= 2
        upper = (words & kind(half)).astype(bool)
        high, low = words[np.flatnonzero(upper)], np.flatnonzero(~upper)
        rank = steps[:len(low)]
        gain = low.astype(kind)
        gain -= rank
        gain -= rank & kind(~(half - 1) & int(low_bits))  # as many of the upper half stand in earlier blocks
        gain <<= kind(bits)
        gain += words[low]
        words = joined(gain, high, half)
    padded = np.full(-(-count // BLOCK) * BLOCK, BLOCK - 1, np.uint8)
    padded[:count] = words & kind(BLOCK - 1)
    blocks = np.ascontiguousarray(padded.reshape(-1, BLOCK).T)  # (place, block)
    counts, larger = np.zeros_like(blocks), np.empty_like(blocks)
    for shift in range(1, min(BLOCK, count)):
        np.greater(blocks[:-shift], blocks[shift:], out=larger[shift:].view(bool))
        counts[shift:] += larger[shift:]
    result = np.empty(count, np.int64)
    total = (words >> kind(bits)) + counts.T.ravel()[:count]
    result[words & low_bits] = total
    if start is not None:
        result[order] += start
    return result


def weight_before(order, start, weights):
    """later_before with weights (n,) by element, by the same parting."""
    count, words = len(order), order.astype(np.int64)
    total = np.zeros(count, np.int64)
    if start is not None:
        total[order] = start
    half = 1
    while half < count:
        half *= 2
    while half > 1:
        half //= 2
        upper = (words & half).astype(bool)
        low, weight = np.flatnonzero(~upper), np.where(upper, weights[words], 0)
        above = np.cumsum(weight) - weight
        total[words[low]] += above[low] - np.repeat(above[::2 * half], half)[:len(low)]
        words = joined(words[low], words[upper], half)
    return total


def joined(low, high, half):
    """Blocks of `half` elements in turn from `low` and `high`; the last block of each may be short."""
    whole, result = len(high) // half, np.empty(len(low) + len(high), low.dtype)
    end = 2 * half * whole
    pairs = result[:end].reshape(whole, 2, half)
    pairs[:, 0], pairs[:, 1] = low[:whole * half].reshape(whole, half), high[:whole * half].reshape(whole, half)
    rest = len(low) - whole * half
    result[end:end + rest], result[end + rest:] = low[whole * half:], high[whole * half:]
    return result


@dataclass
class Tally:
    """What the reads under one label cost: octave b counts the depths (in bytes: A + s) with 2^(b-1) < d <= 2^b."""
    reads: np.ndarray = field(default_factory=lambda: np.zeros(OCTAVES, np.int64))
    cost: np.ndarray = field(default_factory=lambda: np.zeros(OCTAVES, np.int64))
    peak: int = 0  # values (bytes) alive before an instruction

    def __add__(self, other):
        return Tally(self.reads + other.reads, self.cost + other.cost, max(self.peak, other.peak))


class Pricer:
    """The stack of values that are alive at the start of a stretch, in slots ordered by last access, and the pass over one stretch."""

    def __init__(self, log, in_bytes=False):
        log.flush()
        self.last = log.last
        self.sizes = log.itemsizes() if in_bytes else None
        self.slots, self.alive = np.zeros(0, np.uint32), np.zeros(0, bool)  # ids, and whether the slot still holds its value
        self.slot_of = np.zeros(log.next_id, np.uint32)

    def stretch(self, words, chunk):
        """All reads of a stretch that ends with chunk number `chunk` -> positions (reads,), depths, sizes, positions of instructions, alive there."""
        count, is_read = len(words), (words & 1).astype(bool)
        opens = np.flatnonzero(words & 2)

        # accesses sorted by value, then by time; second reads within an instruction are set aside
        key = words.astype(np.uint64)
        key = key >> 2 << 32 | np.arange(count, dtype=np.uint64) << 1 | key & 1
        key.sort()
        read, place, id = (key & 1).astype(bool), (key.astype(np.uint32) >> 1).astype(np.int32), (key >> 32).astype(np.uint32)
        same, again = id[1:] == id[:-1], None
        near = np.flatnonzero(same & read[1:] & read[:-1] & (place[1:] - place[:-1] < MOST_OPERANDS)) + 1
        near = near[np.searchsorted(opens, place[near], "right") == np.searchsorted(opens, place[near - 1], "right")]
        if len(near):
            repeated = np.zeros(count, bool)
            repeated[near] = True
            first = np.maximum.accumulate(np.where(repeated, 0, np.arange(count)))
            again = place[near], place[first[near]]  # (the repeated read, its first)
            is_read[again[0]] = False
            read, place, id = read[~repeated], place[~repeated], id[~repeated]
            same = id[1:] == id[:-1]
        consumed = same & read[1:]  # by the access that follows, a read
        last = np.flatnonzero(np.append(~same, True))
        outliving = place[last[self.last[id[last]] > chunk]]
        touched = np.flatnonzero(read & np.append(True, ~same))  # reads of values from before the stretch

        # `order`: the consumed points in the order they were made, each given as the number of the read that consumes it
        number = np.cumsum(is_read, dtype=np.int32)
        number -= 1  # of the read at each place
        slot = self.slot_of[id[touched]]
        by_slot = np.argsort(slot)
        before = np.flatnonzero(consumed)
        reader = np.full(count, -1, np.int32)
        reader[place[before]] = number[place[before + 1]]
        made = np.flatnonzero(reader >= 0)
        order = np.concatenate([number[place[touched[by_slot]]], reader[made]])

        # `below`: what was accessed before p and lives through the whole stretch
        size = None if self.sizes is None else self.sizes[words >> 2]
        change = np.zeros(count, np.int8 if size is None else np.int64)
        change[outliving] = 1 if size is None else size[outliving]
        through = np.cumsum(change, dtype=np.int32 if size is None else np.int64)
        slot_size = self.alive if size is None else np.where(self.alive, self.sizes[self.slots], 0)
        under_slot, own = np.cumsum(slot_size), slot_size[slot[by_slot]].astype(np.int64)
        live = int(under_slot[-1]) if len(under_slot) else 0
        below = np.concatenate([under_slot[slot[by_slot]] - np.cumsum(own), live - own.sum() + through[made]])

        # alive before each instruction
        change[made] = 1 if size is None else size[made]
        change -= is_read if size is None else np.where(is_read, size, 0)
        alive = np.cumsum(change, dtype=np.int64)
        alive += live
        alive_at = np.append(live, alive)[opens]
        when = np.flatnonzero(is_read)
        opener = np.zeros(count, np.int32)
        opener[opens] = np.arange(len(opens))
        opener = np.maximum.accumulate(opener)[when]
        depth = alive_at[opener] - later_before(order, below, None if size is None else size[when].astype(np.int64))
        made_rank = np.empty(len(when), np.int32)
        made_rank[order] = np.arange(len(when))
        for shift in range(1, min(MOST_OPERANDS, len(when))):  # operands of one instruction are read together
            together = opener[shift:] == opener[:-shift]
            if not together.any():
                break
            together &= made_rank[:-shift] < made_rank[shift:]
            depth[shift:] -= together if size is None else np.where(together, size[when[:-shift]], 0)

        # the stack for the next stretch
        self.alive[slot] = False
        living = int(np.count_nonzero(self.alive))
        if len(self.slots) > 2 * living + 1024:
            self.slots, self.alive = self.slots[self.alive], np.ones(living, bool)
            self.slot_of[self.slots] = np.arange(living)
        outliving.sort()
        self.slot_of[words[outliving] >> 2] = np.arange(len(self.slots), len(self.slots) + len(outliving))
        self.slots = np.concatenate([self.slots, words[outliving] >> 2])
        self.alive = np.concatenate([self.alive, np.ones(len(outliving), bool)])

        if again is not None:
            full = np.empty(count, np.int64)
            full[when] = depth
            full[again[0]] = full[again[1]]
            when = np.flatnonzero(words & 1)
            depth = full[when]
        return when, depth, None if size is None else size[when].astype(np.int64), opens, alive_at


def price(log, unit="elements", depths=None):
    """{label: Tally} of a log, in "elements" or "bytes"; what carries the label None is left out.

    `depths`, a list, receives an array of depths per stretch (in bytes: the bytes down to the end of the value), None-labelled reads included.
    """
    np.empty(31 << 20, np.uint8)  # freed at once: from now on the C library of Linux reuses freed memory instead of faulting pages in anew
    pricer, tallies = Pricer(log, unit == "bytes"), {}
    starts = np.array([start for start, _ in log.marks])
    for position, words, chunk in log.stretches(lambda: max(log.chunk, len(pricer.slots) // 4)):
        when, depth, size, opens, alive = pricer.stretch(words, chunk)
        if depths is not None:
            depths.append(depth)
        cost = np.floor(np.sqrt(depth - 1)).astype(np.int64) + 1 if size is None else root_sums(depth) - root_sums(depth - size)
        octave = np.frexp((depth - 1).astype(float))[1]
        first, last = np.searchsorted(starts, [position, position + len(words) - 1], "right") - 1
        labels = [label for _, label in log.marks[first:last + 1]]
        number = {label: place for place, label in enumerate(dict.fromkeys(labels))}
        numbers = np.array([number[label] for label in labels])
        edges = np.append(starts[first:last + 1], position + len(words)) - position
        edges[0] = 0
        bins = np.repeat(numbers, np.diff(np.searchsorted(when, edges))) * OCTAVES + octave
        counts = np.bincount(bins, minlength=len(number) * OCTAVES).reshape(-1, OCTAVES)
        costs = np.bincount(bins, cost, minlength=len(number) * OCTAVES).reshape(-1, OCTAVES).astype(np.int64)
        peaks = np.zeros(len(number), np.int64)
        np.maximum.at(peaks, np.repeat(numbers, np.diff(np.searchsorted(opens, edges))), alive)
        for label, place in number.items():
            if label is not None and counts[place].any():
                tallies[label] = tallies.get(label, Tally()) + Tally(counts[place], costs[place], int(peaks[place]))
    return tallies
