"""The white-box watermark of Uchida et al. (2017): a secret message in a convolution's weights.

Whoever wants to read it must hold the weights: no service, no questions. What the projection is and
which bits the message has follow from the seal, drawn before anything is trained. An owner who
could choose either of them would "find" a message in any network whatever, for some projection
turns any weights into any bits.
"""

import hashlib
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from wmlearn._checks import check_count, check_family, check_fraction, check_kind, check_number
from wmlearn._display import plural
from wmlearn._random import stable_rng
from wmlearn._types import Labels
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import Answers
from wmlearn.evidence.judging import check_published
from wmlearn.evidence.opening import BITS, NOT_OPENED, Opening, check_named
from wmlearn.evidence.rules import Terms, check_alpha, convinces_a_judge
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verdict_kinds import reach_verdict
from wmlearn.training._inference import check_model
from wmlearn.training.history import Fitted
from wmlearn.training.loop import TensorData, checked_copy, measured, resolved, run, train_by
from wmlearn.training.schedule import Schedule

_NAME = "bit %d"  # of a bit, where questions say what they show
_NO_IMAGES = np.zeros((0, 1, 1, 1), np.uint8)
_NO_PLACES = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False, repr=False)
class Message(commitment.HoldsSecret):
    """Secret bits for the weights of one layer, sealed; `seal_message` makes it.

    Attributes
    ----------
    bits : the message, int64, shape (T,), each 0 or 1, drawn at random from the seal
    projection : what reads it, float32, shape (T, M): bit i is 1 where row i times the layer's mean
        kernel is positive
    layer : the convolution that carries it, by its name in the model
    header : the sealed record, `seal` its SHA-256: the commitment to publish before training
    alpha : the largest chance of accusing an innocent model
    """

    bits: Labels
    projection: npt.NDArray[np.float32]
    layer: str
    header: Mapping[str, Any]  # what JSON holds
    alpha: float
    key: commitment.Secret = field(repr=False)
    _keep = (
        "Keep its key, message.key.hex(), where secrets are kept: "
        "wm.watermarks.seal_message draws the same message from it."
    )

    @property
    def seal(self) -> str:
        """The commitment to publish before the model is trained."""
        return commitment.seal(self.header)

    def read(self, model: nn.Module) -> Labels:
        """Return the bits that a model's weights spell, int64, shape (T,); -1 for neither."""
        return _spelt(self.projection, self.kernels(model))

    def kernels(self, model: nn.Module) -> Tensor:
        """Return the weights (filters, channels, height, width) of a model that carry it."""
        return _kernels(model, self.header)

    def loss(self, kernels: Tensor) -> Tensor:
        """Return how badly kernels (filters, channels, h, w) spell the message, in nats."""
        scores = _scores(self.projection, kernels)
        # A copy: what is sealed cannot be written to.
        wanted = torch.tensor(self.bits, device=scores.device, dtype=scores.dtype)
        return functional.binary_cross_entropy_with_logits(scores, wanted, reduction="sum")

    def __repr__(self) -> str:
        note = ", classroom key" if self.key.is_public else ""
        if not convinces_a_judge(len(self.bits), 2):
            note += ", too few bits for a judge"
        what = f"{len(self.bits)} bits for {self.layer}, alpha={self.alpha:g}"
        return f"Message({what}, seal {self.seal[:8]}…{note})"


