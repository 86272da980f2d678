"""Models in this process that are not torch modules, asked through their own methods.

A session of ONNX Runtime describes itself as a server does, so its description is read in the same
way.
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

_BY_FUNCTION = "Wrap it in a function that reshapes the images: wm.BlackBox(lambda images: ...)."
_TYPES = {"FLOAT": "FP32", "DOUBLE": "FP64", "FLOAT16": "FP16", "STRING": "BYTES"}


def is_network(model: object) -> bool:
    """Return whether this is a torch module, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def answering(model: Any, names: Sequence[str]) -> tuple[Ask, Ask]:
    """Return a function that asks a model for labels, and one for scores if it has any.

    Raises
    ------
    TypeError, ValueError
        If it is no model, or cannot be asked for labels or scores of images.
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
    """Return a model's answer as labels (count,) or scores (count, K), else raise a `Fault`."""
    array = as_array(values, "it must answer numbers, or names")
    if array.dtype.kind == "O":  # as pandas and scikit-learn keep text
        array = np.array(array.tolist())
    if array.dtype.kind == "u":
        array = array.astype(np.int64)
    array = _tensors.without_ones(array)
    if len(array.shape) > 2 or array.shape[:1] != (count,):
        raise Fault(f"it must answer {count} images; its answer has shape {[*array.shape]}")
    if array.ndim == 2:
        return _protocol.rows_in(array, classes, count)
    return _protocol.labels_in(array, names, count)


def _session(session: Any) -> tuple[Ask, Ask]:
    """Return how to ask a session of ONNX Runtime, by its description of inputs and outputs."""
    inputs = map(_described, session.get_inputs())
    outputs = map(_described, getattr(session, "get_outputs", list)())
    try:
        card = _protocol.read_card({"inputs": [*inputs], "outputs": [*outputs]})
    except Fault as fault:
        raise ValueError(
            f"model must be a session from images to labels or scores, but {fault}. {_BY_FUNCTION}"
        ) from None

    def ask(output: str | None, images: Images) -> Any:
        """Return one output for all images, batch by batch; without a name, the first output."""
        known = replace(card, overrides=Overrides(layout=_layout(card.shape, images)))
        size = _protocol.batch_size(known, _protocol.encode(known, images[:1]))
        found: list[Any] = []
        for start in range(0, len(images), size):
            values = _protocol.encode(known, images[start : start + size])
            found.extend(session.run(output and [output], {card.input: values})[0])
        return found

    return partial(ask, card.output), partial(ask, card.scores or card.output)


def _described(node: Any) -> dict[str, Any]:
    """Return a session's description of an input or output, in the words of the protocol."""
    kind = getattr(node, "type", "tensor(float)")[7:-1].upper()
    shape = list(getattr(node, "shape", None) or ())
    return {"name": node.name, "datatype": _TYPES.get(kind, kind), "shape": shape}


def _classifier(model: Any, names: Sequence[str]) -> tuple[Ask, Ask]:
    """Return how to ask a classifier: `predict` for labels, `predict_proba` for scores."""
    axes = getattr(model, "input_shape", None) or (getattr(model, "n_features_in_", -1),)
    shape = (-1, *(axis for axis in axes if axis is not None))  # Keras has None for the first

    def ask(method: Ask, images: Images) -> Any:
        """Return a method's answer to images, arranged in the classifier's shape."""
        return method(_tensors.arranged(images, _layout(shape, images)))

    def probabilities(rows: Any) -> Any:
        """Return the probabilities in the order of the class numbers."""
        order = np.asarray(model.classes_).tolist()
        numbers = read(order, names, 0, len(order))
        if sorted(numbers) != list(range(len(order))):
            reason = f"its classes are {order!r:.60}, so the order of its scores is unknown"
            raise Fault(reason, "refused", _BY_FUNCTION)
        return model.predict_proba(rows)[:, np.argsort(numbers)]

    scores = probabilities if hasattr(model, "predict_proba") else model.predict
    return partial(ask, model.predict), partial(ask, scores)


def _layout(shape: tuple[int, ...] | None, images: Images) -> str:
    """Return the one layout in which images have this shape, or raise a `Fault`."""
    if shape is None:
        return "NCHW"
    fitting = _tensors.layouts_that_fit(shape, images)
    if len(fitting) != 1:
        reason = f"{images.shape[1:]} can be laid out as {shape[1:]} in {len(fitting)} ways"
        raise Fault(reason, "refused", _BY_FUNCTION)
    return fitting[0]
