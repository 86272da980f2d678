"""Small models to serve, and a way to ask a service without our own client."""

import json
import urllib.error
import urllib.request

import numpy as np
import torch
from torch import nn


class Net(nn.Module):
    """A small untrained classifier that says, as ours do, what images it takes."""

    def __init__(self, shape=(1, 28, 28), classes=10, seed=0):
        super().__init__()
        self.input_shape = shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Flatten(), nn.Linear(int(np.prod(shape)), classes), nn.Dropout(0.5)
            )

    def forward(self, images):
        return self.layers(images)


class Brightest(nn.Flatten):
    input_shape = (1, 2, 2)


def ask(url, body=None, method=None, **headers):
    """Return the status of an answer, its headers, and its JSON."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        reply = opener.open(request, timeout=10)
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        return reply.status, reply.headers, json.load(reply)


def call(url, body=None, method=None, **headers):
    """Return the status of an answer and its JSON."""
    status, _, content = ask(url, body, method, **headers)
    return status, content


def question(**changes):
    """Return a request for one image of four pixels, or what the changes make of it."""
    tensor = {"name": "images", "shape": [1, 1, 2, 2], "datatype": "UINT8", "data": [0, 9, 255, 3]}
    return {"inputs": [tensor | changes]}