def seal_message(
    model: nn.Module,
    *,
    bits: int = 64,
    layer: str | None = None,
    alpha: float = 1e-3,
    key: bytes | None = None,
) -> Message:
    """Draw a secret message for one layer of a model, from a seal; its weights play no part.

    Parameters
    ----------
    model : any network of the shape that is to be marked, trained or not
    bits : how long the message is, at most the size M of the mean kernel; near M it costs the task
        some accuracy
    layer : the name of a convolution (`model.named_modules()` lists them); the last one when left
        out
    alpha : the largest chance of accusing an innocent model, above 1e-15 and at most 0.05; sealed
    key : 32 secret bytes; a fresh key when left out

    Returns
    -------
    Message

    Raises
    ------
    TypeError, ValueError
        If there is no such convolution, or the message is longer than its mean kernel.

    Examples
    --------
    >>> import wmlearn as wm
    >>> wm.watermarks.seal_message(wm.small_cnn(wm.load_data("mnist")), key=wm.CLASSROOM_KEY)
    Message(64 bits for layers.3, alpha=0.001, seal 0f9d32c4…, classroom key)
    """
    check_alpha(alpha)
    key = commitment.new_key() if key is None else commitment.check_key(key)
    layer, kernels = _convolution(model, layer)
    kernel = tuple(kernels.shape[1:])
    size = math.prod(kernel)
    why = f"the mean kernel of {layer} has {size} numbers"
    bits = check_count(bits, "bits", low=1, high=size, why=why)
    rules = _rules(layer, kernel, bits, alpha)
    secrets = _secrets(key, rules)
    header = rules | {"root": commitment.tree_hash(_leaves(secrets)).hex()}
    drawn, projection = _draw(commitment.seal(header), range(bits), secrets, size)
    if not convinces_a_judge(bits, 2) and not key.is_public:
        warnings.warn(
            f"{plural(bits, 'bit')} are too few for a judge who trusts nobody: not even a perfect "
            "copy could be found at alpha = 0.001. Take more.",
            stacklevel=2,
        )
    return Message(drawn, projection, layer, MappingProxyType(header), alpha, key)


def _rules(layer: str, kernel: Sequence[int], bits: int, alpha: float) -> dict[str, Any]:
    """Return the rules of a message as they are sealed, all but the root of its bits."""
    return {
        "version": commitment.VERSION,
        "message": "bit i is 1 where row i of the projection times the mean kernel is positive",
        "projection": "standard normal, each row drawn from the seal and the secret of its bit",
        "layer": layer,
        "kernel": list(kernel),
        "questions": bits,
        "p0": "1/2",
        "alpha": repr(float(alpha)),
        "declared_key_draw": 1,
        "judge_factor": "2**48",
    }


def _secrets(key: bytes, header: commitment.Header) -> list[commitment.Secret]:
    """Return the secret of each bit: every message has its own, and what is opened of one says
    nothing of another's.
    """
    rules = dict(header)
    rules.pop("root", None)
    return commitment.question_secrets(key, [commitment.seal(rules)], header["questions"])


def _leaves(secrets: Sequence[bytes]) -> list[bytes]:
    """Return the hash of each bit in the sealed tree."""
    hashed = []
    for i, secret in enumerate(secrets):
        hashed.append(commitment.leaf_hash(i, secret, BITS, _NAME % i, []))
    return hashed


def embed_message(
    model: nn.Module,
    data: Splits | Split,
    message: Message,
    *,
    strength: float = 0.1,
    schedule: Schedule = Schedule(),
    seed: int = 0,
    threads: int = 1,
) -> Fitted:
    """Train a copy of a model on its task while a constant pull turns one layer into the message.

    Parameters
    ----------
    model : fresh or trained; it is left as it was
    data : the task (trains on `train`, measures on `test`), or one part of it, then only the
        message is measured
    message : what `seal_message` made for a model of this shape
    strength : the weight of the message beside the task, above 0; the paper's lambda, with the sum
        over the bits
    schedule, seed, threads : as for `fit`

    Returns
    -------
    Fitted: the new model and its history; `watermark_accuracy` is the share of the bits that are
    right.

    Source
    ------
    Uchida, Nagai, Sakazawa, Satoh (2017), "Embedding watermarks into deep neural networks", the
    embedding loss of section 3. They take lambda = 0.01 with SGD; AdamW scales its steps, and here
    that leaves some bits wrong.
    """
    check_kind(message, "message", Message, "such as wm.watermarks.seal_message(model)")
    check_number(strength, "strength", above=0)
    model, part, test = checked_copy(model, data)
    kernels = message.kernels(model)
    if not (isinstance(kernels, nn.Parameter) and kernels.requires_grad):
        raise ValueError(
            f"the weights of {message.layer} must learn, to carry the message; they are frozen, or "
            "computed from others. Unfreeze them, or take the parametrisation away by "
            "torch.nn.utils.parametrize.remove_parametrizations."
        )

    def measure() -> dict[str, float]:
        right = message.read(model) == message.bits
        return measured(model, test) | {"watermark_accuracy": float(right.mean())}

    def pull(gradient: Tensor) -> Tensor:
        """Add the gradient of the message's loss to that of the task."""
        with torch.enable_grad():
            weights = kernels.detach().requires_grad_()
            (towards,) = torch.autograd.grad(message.loss(weights), weights)
        return gradient + strength * towards

    schedule = resolved(schedule, part)
    steps = train_by(schedule, model, TensorData(part), seed)
    with kernels.register_hook(pull):
        history = run(islice(steps, schedule.epochs), schedule.epochs, measure, threads=threads)
    return Fitted(model, history)


