# SPDX-License-Identifier: Unlicense
"""A stub under the tracer: its `np` is swapped, its functions are wrapped for phases and steps, and it runs as it is.

A window prices steps 2..k of each algorithm. Step 1 warms up (optimiser state appears), and step k + 1 is a look-ahead: traced, so that it
shows which values of the priced steps live on, and not priced. Whatever is alive then - data not yet revisited, above all - is pinned: read
once more, unpriced, or it would count as dead. Afterwards the run goes on untraced, and steps are only counted.
"""
import functools
import gc
import inspect
import math
import sys
import time
import types

import numpy as np

from catalog.movement import names
from catalog.movement.depth import price
from catalog.movement.log import Log, StopTracing
from catalog.movement.values import Traced, created, ids_of, now, strip
from catalog.stubs import CatalogError

KEEPERS = ("evaluation", "data")  # phases that keep what is called inside them
OTHER = "other"


def hold(ids):
    """Read these ids once more, unpriced: they were alive until here."""
    found = np.zeros(now.log.next_id, bool)
    for part in ids:
        found[part] = True
    now.log.label(None)
    now.log.control(np.flatnonzero(found))


def ids_in(x):
    """Id arrays of the Traced values in a nest of tuples, lists, dicts and objects' results."""
    if isinstance(x, Traced):
        return [np.ravel(np.asarray(ids_of(x), np.uint32))]
    if isinstance(x, dict):
        x = x.values()
    elif not isinstance(x, (tuple, list)):
        return []
    return [ids for item in x for ids in ids_in(item)]


def pin_everything():
    """Hold every id that a live proxy shows, and every array met from outside."""
    live = [x for x in gc.get_objects() if type(x) is Traced and x.i is not None]
    hold([np.ravel(np.asarray(x.i, np.uint32)) for x in live] + [ids for _, ids in now.adopted.values()])


def as_input(x):
    """Arguments of a traced function: numbers and arrays become inputs, in nests too."""
    if isinstance(x, (tuple, list)):
        return type(x)(map(as_input, x))
    if isinstance(x, np.ndarray):
        return created(x.copy())
    if isinstance(x, (bool, int, float)):
        i = now.log.new(1)
        now.log.store(np.array([i], np.uint32))
        return Traced(x, i)
    return x


def trace(function, arguments, chunk=1 << 16, moves="free", modules=()):
    """Call function(*arguments) under the tracer -> its result, the log. The last argument is stored first; what is returned lives on.

    A numpy that the function, or one of `modules`, calls `np` is swapped for the call.
    """
    now.log, now.adopted, now.opaque, now.moves_are_reads = Log(chunk), {}, {}, moves == "read"
    homes = [home for home in (getattr(function, "__globals__", {}), *map(vars, modules)) if home.get("np") is np]
    for home in homes:
        home["np"] = names.numpy
    try:
        inputs = [as_input(x) for x in reversed(arguments)][::-1]
        now.log.label("all")
        result = function(*inputs)
        hold(ids_in(result))
        return strip(result), now.log
    finally:
        now.log, now.moves_are_reads = None, False
        for home in homes:
            home["np"] = np


