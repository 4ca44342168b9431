# SPDX-License-Identifier: Unlicense
"""Stubs under the tracer: results stay bit-identical, windows agree with whole runs, refusals say where."""
import argparse
import importlib.util
import json

import pytest

from catalog.movement import report
from catalog.movement.attach import Tracer
from catalog.movement.values import now
from catalog.stubs import CatalogError

TOY = '''
import dataclasses
from typing import Annotated
import numpy as np

@dataclasses.dataclass(frozen=True)
class Config:
    seed: Annotated[int, "seed", 0] = 0
    updates: Annotated[int, "updates", 1] = 30
    hidden: Annotated[int, "hidden units", 1] = 8

PRESETS = {"smoke": {"updates": 12}, "paper": {}}
MOVEMENT = {"phases": {"forward": "forward", "backward": "backward", "Descent.step": "update", "evaluate": "evaluation", "make_batch": "data"},
            "step": "Descent.step", "algorithms": {"train": "rate {rate}"}, "examples": ("hidden",), "criterion": {"rate 0.1": ("updates_done", "steps")}}
SCALE = np.array([1.0, 2.0, 3.0])

def check_fields(config):
    if config.updates < 1:
        raise ValueError("argument --updates: 0 is not at least 1")

def make_batch(rng, data):
    return data[rng.integers(0, len(data), 16)]

def forward(weights, x):
    return np.tanh(x @ weights[0]) @ weights[1]

def backward(weights, x, error):
    hidden = np.tanh(x @ weights[0])
    delta = (error @ weights[1].T) * (1 - hidden * hidden)
    return [x.T @ delta / len(x), hidden.T @ error / len(x)]

class Descent:
    def __init__(self, weights, rate):
        self.weights, self.rate = weights, rate

    def step(self, gradients):
        for weight, gradient in zip(self.weights, gradients):
            weight -= self.rate * gradient

def evaluate(weights, data):
    return float(((forward(weights, data * SCALE) - data.sum(1, keepdims=True)) ** 2).mean())

def train(config, rate, data, rng):
    weights = [rng.normal(size=(3, config.hidden)), rng.normal(size=(config.hidden, 1))]
    descent = Descent(weights, rate)
    for _ in range(config.updates):
        x = make_batch(rng, data)
        error = forward(weights, x) - x.sum(1, keepdims=True)
        descent.step(backward(weights, x, error))
    return weights

def run(config, progress=None):
    data_rng, init_rng = np.random.default_rng(config.seed).spawn(2)
    data = data_rng.normal(size=(64, 3))
    losses = {}
    for rate in (0.1, 0.01):
        weights = train(config, rate, data, init_rng)
        losses[f"loss_{rate}"] = evaluate(weights, data)
    return {"metrics": {**losses, "updates_done": config.updates}, "history": {"weights": weights}}
'''


class Toy:
    """What the tracer needs of a stub."""
    slug = name = "toy"

    def __init__(self, folder, text):
        self.folder, self.script = folder, folder / "toy.py"
        self.script.write_text(text)
        spec = importlib.util.spec_from_file_location("toy", self.script)
        self.module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.module)

    def __getattr__(self, name):
        return getattr(self.module, name)

    def source_hash(self):
        return "toy"

    def record(self):
        return json.loads((self.folder / "results.json").read_text()) if (self.folder / "results.json").exists() else {"seeds": {}}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    import sys

    def make(text=TOY):
        stub = Toy(tmp_path, text)
        monkeypatch.setitem(sys.modules, "toy", stub.module)
        return stub
    return make


def test_smoke_preset_traces_to_its_end_with_the_same_bits(stub):
    """A million reads are logged, then the run goes on unlogged through the same rules."""
    config = stub.Config(**stub.PRESETS["smoke"])
    plain = stub.module.run(config)["metrics"]
    tracer = Tracer(stub, config, limit=1e6).run()
    assert json.dumps(tracer.result["metrics"]) == json.dumps(plain)
    assert now.log is None and stub.module.run is not None
    assert type(stub.module.__dict__.get("np")).__name__ in ("module", "NoneType")  # everything is put back
    if tracer.log.reads < 4e6:
        assert sum(int(tally.reads.sum()) for tally in tracer.tallies().values()) <= tracer.log.reads