def verify_message(model: nn.Module, message: Message, *, family: int = 1) -> Verdict:
    """Read the message out of a model's weights, and say what it proves; each bit was one in two.

    Parameters
    ----------
    model : the weights in question, of the shape the message was sealed for
    message : the sealed message
    family : how many models, layers, orders of the channels and messages were or will be tried:
        alpha is shared. Whoever sorts the channels pays for every order there is, `math.factorial`
        of their number

    Returns
    -------
    Verdict over the bits, in sealed order, a `MessageVerdict`: it has the bit error rate, too.
    `p_planned` is the exact binomial p-value of all bits, read at once.

    Raises
    ------
    ValueError
        If the model has no such layer, or one of another shape.

    Source
    ------
    Uchida et al. (2017) report bit error rates; the binomial test holds only because projection and
    message were drawn after all rules were fixed.
    """
    check_kind(message, "message", Message, "such as wm.watermarks.seal_message(model)")
    family = check_family(family, "models, layers and messages that share alpha")
    read = message.read(model)
    answers = Answers(read, np.arange(len(read)), message.bits, n_classes=2)
    terms = Terms(message.alpha, 2, len(read), message.key.is_public, kind="bits")
    return reach_verdict(answers, terms, family=family)


def open_message(
    message: Message, named: Sequence[int], *, nonce: bytes = b"", case: str = ""
) -> Opening:
    """Open the bits that a judge has named, with what it takes to check them, without the key.

    Parameters
    ----------
    message : what `seal_message` made
    named : which bits, counted from 0; all different. A judge names them by `wm.evidence.challenge`
    nonce, case : what the judge named them by, and the case they are opened for

    Returns
    -------
    Opening, without images; `save` writes it into one file, `wm.evidence.read_opening` reads it

    Examples
    --------
    >>> import wmlearn as wm
    >>> network = wm.small_cnn(wm.load_data("mnist"))
    >>> message = wm.watermarks.seal_message(network, key=wm.CLASSROOM_KEY)
    >>> open_message(message, [4, 7])
    Opening(2 questions of 64: 4 bit 4, 7 bit 7; seal 0f9d32c4…)
    """
    check_kind(message, "message", Message, "such as wm.watermarks.seal_message(model)")
    indices = check_named(named, len(message.bits))
    secrets = _secrets(message.key, message.header)
    paths = commitment.audit_paths(_leaves(secrets))
    return Opening(
        header=message.header,
        indices=indices,
        names=tuple(_NAME % i for i in indices),
        secrets=[secrets[i] for i in indices],
        paths=[paths[i] for i in indices],
        pixels=_NO_IMAGES,
        question=_NO_PLACES,
        public_key=message.key.is_public,
        nonce=nonce,
        case=case,
    )


def judge_message(
    model: nn.Module,
    opened: Opening,
    *,
    seal: str,
    named: Sequence[int],
    alpha: float = 1e-3,
    family: int = 1,
) -> Verdict:
    """Read the bits that were named and opened out of a model, and decide, without key and owner.

    Bits and projection are drawn anew from seal and secrets. A bit that was named and not opened is
    a miss; what was opened beyond that is left out. The decision is made on the judge's p, 2**48
    times the exact binomial one: it takes 58 bits and more.

    Parameters
    ----------
    model : the weights in question, of the shape the message was sealed for
    opened : what the owner opened (`open_message`); `opened.brought_by(owner, nonce=...)` says
        first whether it was opened for this judge
    seal : the seal as it was published, before the model appeared
    named : the bits the judge named, in any order
    alpha : the judge's own bound on the chance of accusing an innocent model, between 0 and 1
    family : how many tests share alpha: models, layers, orders of the channels, messages

    Returns
    -------
    Verdict over the named bits, a `JudgedMessageVerdict`

    Raises
    ------
    ValueError
        If the seal is another one or no message's, or a bit was not sealed as it is shown, or the
        model has no such layer, or one of another shape.

    Source
    ------
    Uchida et al. (2017) have no judge. Commitments: Adi et al. (2018), section 5.
    """
    check_published(opened, seal)
    alpha = check_fraction(alpha, "alpha")
    family = check_family(family, "models, layers and messages that share alpha")
    header = _sealed_header(opened.header)
    kernels = _kernels(model, header)  # the model bounds how large what is sealed can be
    size, count = math.prod(header["kernel"]), header["questions"]
    check_count(count, "the sealed number of bits", low=1, high=size)
    named = sorted(check_named(named, count))
    # Every path is checked; no images belong to a message, whatever the file holds.
    replace(opened, pixels=_NO_IMAGES, question=_NO_PLACES).answers()
    bits, projection = _draw(seal, opened.indices, opened.secrets, size)
    expected, read = np.full(count, NOT_OPENED), np.full(count, -1)
    expected[list(opened.indices)] = bits
    read[list(opened.indices)] = _spelt(projection, kernels)
    answers = Answers(read[named], np.arange(len(named)), expected[named], n_classes=2)
    known = _secrets(commitment.CLASSROOM_KEY, header)
    public_key = opened.public_key or not set(known).isdisjoint(opened.secrets)
    terms = Terms(alpha, 2, len(named), public_key, kind="judged bits")
    return reach_verdict(answers, terms, family=family)