class Tracer:
    """One run of a stub: run(), then `tallies`, `steps`, `result`.

    steps     of a window; None traces the whole run
    limit     reads after which tracing pauses for good, at the next phase or step; one that alone makes four times as many (2e8 at least) ends the run
    """

    def __init__(self, stub, config, steps=None, moves="free", limit=math.inf, chunk=1 << 16):
        self.stub, self.config, self.window, self.limit = stub, config, steps, limit
        self.moves, self.log = moves, Log(chunk, max(4 * limit, 2e8))
        movement = getattr(stub.module, "MOVEMENT", None)
        if not movement:
            raise CatalogError(f"{stub.script}: no MOVEMENT constant names its phases")
        self.phases, self.step = movement["phases"], movement["step"]
        self.algorithms = {name: (what, self.step) if isinstance(what, str) else what for name, what in movement.get("algorithms", {}).items()}
        self.algorithm, self.phase, self.ends_step = "", OTHER, self.step
        self.traced = {}  # steps of each algorithm that ended while traced
        self.steps, self.result, self.stopped, self.undo, self.opaque = {"": 0}, None, False, [], {}

    # --- running ---
    def run(self):
        """Trace the run -> self."""
        module = self.stub.module
        now.folder, now.adopted, now.opaque, now.moves_are_reads = self.stub.folder, {}, {}, self.moves == "read"
        self.opaque = now.opaque
        start = time.perf_counter()
        try:
            now.log = self.log
            self.attach([m for m in list(sys.modules.values()) if str(getattr(m, "__file__", None) or "").startswith(f"{self.stub.folder}/")])
            self.mark()
            self.result = module.run(self.config)
            if now.log is not None:
                hold(ids_in(self.result))
            self.result = strip(self.result)
        except StopTracing:
            self.stopped = True
            self.log.limit = math.inf
            pin_everything()
        finally:
            for target, name, old in reversed(self.undo):
                setattr(target, name, old) if not isinstance(target, dict) else target.__setitem__(name, old)
            now.log, now.folder, now.moves_are_reads, now.adopted = None, None, False, {}
        self.seconds = time.perf_counter() - start
        return self

    def tallies(self, unit="elements"):
        """{(algorithm, phase, step): Tally}"""
        return price(self.log, unit)

    # --- what the wrappers do ---
    def mark(self):
        """Label what follows. In a whole run all steps but the first share a label."""
        if self.log.reads > self.limit and not self.stopped:
            self.stopped = True
            self.pause()
        if now.log is not None:
            step = self.steps[self.algorithm] + 1
            if self.window is None:
                step = min(step, 2)
            now.log.label(None if self.window is not None and step > self.window else (self.algorithm, self.phase, step))

    def pause(self):
        if now.log is not None:
            pin_everything()
            now.log = None

    def in_phase(self, function, phase):
        @functools.wraps(function)
        def call(*args, **how):
            before = self.phase
            if before not in KEEPERS:
                self.phase = phase
                self.mark()
            try:
                return function(*args, **how)
            finally:
                if self.phase is not before:
                    self.phase = before
                    self.mark()
        return call

    def ending_step(self, function, name):
        @functools.wraps(function)
        def call(*args, **how):
            result = function(*args, **how)
            if self.phase != "evaluation" and self.ends_step == name:
                self.steps[self.algorithm] += 1
                if now.log is not None:
                    self.traced[self.algorithm] = self.steps[self.algorithm]
                if self.window is not None and self.steps[self.algorithm] > self.window:
                    self.pause()
                self.mark()
            return result
        return call

    def in_algorithm(self, function, label, step):
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args, **how):
            bound = signature.bind(*args, **how)
            bound.apply_defaults()
            before = self.algorithm, self.ends_step
            self.algorithm, self.ends_step = label.format(**bound.arguments), step
            self.steps.setdefault(self.algorithm, 0)
            if self.window is not None and self.steps[self.algorithm] <= self.window and not self.stopped:
                now.log = self.log
            self.mark()
            try:
                return function(*args, **how)
            finally:
                self.algorithm, self.ends_step = before
                self.mark()
        return call

    # --- attaching ---
    def attach(self, modules):
        """Swap numpy, make module-level arrays inputs, wrap the functions that MOVEMENT names."""
        replaced = {}
        for name in dict.fromkeys([self.step, *(step for _, step in self.algorithms.values()), *self.phases, *self.algorithms]):
            *path, last = name.split(".")
            owner = functools.reduce(getattr, path, self.stub.module)
            old = function = getattr(owner, last)
            if name in self.phases:
                function = self.in_phase(function, self.phases[name])
            if name == self.step or any(name == step for _, step in self.algorithms.values()):
                function = self.ending_step(function, name)
            if name in self.algorithms:
                function = self.in_algorithm(function, *self.algorithms[name])
            if path:
                self.put(owner, last, function)
            else:
                replaced[old] = function
        for module in modules:
            for name, value in list(vars(module).items()):
                if name.startswith("__"):
                    continue
                new = self.seen(value, replaced)
                if new is not value:
                    self.put(module, name, new)

    def put(self, target, name, new):
        self.undo.append((target, name, inspect.getattr_static(target, name)))
        setattr(target, name, new)

    def seen(self, value, replaced):
        """What a traced stub finds in place of a module-level value."""
        if isinstance(value, types.ModuleType):
            return names.numpy if value is np else names.Namespace(value) if value.__name__.startswith("numpy.") else value
        if isinstance(value, np.ndarray):
            return created(value.copy())
        if isinstance(value, (types.FunctionType, types.BuiltinFunctionType)):
            return replaced.get(value, value)
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            new = type(value)(self.seen(item, replaced) for item in value)
            return new if any(a is not b for a, b in zip(new, value)) else value
        if type(value) is dict:
            new = {key: self.seen(item, replaced) for key, item in value.items()}
            return new if any(new[key] is not value[key] for key in value) else value
        return value
