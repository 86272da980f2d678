"""The client's side of the Open Inference Protocol (KServe v2): writing requests, reading answers.

Written by hand, as the published clients, tritonclient and kserve, bring gevent or Kubernetes.

Source: "Open Inference Protocol", KServe, version 2,
https://github.com/kserve/open-inference-protocol
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import ArrayLike

from wmlearn._checks import Checked, as_array, check_choice, check_kind, checked, first_line, shown
from wmlearn._types import Images, Labels
from wmlearn.service import _tensors
from wmlearn.service._tensors import HALF, NUMBERS, REAL, TEXT, WHOLE, Tensor

Kind = Literal["transient", "invalid", "refused", "blocked", "unauthorized", "too_large"]
Encode = Callable[[Images], ArrayLike]  # images (n, c, h, w) in [0, 1] -> the array to send
Decode = Callable[[np.ndarray], ArrayLike]  # an output -> labels (n,) or scores (n, K)

QUESTION_BYTES = 4_000_000
MANY = 10_000  # numbers; sending fewer as JSON is faster than asking the server about bytes
_DESCRIBE = (
    "If the address is right, pass what is missing of input='the name of its input', "
    "datatype='UINT8' (0 to 255) or 'FP32' (0 to 1), layout='NCHW', 'NHWC', 'NHW' or 'flat'."
)
_HIGHEST = np.finfo(np.float32).max
_WORDS = {"f": "fractions", "U": "text", "b": "true or false", "u": "numbers beyond 64 bits"}
# Names of outputs of labels, or of scores; among several outputs one must have such a name.
_LABELS = re.compile("label|class|predict|categor|argmax", re.IGNORECASE)
_SCORES = re.compile(f"{_LABELS.pattern}|score|prob|logit|softmax", re.IGNORECASE)
_CALLED = {"labels": _LABELS, "scores": _SCORES, "several": _LABELS}


@dataclass(eq=False)
class Fault(Exception):
    """The reason why no valid answer came.

    Parameters
    ----------
    reason : half a sentence that follows "but"
    kind : "transient" (no answer; retry), "invalid" (no valid answer; retry once), "refused"
        (final), "blocked" (final: the request did not reach the service), "unauthorized" (final for
        all further requests: the token is wrong) or "too_large" (send fewer images at once)
    advice : the next step, if it is more specific than the kind
    wait : seconds to wait, if the service says so
    """

    reason: str
    kind: Kind = "invalid"
    advice: str = ""
    wait: float | None = None

    def __str__(self) -> str:
        return self.reason


def are_names(names: list[Any] | tuple[Any, ...]) -> bool:
    """Return whether these are names of classes: texts, each different."""
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def check_names(value: Any, name: str) -> None:
    """Raise a `TypeError` unless the value is a list of different class names."""
    if not isinstance(value, (list, tuple)) or not are_names(value):
        raise TypeError(
            f"{name} must be a list of the class names, each once, in the order of their "
            f"numbers; got {shown(value)}. Take those of the data: mnist.classes."
        )


def _if_given(value: Any, name: str, by: Callable[..., Any], **limits: Any) -> None:
    if value is not None:
        by(value, name, **limits)


@dataclass(frozen=True)
class Overrides(Checked):
    """The user's description of a service, which overrides its metadata unless it is None."""

    input: str | None = checked(_if_given, None, by=check_kind, kind=str, hint="its name")
    output: str | None = checked(_if_given, None, by=check_kind, kind=str, hint="its name")
    datatype: str | None = checked(_if_given, None, by=check_choice, choices=[*NUMBERS, TEXT])
    layout: str | None = checked(_if_given, None, by=check_choice, choices=_tensors.LAYOUTS)
    encode: Encode | None = checked(
        _if_given, None, by=check_kind, kind=Callable, hint="as lambda x: x * 255"
    )
    decode: Decode | None = checked(
        _if_given, None, by=check_kind, kind=Callable, hint="as lambda y: y - 1"
    )
    classes: Sequence[str] = checked(check_names, ())


