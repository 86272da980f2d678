"""The white-box watermark of Uchida et al. (2017): a secret message in a convolution's weights.

Reading it takes the weights, not a service. The seal determines the projection and the bits before
anything is trained. An owner who could choose either would "find" a message in any network, as
there is a projection from any weights to any bits.
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

_NAME = "bit %d"  # the name of a bit as a question
_NO_IMAGES = np.zeros((0, 1, 1, 1), np.uint8)
_NO_PLACES = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False, repr=False)
class Message(commitment.HoldsSecret):
    """Sealed secret bits for the weights of one layer, made by `seal_message`.

    Attributes
    ----------
    bits : the message, int64, shape (T,), each 0 or 1, drawn at random from the seal
    projection : the matrix that reads it, float32, shape (T, M): bit i is 1 if row i times the
        layer's mean kernel is positive
    layer : the name of the convolution that carries the message
    header : the sealed record; `seal`, its SHA-256, is the commitment to publish before training
    alpha : the largest probability of accusing an innocent model
    key : the secret key
    """

    bits: Labels
    projection: npt.NDArray[np.float32]
    layer: str
    header: Mapping[str, Any]  # what JSON holds
    alpha: float
    key: commitment.Secret = field(repr=False)
    _keep = (
        "Keep its key, message.key.hex(), in a safe place: wm.watermarks.seal_message draws the "
        "same message from it."
    )

    @property
    def seal(self) -> str:
        """The commitment to publish before the model is trained."""
        return commitment.seal(self.header)

    def check(self) -> "Message":
        """Return this message if every part of it is as it was sealed, else raise an error."""
        return commitment.unchanged(self, self._sealed_again, "bits", "projection")

    def _sealed_again(self) -> "Message":
        """Return the message to which this layer, key and length lead."""
        kernel, key = self.header["kernel"], commitment.check_key(self.key)
        return _seal(self.layer, kernel, len(self.bits), self.alpha, key)

    def read(self, model: nn.Module) -> Labels:
        """Return the bits in a model's weights, int64, shape (T,); -1 if unreadable."""
        return _spelt(self.projection, self.kernels(model))

    def kernels(self, model: nn.Module) -> Tensor:
        """Return the weights (filters, channels, h, w) of a model that carry the message."""
        return _kernels(model, self.header)

    def loss(self, kernels: Tensor) -> Tensor:
        """Return the binary cross-entropy of kernels (filters, channels, h, w), summed, in nats."""
        scores = _scores(self.projection, kernels)
        # A copy, as the sealed array is read-only.
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
    """Return a sealed secret message for one layer of a model, independent of its weights.

    Parameters
    ----------
    model : any network of the architecture to be watermarked, trained or not
    bits : the length of the message, from 1 to the size M of the mean kernel; near M it costs some
        task accuracy
    layer : the name of a convolution (`model.named_modules()` lists them); by default the last one
    alpha : the largest probability of accusing an innocent model, above 1e-15 and at most 0.05; it
        is sealed
    key : 32 secret bytes; left out, a fresh key is drawn

    Returns
    -------
    Message
        The message with its key.

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
    if not convinces_a_judge(bits, 2) and not key.is_public:
        warnings.warn(
            f"{plural(bits, 'bit')} are too few for a judge who trusts nobody: not even a perfect "
            "copy could be found at alpha = 0.001. Take more.",
            stacklevel=2,
        )
    return _seal(layer, kernel, bits, alpha, key)


def _seal(
    layer: str, kernel: Sequence[int], bits: int, alpha: float, key: commitment.Secret
) -> Message:
    """Return the message that rules and key determine."""
    rules = _rules(layer, kernel, bits, alpha)
    secrets = _secrets(key, rules)
    root = commitment.tree_hash(_leaves(secrets))
    header = rules | {"root": root.hex()}
    seal = commitment.seal(header)
    drawn, projection = _draw(seal, range(bits), secrets, math.prod(kernel))
    return Message(drawn, projection, layer, MappingProxyType(header), alpha, key)


def _rules(layer: str, kernel: Sequence[int], bits: int, alpha: float) -> dict[str, Any]:
    """Return the rules of a message as they are sealed, without the root of its bits."""
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
    """Return the secret of each bit.

    They depend on all rules of the message, so opened bits reveal nothing about another message.
    """
    rules = dict(header)
    rules.pop("root", None)
    return commitment.question_secrets(key, [commitment.seal(rules)], header["questions"])


def _leaves(secrets: Sequence[bytes]) -> list[bytes]:
    """Return the leaf of each bit in the sealed tree."""
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
    """Train a copy of a model on its task, with a second loss that writes the message into a layer.

    Parameters
    ----------
    model : a fresh or trained network, which is not changed
    data : the task, to train on `train` and measure on `test`; or one part, when only the message
        is measured
    message : the message that `seal_message` made for a model of this architecture
    strength : the weight of the message's loss, above 0; the paper's lambda, for the sum over the
        bits
    schedule, seed, threads : as for `fit`

    Returns
    -------
    Fitted
        The new model and its history; `watermark_accuracy` is the share of correct bits, 0 to 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, model and message do not fit together, or the layer is frozen.

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
            f"the weights of {message.layer} must be trainable to carry the message; they are "
            "frozen, or computed from others. Unfreeze them, or remove the parametrisation by "
            "torch.nn.utils.parametrize.remove_parametrizations."
        )

    def measure() -> dict[str, float]:
        right = message.read(model) == message.bits
        return measured(model, test) | {"watermark_accuracy": float(right.mean())}

    def pull(gradient: Tensor) -> Tensor:
        """Return the gradient of the task's loss plus that of the message's loss."""
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
    """Return the verdict on a model's weights, by the bits of the message that they hold.

    An innocent model matches each random bit with probability 1/2.

    Parameters
    ----------
    model : the model in question, of the architecture that the message was sealed for
    message : the sealed message
    family : how many models, layers, orders of the channels and messages share alpha, past and
        future ones. Anyone who sorts the channels must count every possible order,
        `math.factorial` of their number

    Returns
    -------
    Verdict
        A `MessageVerdict` on the bits in sealed order, with their bit error rate; `p_planned` is
        the exact binomial p-value of all bits, read at once.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or the model has no such layer, or one of another shape.

    Source
    ------
    Uchida et al. (2017) report bit error rates; the binomial test holds only because projection and
    message were drawn after all rules were fixed.
    """
    kind = "such as wm.watermarks.seal_message(model)"
    message = check_kind(message, "message", Message, kind).check()
    family = check_family(family, "models, layers and messages that share alpha")
    read = message.read(model)
    answers = Answers(read, np.arange(len(read)), message.bits, n_classes=2)
    terms = Terms(message.alpha, 2, len(read), message.key.is_public, kind="bits")
    return reach_verdict(answers, terms, family=family)


