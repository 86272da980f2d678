"""A part of large images is never copied whole, least of all as floats: four times the data."""

from __future__ import annotations

import json
import sys

# In a Python of its own, whose memory was never larger: prints by how much each act let it grow, in
# shares of the data.
ACTS = """
import json, sys
import numpy as np
import torch
from torch import nn
import wmlearn as wm
from wmlearn.data import Split
from wmlearn.evidence.rules import Rules
from wmlearn.evidence.trigger_set import seal_triggers

COUNT, SIDE, CLASSES = 400, 224, tuple("0123456789")
torch.set_num_threads(1)
rng = np.random.RandomState(0)
pixels = rng.bytes(COUNT * 3 * SIDE * SIDE)
pixels = np.frombuffer(bytearray(pixels), np.uint8).reshape(COUNT, 3, SIDE, SIDE)
part = Split(pixels, np.arange(COUNT) % 10)
few = [part.take(range(10)), part.take(range(10, 20))]
data = wm.Splits("large", part, *few, CLASSES)
start = wm.Splits("some", part.take(range(60)), *few, CLASSES)
tiny = nn.Sequential(nn.AvgPool2d(32), nn.Flatten(), nn.Linear(147, 10))
short = wm.Schedule(epochs=1, batch_size=4)
triggers = wm.Noise()(data, n=10, key=wm.CLASSROOM_KEY)
sealed = seal_triggers(pixels.view(), np.arange(COUNT), ["a question"] * COUNT,
    rules=Rules(CLASSES, alpha=1e-3), key=wm.CLASSROOM_KEY, recipe="many").draw()
acts = {
    "accuracy": lambda data: wm.accuracy(tiny, data.train),
    "fit": lambda data: wm.fit(tiny, data, schedule=short),
    "embed": lambda data: wm.embed(tiny, data, triggers, schedule=short),
    "verify": lambda data: wm.verify(wm.BlackBox(tiny), sealed, questions=len(data.train)),
    "a copy": lambda data: data.train.pixels.copy(),
    "floats": lambda data: data.train.images,
}

def megabytes(name):
    with open("/proc/self/status") as file:
        (line,) = [line for line in file if line.startswith(name)]
    return int(line.split()[1]) / 1024

grown = {}
for name, act in acts.items():
    act(start)  # its libraries, and what is taken once
    before = megabytes("VmRSS")
    with open("/proc/self/clear_refs", "w") as file:
        file.write("5")
    act(data)
    grown[name] = (megabytes("VmHWM") - before) / (pixels.nbytes / 2**20)
print(json.dumps(grown))
"""


def test_no_act_copies_a_part_of_large_images(run_python, measured):
    if sys.platform != "linux":  # where a process can ask for its largest memory since now
        return
    grown = json.loads(run_python(ACTS))
    assert grown.pop("a copy") > 0.9  # so a copy would be seen
    assert grown.pop("floats") > 3.5
    for name, share in grown.items():
        measured(f"memory of {name}, beside the data", round(share, 2))
        assert share < 0.9, name  # at most a few batches