@dataclass(frozen=True)
class ModelCard:
    """The description of a model: how to send images, and how to read the outputs."""

    input: str
    datatype: str  # one of `NUMBERS`, or BYTES
    shape: tuple[int, ...] | None  # of the input, -1 for any length; None: unknown
    labels: str | None = None  # the output with one label per image, if there is one
    scores: str | None = None  # the output with one score per image and class, if there is one
    classes: int = -1  # scores per image, -1: unknown
    names: tuple[str, ...] = ()  # the class names by number, if the model gives any
    lone: bool = False  # whether the metadata list only this output, whatever its name
    half: bool = False  # whether images or answers are FP16, for which JSON has no number
    numeric: tuple[str, ...] = ()  # the outputs of numbers, which may be sent as bytes
    binary: bool | None = None  # whether numbers are sent as bytes; None: in JSON so far
    settled: bool = False  # whether this form has worked, or the other is impossible
    overrides: Overrides = field(default=Overrides(), repr=False)

    @property
    def output(self) -> str | None:
        """The output that labels are read from; None if it is not known yet."""
        return self.labels or self.scores


@dataclass(frozen=True)
class Question:
    """The body of a request, and the headers that belong to it."""

    body: bytes
    headers: Mapping[str, str]


#  metadata ----------------------------------------------------------------------------------------


def read_card(answer: Any, overrides: Overrides = Overrides()) -> ModelCard:
    """Return the description of a model from its metadata; a `Fault` if it cannot be queried."""
    taken = _input(_described(answer, "inputs"), overrides)
    outputs = _described(answer, "outputs")
    names = overrides.classes or _class_names([answer, *answer.get("outputs", [])])
    card = ModelCard(
        taken.name,
        taken.datatype,
        taken.shape,
        names=tuple(names),
        half=taken.datatype == HALF,
        overrides=overrides,
    )
    if not outputs:  # MLServer and KServe by default: the first answer will show them
        return card
    return _choose(card, outputs)


def _described(answer: Any, which: str) -> list[Tensor]:
    """Return the tensors that metadata or an answer describe; an empty list if they are missing."""
    listed = answer.get(which, []) if isinstance(answer, dict) else None
    if not isinstance(listed, list):
        raise Fault(f"its answer is not a JSON object with a list of {which}")
    tensors = list(map(_tensors.read_tensor, listed))
    if None in tensors:
        raise Fault(f"its answer does not give the name of each of its {which}")
    return tensors  # type: ignore[return-value]  # mypy does not see that None is excluded


def _input(inputs: list[Tensor], overrides: Overrides) -> Tensor:
    """Return the input that takes the images, as the metadata and the user describe it."""
    wanted = overrides.input
    named = [each for each in inputs if wanted in (None, each.name)]
    if wanted is not None and not named:
        known = inputs if len(inputs) == 1 else [Tensor(wanted)]
        named = [replace(known[0], name=wanted)]
    if len(named) > 1:
        advice = "Pass input= with the name of the one that takes the images."
        raise Fault(f"its metadata list several inputs: {_listed(named)}", "refused", advice)
    taken = [*named, Tensor("")][0]
    taken = replace(taken, datatype=overrides.datatype or taken.datatype)
    if not named or not taken.datatype:
        raise Fault("its metadata do not describe its input", "refused", _DESCRIBE)
    if taken.datatype not in (*NUMBERS, TEXT):
        advice = f"If it accepts another one, pass datatype=, one of {', '.join(NUMBERS)}."
        reason = f"its input {taken} has an unknown datatype"
        raise Fault(reason, "refused", advice)
    return taken


def _listed(tensors: list[Tensor]) -> str:
    return ", ".join(map(str, tensors))


def _choose(card: ModelCard, outputs: list[Tensor]) -> ModelCard:
    """Return the card with the outputs of labels and scores, if they can be identified.

    A single output may have any name. Among several, exactly one must have the name of such an
    output: otherwise a latency in whole numbers could be read as labels. The scores of the best
    five classes are not those of the first five.
    """
    wanted = card.overrides.output
    lone = wanted is None and len(outputs) == 1
    if wanted is not None:
        outputs = [each for each in outputs if each.name == wanted]
        if not outputs:  # the metadata may omit it
            return card
    found: dict[str, list[Tensor]] = {"labels": [], "scores": [], "several": []}
    for each in outputs:
        kind = _kind(card, each)
        if kind and (len(outputs) == 1 or _CALLED[kind].search(each.name)):
            found[kind].append(each)
    labels, scores = found["labels"], found["scores"]
    if len(labels) > 1 or (not labels and (len(scores) != 1 or found["several"])):
        raise _undecided(outputs)
    datatypes = {each.name: each.datatype for each in [*labels, *scores]}
    numeric = tuple(name for name in datatypes if datatypes[name] in NUMBERS)
    half = card.half or HALF in datatypes.values()
    card = replace(card, lone=lone, half=half, numeric=numeric)
    for each in labels:
        _check_text(card, each)
        card = replace(card, labels=each.name)
    if len(scores) == 1:
        card = replace(card, scores=scores[0].name, classes=_n_classes(card, scores[0]))
    return card


