# SPDX-License-Identifier: Unlicense
"""The event log of a traced run: one uint32 per access, kept in a temporary file.

A word is id << 2 | opens << 1 | read: the value's number, whether the access opens an instruction, and whether it is a read or a store.
An instruction reads its operands, then stores its results. Every stored value has a number of its own, but for the temporaries inside a
sum of products or a fold: two numbers serve a whole tile, because each of their lives ends within its row.
"""
import math
import tempfile

import numpy as np

READ, STORE = 1, 0
OPENS = 2
MOST_IDS = 1 << 30


def fill_tile(tile, operands, total, product):
    """The words of sums in a tile (..., words): instructions of two reads and a store each, `total` and `product` the ids of the temporaries."""
    if len(operands) == 2:
        a, b = operands
        tile[..., 0], tile[..., 1], tile[..., 2] = a[..., 0] << 2 | 3, b[..., 0] << 2 | 1, total << 2
        tile[..., 3::6], tile[..., 4::6], tile[..., 5::6] = a[..., 1:] << 2 | 3, b[..., 1:] << 2 | 1, product << 2
        tile[..., 6::6], tile[..., 7::6], tile[..., 8::6] = total << 2 | 3, product << 2 | 1, total << 2
    else:
        a, = operands
        tile[..., 0::3], tile[..., 1::3], tile[..., 2::3] = total << 2 | 3, a[..., 1:] << 2 | 1, total << 2
        tile[..., 0] = a[..., 0] << 2 | 3


class LogFull(RuntimeError):
    """More values than a log can number."""


class StopTracing(BaseException):
    """The log has as many reads as were wanted. Not an Exception, so that no stub catches it."""