def _sealed_header(header: commitment.Header) -> commitment.Header:
    """Return a sealed record, if it is one of a message, such as is read here."""
    try:
        kernel, alpha = list(map(int, header["kernel"])), float(header["alpha"])
        known = _rules(str(header["layer"]), kernel, int(header["questions"]), alpha)
        known["root"] = str(header["root"])
    except (KeyError, TypeError, ValueError, OverflowError):
        known = {}
    if commitment.canonical(known) != commitment.canonical(header):
        raise ValueError(
            "the sealed rules must be those of a message in the weights, as wmlearn seals it; they "
            "are others. What they promise cannot be tested here."
        )
    return known


def _draw(
    seal: str, indices: Sequence[int], secrets: Sequence[bytes], size: int
) -> tuple[Labels, npt.NDArray[np.float32]]:
    """Draw some bits, shape (m,), and what reads them, shape (m, M), from seal and secrets."""
    seed = commitment.label_seed(seal)
    drawn, rows = [], []
    for i, secret in zip(indices, secrets):
        drawn.append(commitment.draw_label(seed, i, secret, BITS))
        digest = hashlib.sha256(b"projection" + seed + secret).digest()
        row = stable_rng(commitment.seed_numbers(digest))
        rows.append(row.standard_normal(size))
    bits, projection = np.array(drawn, np.int64), np.array(rows, np.float32)
    bits.setflags(write=False)
    projection.setflags(write=False)
    return bits, projection


def _scores(projection: npt.NDArray[np.float32], kernels: Tensor) -> Tensor:
    """Return each row of a projection times the mean kernel, shape (T,)."""
    rows = torch.tensor(projection, device=kernels.device)
    return rows @ kernels.float().mean(0).flatten()


def _spelt(projection: npt.NDArray[np.float32], kernels: Tensor) -> Labels:
    """Return the bits that kernels spell, int64, shape (T,); -1 for neither."""
    scores = _scores(projection, kernels.detach().cpu())  # alike, wherever the weights lie
    known = scores.isfinite() & (scores != 0)
    return torch.where(known, (scores > 0).long(), -1).numpy()


def _kernels(model: nn.Module, header: commitment.Header) -> Tensor:
    """Return the weights of a model that carry a message, if they have the sealed shape."""
    layer, kernels = _convolution(check_model(model), header["layer"])
    wanted, found = tuple(header["kernel"]), tuple(kernels.shape[1:])
    if found != wanted:
        raise ValueError(
            f"{layer} must have kernels of shape {wanted}, for which the message was sealed; got "
            f"{found}. A model of another shape cannot be read with it."
        )
    return kernels


def _convolution(model: nn.Module, layer: str | None) -> tuple[str, Tensor]:
    """Return name and weights (filters, channels, height, width) of a convolution, by default the
    last.
    """
    check_kind(model, "model", nn.Module, "such as wm.small_cnn(mnist)")
    parts = getattr(model, "_orig_mod", model).named_modules()
    known = {name: part for name, part in parts if isinstance(part, nn.Conv2d)}
    layer = layer or next(reversed(known), None)
    if layer is None or layer not in known:
        raise ValueError(
            f"layer must be one of the model's convolutions ({', '.join(known) or 'it has none'}); "
            f"got {layer!r}."
        )
    return layer, known[layer].weight