def _kind(card: ModelCard, output: Tensor) -> str:
    """Return what an output can hold: "labels", "scores", "several" (labels per image) or ""."""
    axes = _axes(output)
    if output.datatype not in REAL and card.overrides.decode is not None:
        return "labels"
    if output.datatype in (*WHOLE, TEXT):
        return "labels" if axes in ([], [-1]) else "several"
    known = card.names and len(axes) == 1 and axes[0] not in (-1, len(card.names))
    is_row = len(axes) == 1 or output.shape is None
    if card.overrides.decode is not None or (output.datatype in REAL and is_row and not known):
        return "scores"
    return ""


def _axes(output: Tensor) -> list[int]:
    """Return the shape of an output per image, without axes of length 1, which OpenVINO adds."""
    return [axis for axis in (output.shape or ())[1:] if axis != 1]


def _n_classes(card: ModelCard, scores: Tensor) -> int:
    axes = _axes(scores)
    if not axes or card.overrides.decode is not None:
        return -1
    return axes[0]


def _undecided(outputs: list[Tensor]) -> Fault:
    advice = (
        "Pass output= with the name of the one that holds labels or scores, or decode=, a function "
        "that turns it into one label per image, such as lambda top: top[:, 0] for the best five, "
        "lambda p: p.argmax(axis=1) for scores."
    )
    reason = "it is not clear which output holds a label or the scores of each image"
    return Fault(f"{reason}: it lists {_listed(outputs) or 'none'}", "refused", advice)


def _check_text(card: ModelCard, labels: Tensor) -> None:
    if labels.datatype == TEXT and not card.names and card.overrides.decode is None:
        advice = (
            "Pass classes=, its class names in the order of their numbers, or decode=, a function "
            "from an array of text to numbers (-2 for text that names no class)."
        )
        reason = f"its output {labels} holds text, and the class names are unknown"
        raise Fault(reason, "refused", advice)


def _class_names(described: list[Any]) -> tuple[str, ...]:
    """Return the class names in the description of a model or output, if there are any.

    The protocol has no field for them. MLServer passes on the "parameters" of an output in
    `model-settings.json`. Triton names classes only in its answers (classification extension),
    KServe nowhere.
    """
    for each in described:
        match each:
            case {"parameters": {"classes": list(names)}} if are_names(names):
                return tuple(names)
    return ()


def takes_bytes(server: Any) -> bool:
    """Return whether a server's metadata say that it accepts numbers as bytes after the JSON."""
    match server:
        case {"extensions": [*extensions]}:
            return "binary_tensor_data" in extensions
    return False


#  questions ---------------------------------------------------------------------------------------


def encode(card: ModelCard, images: Images) -> np.ndarray:
    """Return images as they are sent: scaled, arranged, in the datatype of the input.

    Raises
    ------
    ValueError
        If the shape or the numbers do not fit the input, or the layout is unknown.
    """
    convert = card.overrides.encode
    values: np.ndarray = images
    if convert is not None:
        expected = f"encode must return numbers, or text, for each of {len(images)} images"
        values = as_array(convert(images.copy()), expected)
        if values.shape[:1] != (len(images),) or values.dtype.kind not in "iufbU":
            raise ValueError(f"{expected}; got {values.dtype} {values.shape}. Keep the first axis.")
    elif card.datatype in WHOLE:
        values = np.rint(images * 255)
    if values.shape == images.shape:
        values = _tensors.arranged(values, _layout(card, images))
    wanted = card.overrides.layout is None and card.shape
    if wanted and not _tensors.fits(values.shape, wanted):
        raise _misfit(wanted, values.shape)
    return _tensors.converted(values, card.datatype)