class Log:
    """Accesses in order. `label(x)` names everything that follows, until the next label; what is labelled None is not priced.

    The file is a sequence of chunks of at most `chunk` words, cut between instructions, and never within the life of a temporary.
    `last[id]` is 1 + the number of the chunk that read the value last, 0 for a value never read: all that pricing needs to know of the future.
    """

    def __init__(self, chunk=1 << 16, limit=math.inf):
        self.limit = limit  # of reads
        self.chunk, self.buffer, self.used = chunk, np.empty(chunk, np.uint32), 0
        self.file, self.lengths = tempfile.TemporaryFile(prefix="movement-"), []
        self.last = np.zeros(1 << 12, np.uint32)
        self.next_id, self.position, self.reads = 0, 0, 0
        self.marks, self.sizes = [(0, None)], [(0, 8)]  # (first position, label), (first id, bytes)
        self.store(np.array([self.new(1)], np.uint32))  # number 0: what is in cells to which nothing was assigned

    def label(self, label):
        if self.marks[-1][1] != label:
            place = self.position + self.used
            if self.marks[-1][0] == place:
                self.marks.pop()
            self.marks.append((place, label))

    # --- numbers ---
    def new(self, count, itemsize=8):
        """The first of `count` new consecutive ids, for values of `itemsize` bytes."""
        first = self.next_id
        self.next_id += count
        if self.next_id > MOST_IDS:
            raise LogFull("more than 2^30 values: trace fewer steps or a smaller configuration")
        if self.sizes[-1][1] != itemsize:
            self.sizes.append((first, itemsize))
        return first

    def itemsizes(self):
        """Bytes of every value (ids,)."""
        first, size = np.array(self.sizes, np.int64).T
        return np.repeat(size, np.diff(np.append(first, self.next_id)))

    # --- accesses ---
    def one(self, reads, stores=()):
        """One instruction with ids (ints) as operands and results."""
        words = [id << 2 | READ for id in reads] + [id << 2 for id in stores]
        words[0] |= OPENS
        self._room(len(words))
        self.buffer[self.used:self.used + len(words)] = words
        self.used += len(words)
        self.reads += len(reads)

    def rows(self, reads, stores=()):
        """One instruction per element of the id arrays (n,): the operands in order, then the results."""
        self._rows((*reads, *stores), [READ] * len(reads) + [STORE] * len(stores))

    def dots(self, a, b, out):
        """Sums of products: id arrays a, b (..., terms), out (...). Per output the first product, then product and sum for each further term."""
        self._sums((a, b), out)

    def folds(self, a, out):
        """Folds of rows: a (..., terms), terms > 1, out (...). The first term is moved in; then one instruction per term."""
        self._sums((a,), out)

    def store(self, ids):
        """Values that appear (n,): inputs, constants, random numbers. Free."""
        self._rows((ids,), [STORE])

    def control(self, ids):
        """Reads without a result (n,), one instruction each: a value becomes a Python number, an index, a decision."""
        self._rows((ids,), [READ])

    def _room(self, words):
        """Make sure that `words` (at most a chunk) fit into the buffer."""
        if self.used + words > self.chunk:
            self.flush()

    def _tile(self, count, width):
        tile = self.buffer[self.used:self.used + count * width].reshape(count, width)
        self.used += count * width
        return tile

    def _rows(self, columns, kinds, opens=(0,)):
        """A row of words for each element of the columns (n,); an instruction begins at each place in `opens`."""
        count, width = len(columns[0]), len(columns)
        pattern = np.array(kinds, np.uint32)
        pattern[list(opens)] |= OPENS
        self.reads += count * sum(kinds)
        start = 0
        while start < count:
            self._room(width)
            stop = min(count, start + (self.chunk - self.used) // width)
            tile = self._tile(stop - start, width)
            for place, column in enumerate(columns):
                tile[:, place] = column[start:stop]
            tile <<= 2
            tile |= pattern
            start = stop

    def _sums(self, operands, out):
        terms, per_term = operands[0].shape[-1], 3 * len(operands)
        width = per_term * terms - 3  # the first product needs no sum; the first fold takes two terms
        if out.ndim == 0:
            operands, out = [operand[None] for operand in operands], out[None]
        if width > self.chunk:
            for place in np.ndindex(out.shape):
                self._long_sum([operand[place] for operand in operands], out[place])
            return
        if out.ndim > 1 and out[0].size * width > self.chunk:
            for place in range(len(out)):
                self._sums([operand[place] for operand in operands], out[place])
            return
        start, slice_width = 0, out[:1].size * width
        while start < len(out) and out.size:
            self._room(slice_width)
            stop = min(len(out), start + (self.chunk - self.used) // slice_width)
            part = out[start:stop]
            tile = self._tile(part.size, width).reshape(*part.shape, width)
            total = self.new(2)  # their lives end within a row, and no chunk ends within a tile
            fill_tile(tile, [operand[start:stop] for operand in operands], total, total + 1)
            tile[..., -1] = part << 2
            self.reads += tile.size // 3 * 2
            start = stop

    def _long_sum(self, operands, out):
        """One output whose instructions fill more than a chunk: chunks may end anywhere, so no number is used twice."""
        products, terms = operands[0], operands[0].size
        if len(operands) == 2:
            products = np.arange(terms, dtype=np.uint32) + np.uint32(self.new(terms))
            self.one([int(operand[0]) for operand in operands], [int(products[0])])
        totals = np.arange(terms, dtype=np.uint32) + np.uint32(self.new(terms))
        totals[0], totals[-1] = products[0], out
        columns = [totals[:-1], products[1:], totals[1:]]
        if len(operands) == 2:
            self._rows([*(operand[1:] for operand in operands), products[1:], *columns], [READ, READ, STORE] * 2, (0, 3))
        else:
            self._rows(columns, [READ, READ, STORE])

    # --- the file ---
    def flush(self):
        """Write the buffer to the file."""
        if not self.used:
            return
        words = self.buffer[:self.used]
        if len(self.last) < self.next_id:
            self.last = np.concatenate([self.last, np.zeros(max(self.next_id - len(self.last), len(self.last)), np.uint32)])
        self.lengths.append(self.used)
        self.last[words[(words & READ) != 0] >> 2] = len(self.lengths)
        self.file.write(words.tobytes())
        self.position += self.used
        self.used = 0
        if self.reads > self.limit:
            raise StopTracing

    def stretches(self, wanted):
        """(first position, words, number of the last chunk) of consecutive chunks with at least wanted() words together."""
        self.flush()
        self.file.seek(0)
        number, position = 0, 0
        while number < len(self.lengths):
            least, words = wanted(), 0
            while number < len(self.lengths) and (words < least or words == 0):
                words += self.lengths[number]
                number += 1
            yield position, np.frombuffer(self.file.read(4 * words), np.uint32), number
            position += words
        self.file.seek(0, 2)
