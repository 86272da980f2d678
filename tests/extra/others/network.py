"""A shipped network without torch, as another's server runs it, and the ways in which such servers
take images and give answers.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Manner:
    """How a server is asked, and what it answers; it is strict about both.

    Parameters
    ----------
    declared : whether its metadata say so
    datatype, axes, highest : of its input: how the protocol calls the numbers, "NCHW", "NHWC" or
        "flat", and what white is
    mean, std : what the numbers are to be shifted and divided by before they come
    answer : "labels", "names", "column" (labels of shape (n, 1)), "scores", "maps" (scores of shape
        (n, K, 1, 1)), "top 3" (labels) or "latency" (another number before the label)
    """

    declared: bool = True
    datatype: str = "FP32"
    axes: str = "NCHW"
    highest: float = 1
    mean: float = 0
    std: float = 1
    answer: str = "labels"

    @property
    def input_shape(self):
        """The shape of its input, -1 for the number of images."""
        return {"NCHW": [-1, 1, 28, 28], "NHWC": [-1, 28, 28, 1], "flat": [-1, 784]}[self.axes]

    @property
    def described_input(self):
        """What the metadata say of its input."""
        return {"name": "images", "datatype": self.datatype, "shape": self.input_shape}

    @property
    def described_outputs(self):
        """What the metadata say of its outputs."""
        label = {"name": "predict", "datatype": "INT64", "shape": [-1]}
        latency = {"name": "latency_us", "datatype": "INT64", "shape": [-1]}
        return {
            "labels": [label],
            "names": [label | {"datatype": "BYTES"}],
            "column": [label | {"shape": [-1, 1]}],
            "scores": [label | {"datatype": "FP32", "shape": [-1, 10]}],
            "maps": [label | {"datatype": "FP32", "shape": [-1, 10, 1, 1]}],
            "top 3": [label | {"shape": [-1, 3]}],
            "latency": [latency, label],
        }[self.answer]


MANNERS = {
    "fp32": Manner(),
    "uint8": Manner(datatype="UINT8", highest=255),
    "undeclared": Manner(declared=False),
    "names": Manner(answer="names"),
    "flat": Manner(axes="flat"),
    "nhwc-255": Manner(axes="NHWC", highest=255),
    "fp16": Manner(datatype="FP16"),
    "normalised": Manner(mean=0.13, std=0.31),
    "undeclared-scores": Manner(declared=False, axes="NHWC", datatype="FP16", answer="scores"),
    "column": Manner(answer="column"),
    "scores": Manner(answer="scores"),
    "maps": Manner(answer="maps"),
    "top-3": Manner(answer="top 3"),
    "latency": Manner(answer="latency"),
}


class Network:
    """Two strided convolutions, one hidden layer, one score a class, from a file of weights."""

    def __init__(self, path):
        with np.load(path) as weights:
            self.weights = dict(weights)

    def answers(self, name, datatype, batch, manner):
        """Return the outputs for what came in, in the order of the metadata."""
        if (name, datatype) != ("images", manner.datatype):
            raise ValueError(f"expected images as {manner.datatype}; got {name} as {datatype}")
        scores = self.scores(self.images(batch, manner))
        labels = scores.argmax(axis=1)
        answer = {
            "labels": labels,
            "names": np.array([f"digit-{label}" for label in labels], dtype=object),
            "column": labels[:, None],
            "scores": scores,
            "maps": scores[:, :, None, None],
            "top 3": (-scores).argsort(axis=1)[:, :3],
            "latency": labels,
        }[manner.answer]
        extra = [np.arange(len(labels)) + 200] if manner.answer == "latency" else []
        return [*extra, answer]

    def images(self, batch, manner):
        """Return the images (n, 1, 28, 28) in [0, 1] that came in a server's own manner."""
        expected = tuple(manner.input_shape[1:])
        if batch.shape[1:] != expected:
            raise ValueError(f"expected {expected}; got {batch.shape[1:]}")
        if manner.axes == "NHWC":
            batch = batch.transpose(0, 3, 1, 2)
        images = batch.astype(np.float32).reshape(-1, 1, 28, 28)
        return (images * np.float32(manner.std) + np.float32(manner.mean)) / manner.highest

    def scores(self, images):
        """Return the scores (n, 10) of images (n, 1, 28, 28) in [0, 1]."""
        values = (images - self["0.mean"]) / self["0.std"]
        for layer in (1, 3):
            values = np.maximum(self.convolved(values, layer), 0)
        hidden = values.reshape(len(values), -1) @ self["6.weight"].T + self["6.bias"]
        return np.maximum(hidden, 0) @ self["8.weight"].T + self["8.bias"]

    def convolved(self, values, layer):
        """Return a convolution of 3 x 3 with a stride of 2 and an edge of 1."""
        padded = np.pad(values, [(0, 0), (0, 0), (1, 1), (1, 1)])
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        axes = [(1, 4, 5), (1, 2, 3)]
        summed = np.tensordot(windows[:, :, ::2, ::2], self[f"{layer}.weight"], axes)
        return (summed + self[f"{layer}.bias"]).transpose(0, 3, 1, 2)

    def __getitem__(self, name):
        return self.weights[f"layers.{name}"]