def _layout(card: ModelCard, images: Images) -> str:
    """Return the layout for images: the user's, or the only one that fits the input's shape."""
    known = card.overrides
    if known.layout == "NHW" and images.shape[1] != 1:
        raise _misfit((-1, *images.shape[2:]), images.shape)
    if known.layout is not None:
        return known.layout
    fitting = []
    if card.shape is not None:
        fitting = _tensors.layouts_that_fit(card.shape, images)
    if len(fitting) == 1:
        return fitting[0]
    if known.encode is not None:
        return "NCHW"
    if card.shape is not None and not fitting:
        raise _misfit(card.shape, images.shape)
    ways = ", ".join(_tensors.LAYOUTS)
    raise ValueError(
        f"expected metadata that show the layout of images; the input {card.input!r:.40} has "
        f"shape {list(card.shape or ())}. Pass layout=, one of {ways}, or encode=, a function that "
        "arranges them."
    )


def _misfit(wanted: tuple[int, ...], got: tuple[int, ...]) -> ValueError:
    return ValueError(
        f"the service takes images of shape ({_axes_of(wanted)}); got ({_axes_of(got)}). Send "
        "images of the data it was trained on; if its metadata are wrong, pass layout=."
    )


def _axes_of(shape: tuple[int, ...]) -> str:
    return ", ".join(["n", *map(str, shape[1:])])


def batch_size(card: ModelCard, image: np.ndarray, most: int | None = None) -> int:
    """Return how many images fit into one request: 4 MB, `most` or the metadata's limit; 1 or more.

    Parameters
    ----------
    card : the description of the model
    image : one encoded image, shape (1, ...)
    most : the user's limit, if any
    """
    if card.datatype == TEXT:
        each = len(json.dumps(image.tolist()))
    else:
        each = image.size * _tensors.number_bytes(card.datatype)
    fitting = (QUESTION_BYTES - 1000) // max(each, 1)
    if most is None and card.shape is not None and card.shape[0] > 0:
        most = card.shape[0]
    return max(min(fitting, most or fitting), 1)


def write_question(card: ModelCard, images: Images, name: str = "") -> Question:
    """Return the request for images (n, c, h, w); its answer may repeat the name as its id."""
    values = encode(card, images)
    tensor: dict[str, Any] = {
        "name": card.input,
        "shape": list(values.shape),
        "datatype": card.datatype,
    }
    rest = b""
    if card.binary and card.datatype in NUMBERS:
        rest = values.tobytes()
        tensor["parameters"] = {"binary_data_size": len(rest)}
    else:
        tensor["data"] = values.ravel().tolist()
    question: dict[str, Any] = {"id": name, "inputs": [tensor]}
    if card.binary and card.output is not None:
        outputs = [each for each in (card.labels, card.scores) if each is not None]
        question["outputs"] = [_wish(each, each in card.numeric) for each in outputs]
    head = json.dumps(question, separators=(",", ":")).encode()
    headers = {}
    if rest:
        headers["content-type"] = "application/octet-stream"
        headers["inference-header-content-length"] = str(len(head))
    return Question(head + rest, headers)


def _wish(output: str, binary: bool) -> dict[str, Any]:
    return {"name": output, "parameters": {"binary_data": binary}}


#  answers -----------------------------------------------------------------------------------------


def unpack(answer: Any, rest: bytes) -> Any:
    """Return an answer with the bytes after the JSON put in their places."""
    if not rest:
        return answer
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        for output in answer["outputs"]:
            size = output.get("parameters", {}).get("binary_data_size", 0)
            if not 0 <= size <= len(rest):
                raise ValueError
            if size:
                number = _tensors.NUMBERS[output["datatype"]]
                output["data"] = np.frombuffer(rest[:size], number).tolist()
            rest = rest[size:]
        if not rest:
            return answer
    raise Fault("its answer does not describe the binary data behind it")


def check_id(answer: Any, name: str) -> None:
    """Refuse an answer to another request of ours; ids that a server makes up are accepted."""
    match answer:
        case {"id": str(other)} if other != name and other[:-9] == name[:-9]:
            raise Fault("its answer belongs to another request")