def open_message(
    message: Message, named: Sequence[int], *, nonce: bytes = b"", case: str = ""
) -> Opening:
    """Return the bits that a judge has named, with everything to check them except the key.

    Parameters
    ----------
    message : the message from `seal_message`
    named : the numbers of the bits, counted from 0; all different. A judge names them by
        `wm.evidence.challenge`
    nonce, case : the judge's nonce by which they were named, and the case they are opened for

    Returns
    -------
    Opening
        It has no images; `save` writes it to a file, and `wm.evidence.read_opening` reads that.

    Raises
    ------
    TypeError, ValueError
        If `message` is no `Message`, or a bit does not exist or is named twice.

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
    """Return a judge's verdict on a model's weights, by the named bits, without key or owner.

    Bits and projection are drawn again from seal and secrets. A bit that was named but not opened
    is a miss; bits that were opened without being named are left out. The judge's p decides, 2**48
    times the exact binomial p-value: it takes 58 bits or more.

    Parameters
    ----------
    model : the model in question, of the architecture that the message was sealed for
    opened : the bits that the owner opened (`open_message`). Check first that they were opened for
        this judge, by `opened.brought_by(owner, nonce=...)`
    seal : the seal that was published before the model appeared
    named : the bits that the judge named, in any order
    alpha : the judge's own bound on the probability of accusing an innocent model, between 0 and 1
    family : how many tests share alpha: models, layers, orders of the channels, messages

    Returns
    -------
    Verdict
        A `JudgedMessageVerdict` on the named bits.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, the seal is another one or not that of a message, a bit is not as
        it was sealed, or the model has no such layer, or one of another shape.

    Source
    ------
    Uchida et al. (2017) have no judge. Commitments: Adi et al. (2018), section 5.
    """
    check_published(opened, seal)
    alpha = check_fraction(alpha, "alpha")
    family = check_family(family, "models, layers and messages that share alpha")
    header = _sealed_header(opened.header)
    kernels = _kernels(model, header)  # the model limits the size of a sealed message
    size, count = math.prod(header["kernel"]), header["questions"]
    check_count(count, "the sealed number of bits", low=1, high=size)
    named = sorted(check_named(named, count))
    # Checks every path; a message has no images, whatever the file holds.
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
    """Return a sealed record, if it is that of a message."""
    try:
        kernel, alpha = list(map(int, header["kernel"])), float(header["alpha"])
        known = _rules(str(header["layer"]), kernel, int(header["questions"]), alpha)
        known["root"] = str(header["root"])
    except (KeyError, TypeError, ValueError, OverflowError):
        known = {}
    if commitment.canonical(known) != commitment.canonical(header):
        raise ValueError(
            "the sealed rules must be those of a message in the weights, as wmlearn seals it; they "
            "are others. Judge questions by wm.evidence.judge."
        )
    return known


def _draw(
    seal: str, indices: Sequence[int], secrets: Sequence[bytes], size: int
) -> tuple[Labels, npt.NDArray[np.float32]]:
    """Return some bits, shape (m,), and the projection to read them, shape (m, M), drawn again."""
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
    """Return the product of each row of a projection and the mean kernel, shape (T,)."""
    rows = torch.tensor(projection, device=kernels.device)
    return rows @ kernels.float().mean(0).flatten()


def _spelt(projection: npt.NDArray[np.float32], kernels: Tensor) -> Labels:
    """Return the bits in kernels, int64, shape (T,); -1 if unreadable."""
    scores = _scores(projection, kernels.detach().cpu())  # the same result for any device
    known = scores.isfinite() & (scores != 0)
    return torch.where(known, (scores > 0).long(), -1).numpy()


def _kernels(model: nn.Module, header: commitment.Header) -> Tensor:
    """Return the weights of a model that carry a message, if they have the sealed shape."""
    layer, kernels = _convolution(check_model(model), header["layer"])
    wanted, found = tuple(header["kernel"]), tuple(kernels.shape[1:])
    if found != wanted:
        raise ValueError(
            f"{layer} must have kernels of shape {wanted}, for which the message was sealed; got "
            f"{found}. Pass a model of that architecture."
        )
    return kernels


def _convolution(model: nn.Module, layer: str | None) -> tuple[str, Tensor]:
    """Return name and weights (filters, channels, h, w) of a convolution, by default the last."""
    check_kind(model, "model", nn.Module, "such as wm.small_cnn(mnist)")
    parts = getattr(model, "_orig_mod", model).named_modules()
    known = {name: part for name, part in parts if isinstance(part, nn.Conv2d)}
    layer = layer or next(reversed(known), None)
    if layer is None or layer not in list(known):  # a list may be asked for anything
        raise ValueError(
            f"layer must be one of the model's convolutions ({', '.join(known) or 'it has none'}); "
            f"got {layer!r}. Choose one of these, or leave it out for the last."
        )
    return layer, known[layer].weight
