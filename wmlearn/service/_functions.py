"""Models in this process that are no torch modules, asked by their own methods.

A session of ONNX Runtime describes itself as a server does: so it is read as one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from wmlearn._checks import as_array, shown
from wmlearn._types import Images
from wmlearn.service import _protocol, _tensors
from wmlearn.service._protocol import Fault, Overrides

Ask = Callable[[Images], Any]  # images -> labels (n,), or scores (n, K)

_BY_FUNCTION = "Ask it by a function: wm.BlackBox(lambda images: ...), which lays them out."
_TYPES = {"FLOAT": "FP32", "DOUBLE": "FP64", "FLOAT16": "FP16", "STRING": "BYTES"}


def is_network(model: object) -> bool:
    """Whether it is a torch module; torch is not loaded to say so."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def answering(model: Any, names: Sequence[str]) -> tuple[Ask, Ask]:
    """Return what asks a model for labels, and what asks it for scores if it has such, or say why
    it cannot be asked.
    """
    if hasattr(model, "run") and hasattr(model, "get_inputs"):
        return _session(model)
    a_class = isinstance(model, type)
    if hasattr(model, "predict") and not a_class:
        return _classifier(model, names)
    if callable(model) and not a_class:
        return model, getattr(model, "scores", model)
    raise TypeError(
        "model must be a network (torch.nn.Module), a function, a session of ONNX Runtime or a "
        f"classifier with predict; got {shown(model)}. Pass the .model of what embed, fit or a "
        "theft returns; load a file, or ask an address by wm.RemoteModel(url)."
    )


def read(values: Any, names: Sequence[str], classes: int, count: int) -> np.ndarray:
    """Return what a model answered as labels (count,), or scores (count, K); raise a `Fault` for
    anything else.
    """
    array = as_array(values, "it must answer numbers, or names")
    if array.dtype.kind == "O":  # as pandas and scikit-learn keep text
        array = np.array(array.tolist())
    if array.dtype.kind == "u":
        array = array.astype(np.int64)
    array = _tensors.without_ones(array)
    if len(array.shape) > 2 or array.shape[:1] != (count,):
        raise Fault(f"it must answer for {count} images, and answered shape {[*array.shape]}")
    if array.ndim == 2:
        return _protocol.rows_in(array, classes, count)
    return _protocol.labels_in(array, names, count)


def _session(session: Any) -> tuple[Ask, Ask]:
    """Return how to ask a session of ONNX Runtime: by what it says of its inputs and outputs."""
    inputs = map(_described, session.get_inputs())
    outputs = map(_described, getattr(session, "get_outputs", list)())
    try:
        card = _protocol.read_card({"inputs": [*inputs], "outputs": [*outputs]})
    except Fault as fault:
        raise ValueError(
            f"model must be a session from images to labels or scores, but {fault}. {_BY_FUNCTION}"
        ) from None

    def ask(output: str | None, images: Images) -> Any:
        """Return one output for all images, batch by batch; all outputs where none is named."""
        known = replace(card, overrides=Overrides(layout=_layout(card.shape, images)))
        size = _protocol.batch_size(known, _protocol.encode(known, images[:1]))
        found: list[Any] = []
        for start in range(0, len(images), size):
            values = _protocol.encode(known, images[start : start + size])
            found.extend(session.run(output and [output], {card.input: values})[0])
        return found

    return partial(ask, card.output), partial(ask, card.scores or card.output)


def _described(node: Any) -> dict[str, Any]:
    """Return what a session says of an input or output, in the words of the protocol."""
    kind = getattr(node, "type", "tensor(float)")[7:-1].upper()
    shape = list(getattr(node, "shape", None) or ())
    return {"name": node.name, "datatype": _TYPES.get(kind, kind), "shape": shape}


def _classifier(model: Any, names: Sequence[str]) -> tuple[Ask, Ask]:
    """Return how to ask a classifier: by `predict`, and by `predict_proba` for scores."""
    axes = getattr(model, "input_shape", None) or (getattr(model, "n_features_in_", -1),)
    shape = (-1, *(axis for axis in axes if axis is not None))  # Keras has None for the first

    def ask(method: Ask, images: Images) -> Any:
        """Return what a method answers to images in the classifier's shape."""
        return method(_tensors.arranged(images, _layout(shape, images)))

    def probabilities(rows: Any) -> Any:
        """Return the probabilities in the order of the classes' numbers."""
        order = np.asarray(model.classes_).tolist()
        numbers = read(order, names, 0, len(order))
        if sorted(numbers) != list(range(len(order))):
            reason = f"its classes are {order!r:.60}, so nobody knows whose scores are which"
            raise Fault(reason, "refused", _BY_FUNCTION)
        return model.predict_proba(rows)[:, np.argsort(numbers)]

    scores = probabilities if hasattr(model, "predict_proba") else model.predict
    return partial(ask, model.predict), partial(ask, scores)


def _layout(shape: tuple[int, ...] | None, images: Images) -> str:
    """Return the one layout by which images have a shape."""
    if shape is None:
        return "NCHW"
    fitting = _tensors.layouts_that_fit(shape, images)
    if len(fitting) != 1:
        reason = f"{images.shape[1:]} can be laid out as {shape[1:]} in {len(fitting)} ways"
        raise Fault(reason, "refused", _BY_FUNCTION)
    return fitting[0]