def settle(card: ModelCard, answer: Any) -> ModelCard:
    """Return the card with the outputs of an answer, if the metadata lack them or list too few."""
    outputs = _described(answer, "outputs")
    if card.output is None or (card.lone and len(outputs) > 1):
        card = _choose(replace(card, labels=None, scores=None), outputs)
    if card.output is None:  # missing: `read_answer` will raise an error
        card = replace(card, labels=card.overrides.output)
    return card


def read_answer(card: ModelCard, answer: Any, count: int) -> np.ndarray:
    """Return `count` labels, or rows of scores, from an answer; raise a `Fault` without them."""
    return _read(card, answer, card.output, count)


def read_scores(card: ModelCard, answer: Any, count: int) -> np.ndarray:
    """Return the scores in an answer, shape (count, classes); raise a `Fault` without them."""
    values = _read(card, answer, card.scores or card.labels, count)
    if values.ndim != 2:
        advice = "Call the box itself, box(images), or pass output= with the name of its scores."
        raise Fault("it gives only labels, as far as is known", "refused", advice)
    return values


def highest(values: np.ndarray) -> Labels:
    """Return labels as they are, and for rows of scores the number of the highest, int64, (n,)."""
    if values.ndim == 2:
        values = values.argmax(axis=1)
    labels: Labels = values.astype(np.int64)
    return labels


def _read(card: ModelCard, answer: Any, name: str | None, count: int) -> np.ndarray:
    """Return the labels (count,), or scores (count, K), in an output."""
    values = _values(answer, name, count)
    if card.overrides.decode is not None:
        return _decoded(card, values, card.overrides.decode, count)
    if name == card.labels:
        return labels_in(values, card.names, count)
    return rows_in(values, card.classes, count)


def labels_in(values: np.ndarray, names: Sequence[str], count: int) -> np.ndarray:
    """Return numbers, or texts that name classes, as labels, shape (count,); -2 for other texts."""
    if values.dtype.kind == "U" and names:
        numbers = {name: number for number, name in enumerate(names)}
        values = np.array([numbers.get(text, -2) for text in values.ravel().tolist()], np.int64)
    _check_numbers(values, "i", "whole numbers")
    if values.size != count:
        raise Fault(f"it must answer {count} labels; it answered {values.size}")
    return values.reshape(count)