def test_whole_run(toy):
    stub = toy()
    plain = stub.run(stub.Config())
    tracer = Tracer(stub, stub.Config()).run()
    assert json.dumps(tracer.result["metrics"]) == json.dumps(plain["metrics"])
    assert all((a == b).all() for a, b in zip(tracer.result["history"]["weights"], plain["history"]["weights"]))
    assert tracer.steps == {"": 0, "rate 0.1": 30, "rate 0.01": 30}
    tallies = tracer.tallies()
    assert {phase for label, phase, _ in tallies if label} == {"forward", "backward", "update", "data", "other"}
    assert {phase for label, phase, _ in tallies if not label} >= {"evaluation"}  # forward inside evaluation is evaluation
    reads = sum(int(tally.reads.sum()) for (label, phase, _), tally in tallies.items() if label == "rate 0.1" and phase == "forward")
    assert reads == 30 * (16 * 8 * (2 * 3 + 2 * 2 + 1) + 16 * (2 * 8 + 2 * 7))  # a product, a tanh, a product
    assert sum(int(tally.reads.sum()) for tally in tallies.values()) == tracer.log.reads - 3 * 8 - 8  # the weights, returned, live on


def test_windows_extrapolate_to_the_whole_run(toy):
    stub = toy()
    whole = report.measure(stub, stub.Config(), steps=None)["algorithms"]
    window = report.measure(stub, stub.Config(), steps=8)["algorithms"]
    for label in ("rate 0.1", "rate 0.01"):
        assert whole[label]["exact"] and not window[label]["exact"] and window[label]["steps"] == whole[label]["steps"] == 30
        assert window[label]["training_total"] == pytest.approx(whole[label]["training_total"], rel=0.02)
        assert window[label]["cost_per_example"] == pytest.approx(window[label]["cost_per_step"] / 8, rel=1e-3)


def test_the_cost_is_reproducible_and_independent_of_the_chunk(toy):
    stub = toy()
    costs = set()
    for chunk in (1 << 8, 1 << 12, 1 << 16):
        tallies = Tracer(stub, stub.Config(updates=3), chunk=chunk).run().tallies()
        costs.add(tuple((key, tally.cost.tobytes(), tally.peak) for key, tally in sorted(tallies.items())))
    assert len(costs) == 1


def arguments(**changes):
    return argparse.Namespace(**{"set": [], "full": False, "steps": 3, "moves": "free", "max_reads": 2e8, "unit": "elements", "sweep": None, "preset": None, "phase": True, "dry": False,
                                 **changes})


def test_command_keeps_what_it_measured(toy):
    stub = toy()
    text = "\n".join(report.command(stub, arguments(unit="both", set=["updates=6"])))
    assert "rate 0.1: " in text and "per step, 6 steps" in text and "rate 0.01, backward: cost" in text
    kept = stub.record()["movement"]
    assert set(kept) == {"default updates=6", "default updates=6 bytes"}
    one, other = (kept[key]["algorithms"]["rate 0.1"]["cost_per_step"] for key in kept)
    assert 20 < other / one < 23  # all in float64: near 8^1.5
    row = kept["default updates=6"]["algorithms"]["rate 0.1"]
    assert sum(reads for _, reads, _ in row["histogram"]) == sum(part["reads"] for part in row["phases"].values())
    assert report.steps_to_criterion(stub, "rate 0.1", row, {"updates_done": 30}) == 30


def test_sweep_fits_an_exponent(toy):
    text = "\n".join(report.command(toy(), arguments(sweep="hidden=8,16,32", dry=True)))
    assert text.count("hidden=16") == 2 and 0.9 < float(text.split("exponent ")[1].split()[0]) < 1.5


@pytest.mark.parametrize("changes, message", [({"preset": "tiny"}, "no preset 'tiny'"), ({"set": ["width=3"]}, "not like name=value"), ({"set": ["hidden=x"]}, "not a value of hidden"),
                                              ({"set": ["updates=0"]}, "not at least 1"), ({"sweep": "hidden"}, "not like T=10")])
def test_bad_input_is_one_line(toy, changes, message):
    with pytest.raises(CatalogError, match=message) as error:
        list(report.command(toy(), arguments(**changes)))
    assert "\n" not in str(error.value)


def test_a_refusal_names_file_line_and_remedy(toy):
    text = TOY.replace("    return np.tanh(x @ weights[0]) @ weights[1]", "    return np.apply_along_axis(np.sum, 1, x)[:, None]")
    line = next(number for number, row in enumerate(text.splitlines(), 1) if "apply_along" in row)
    with pytest.raises(CatalogError, match=rf"toy: toy.py:{line}: numpy.apply_along_axis has no tracing rule; write it with"):
        list(report.command(toy(text), arguments()))


def test_what_computes_outside_numpy_says_so(toy):
    text = TOY[:TOY.index("def run(")] + "def run(config, progress=None):\n    return {'metrics': {'sum': sum(k * k for k in range(3_000_000))}, 'history': {}}\n"
    assert "computes outside numpy" in "\n".join(report.command(toy(text), arguments(dry=True)))


def test_a_limit_ends_tracing_and_not_the_run(toy):
    stub = toy()
    tracer = Tracer(stub, stub.Config(), limit=5000).run()
    assert tracer.stopped and tracer.result["metrics"] == stub.run(stub.Config())["metrics"] and tracer.log.reads < 50_000