def rows_in(values: np.ndarray, classes: int, count: int) -> np.ndarray:
    """Return scores in rows, shape (count, classes); `classes` below 1 means unknown."""
    _check_numbers(values, "iuf", "scores")
    if classes < 1:
        classes = max(values.size // count, 1)
    if values.size != count * classes:
        raise Fault(
            f"it must answer {count} times {classes} scores; it answered {values.size} numbers"
        )
    if classes < 2:
        advice = "Pass decode=, such as lambda p: p > 0.5 for the score of the second of two."
        raise Fault("it answers one score per image", "refused", advice)
    return values.reshape(count, classes)


def _decoded(card: ModelCard, values: np.ndarray, decode: Decode, count: int) -> np.ndarray:
    """Return the result of the user's `decode`: labels (count,), or scores (count, K)."""
    _check_numbers(values, "iufbU", "numbers or text")
    values = _tensors.without_ones(values)
    got = f"its output {card.output!r:.40} is {values.dtype} {values.shape}"
    advice = f"Return {count} whole numbers, one per image, or as many rows of scores."
    try:
        found = np.asarray(decode(values))
    except Exception as error:
        words = f"{type(error).__name__}: {first_line(error)}"
        reason = f"{got}, and decode= failed on it ({words:.200})"
        raise Fault(reason, "refused", advice) from None
    if found.dtype.kind in "iub" and found.size == count:
        return found.reshape(count)
    if found.dtype.kind in "iuf" and found.ndim == 2 and len(found) == count:
        return rows_in(found, card.classes, count)
    reason = f"{got}, and decode= returned {found.dtype} {found.shape}"
    raise Fault(reason, "refused", advice)


def _values(answer: Any, name: str | None, count: int) -> np.ndarray:
    """Return the values of one output for `count` images, in the shape that it gives."""
    output = _output(answer, name)
    try:
        values = np.asarray(output.get("data"))
    except ValueError:
        raise Fault("its answer is a list of lists of unequal length") from None
    shape = output.get("shape")
    try:
        values = values.reshape(values.shape if shape is None else shape)
    except (TypeError, ValueError):
        raise Fault(f"it answered {values.size} numbers with shape {shape!r:.40}") from None
    told = shape is not None or values.ndim > 1
    if told and values.shape[:1] != (count,):
        got = f"shape {list(values.shape)!r:.40}"
        raise Fault(f"it must answer {count} images; its answer has {got}")
    return values


def _check_numbers(values: np.ndarray, kinds: str, wanted: str) -> None:
    if values.dtype.kind not in kinds:
        got = _WORDS.get(values.dtype.kind, "no numbers")
        raise Fault(f"it must answer {wanted}; it answered {got}")
    if values.dtype.kind == "f" and not (abs(values) <= _HIGHEST).all():  # NaN is refused too
        raise Fault(f"its {wanted} hold NaN or infinity")


def _output(answer: Any, name: str | None) -> dict[str, Any]:
    """Return the only output with this name, or raise a `Fault`."""
    tensors = _described(answer, "outputs")
    places = [place for place, each in enumerate(tensors) if each.name == name]
    if len(places) == 1:
        output: dict[str, Any] = answer["outputs"][places[0]]
        return output
    reason, advice = f"its answer holds no output {name!r:.40}", ""
    if tensors:
        reason += f"; it holds {_listed(tensors)}"
        advice = "If one of these holds labels or scores, pass output= with its name."
    raise Fault(reason, "invalid", advice)


#  what the user passes ----------------------------------------------------------------------------


def model_address(url: Any) -> tuple[str, str]:
    """Return a model's address without '/infer', and the model's name in it.

    Raises
    ------
    TypeError, ValueError
        If it is not the http or https address of a model.
    """
    check_kind(url, "url", str, "such as service.url")
    address = url.strip().rstrip("/").removesuffix("/infer")
    step = "Begin it with http:// or https:// and a host; add /v2/models/ and the model's name"
    try:
        parts = urlsplit(address)
        name = re.search(r"/v2/models/([^/?#]+)", parts.path)
        _ = parts.port  # raises ValueError for an impossible port
        if parts.scheme in ("http", "https") and parts.hostname and name:
            return address, name[1]
    except ValueError as error:
        step = f"Correct this: {error}"
    raise ValueError(
        "expected a model's address like 'http://127.0.0.1:8000/v2/models/mnist'; got "
        f"{url!r}. {step}."
    )


def check_token(token: Any, name: str = "token") -> str | None:
    """Return a bearer token that fits in a header, or raise an error that does not show it."""
    if token is None:
        return None
    if not isinstance(token, str) or not re.fullmatch(r"[!-~]+", token):
        kind = ValueError if isinstance(token, str) else TypeError
        raise kind(
            f"{name} must be text of ASCII letters, digits and punctuation, without spaces; got a "
            f"{type(token).__name__} that is not. Try secrets.token_urlsafe(), or leave it out."
        )
    return token


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_VALUE = re.compile(r"[!-~]([ -~\t]*[!-~])?")
_OURS = ("content-length", "transfer-encoding", "inference-header-content-length")


def check_headers(headers: Any, token: str | None = None) -> dict[str, str]:
    """Return valid headers, that of a bearer token first, or raise an error that shows no value."""
    kept: dict[str, str] = {}
    if token is not None:
        kept["Authorization"] = f"Bearer {token}"
    if headers is None:
        return kept
    if not isinstance(headers, Mapping):
        raise TypeError(
            "headers must be a dict of text, such as {'Host': 'mnist.example.org'}; got "
            f"a {type(headers).__name__}. Give each header its name."
        )
    for name, value in headers.items():
        pair = isinstance(name, str) and isinstance(value, str)
        if not pair or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ValueError(
                "a header must have a name of ASCII letters, digits and hyphens and a value on one "
                "line, such as {'x-api-key': '...'}; got another. Look for a colon in the name, "
                "for spaces or a line end around the value, or for a key that is not set."
            )
        if name.lower() in (*_OURS, *map(str.lower, kept)):
            raise ValueError(
                f"the header {name!r} must be sent only once; it is set already. Leave it out."
            )
        kept[name] = value
    return kept
