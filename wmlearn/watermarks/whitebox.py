"""The white-box watermark of Uchida et al. (2017): a secret message in a convolution's weights.

Whoever wants to read it must hold the weights: no service, no questions. What the projection is and
which bits the message has follow from the seal, drawn before anything is trained. An owner who
could choose either of them would "find" a message in any network whatever, for some projection
turns any weights into any bits.
"""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from wmlearn._checks import check_count, check_family, check_kind, check_number
from wmlearn._random import stable_rng
from wmlearn._types import Labels
from wmlearn.data.splits import Split, Splits
from wmlearn.evidence import commitment
from wmlearn.evidence.answers import Answers
from wmlearn.evidence.rules import SMALLEST_ALPHA, Terms
from wmlearn.evidence.verdict import Verdict
from wmlearn.evidence.verdict_kinds import reach_verdict
from wmlearn.training.history import Fitted
from wmlearn.training.loop import TensorData, checked_copy, measured, run, train_by
from wmlearn.training.schedule import Schedule


@dataclass(frozen=True, eq=False, repr=False)
class Message(commitment.HoldsSecret):
    """Secret bits for the weights of one layer, sealed; `seal_message` makes it.

    Attributes
    ----------
    bits : the message, int64, shape (T,), each 0 or 1, drawn by lot from the seal
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
        scores = self._scores(self.kernels(model).detach())
        known = scores.isfinite() & (scores != 0)
        return torch.where(known, (scores > 0).long(), -1).cpu().numpy()

    def kernels(self, model: nn.Module) -> Tensor:
        """Return the weights (filters, channels, height, width) of a model that carry it."""
        _, kernels = _convolution(model, self.layer)
        wanted, found = tuple(self.header["kernel"]), tuple(kernels.shape[1:])
        if found != wanted:
            raise ValueError(
                f"{self.layer} must have kernels of shape {wanted}, for which the message was "
                f"sealed; got {found}. A model of another shape cannot be read with it."
            )
        return kernels

    def loss(self, kernels: Tensor) -> Tensor:
        """Return how badly kernels (filters, channels, h, w) spell the message, in nats."""
        scores = self._scores(kernels)
        wanted = torch.tensor(self.bits).to(scores)  # a copy: what is sealed cannot be written to
        return functional.binary_cross_entropy_with_logits(scores, wanted, reduction="sum")

    def _scores(self, kernels: Tensor) -> Tensor:
        projection = torch.tensor(self.projection, device=kernels.device)
        return projection @ kernels.float().mean(0).flatten()

    def __repr__(self) -> str:
        note = ", classroom key" if self.key.is_public else ""
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
    alpha : the largest chance of accusing an innocent model, above 1e-15 and below 1; sealed
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
    check_number(alpha, "alpha", above=SMALLEST_ALPHA, below=1)
    key = commitment.new_key() if key is None else commitment.check_key(key)
    layer, kernels = _convolution(model, layer)
    kernel = tuple(kernels.shape[1:])
    size = math.prod(kernel)
    why = f"the mean kernel of {layer} has {size} numbers"
    check_count(bits, "bits", low=1, high=size, why=why)
    rules = {
        "version": commitment.VERSION,
        "message": "bit i is 1 where row i of the projection times the mean kernel is positive",
        "projection": "standard normal, each row drawn from the seal and the secret of its bit",
        "layer": layer,
        "kernel": list(kernel),
        "questions": bits,
        "p0": "1/2",
        "alpha": repr(alpha),
        "declared_key_draw": 1,
        "judge_factor": "2**48",
    }
    # Every message has secrets of its own: what is opened of one says nothing of another's.
    secrets = commitment.question_secrets(key, [commitment.seal(rules)], bits)
    leaves = [commitment.leaf_hash(i, secrets[i], (0, 1), f"bit {i}", []) for i in range(bits)]
    header = rules | {"root": commitment.tree_hash(leaves).hex()}
    drawn, projection = _draw(commitment.seal(header), secrets, size)
    return Message(drawn, projection, layer, MappingProxyType(header), alpha, key)


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

    def measure() -> dict[str, float]:
        right = message.read(model) == message.bits
        return measured(model, test) | {"watermark_accuracy": float(right.mean())}

    def pull(gradient: Tensor) -> Tensor:
        """Add the gradient of the message's loss to that of the task."""
        with torch.enable_grad():
            weights = kernels.detach().requires_grad_()
            (towards,) = torch.autograd.grad(message.loss(weights), weights)
        return gradient + strength * towards

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
    check_family(family, "models, layers and messages that share alpha")
    read = message.read(model)
    answers = Answers(read, np.arange(len(read)), message.bits, n_classes=2)
    terms = Terms(message.alpha, 2, len(read), message.key.is_public, kind="bits")
    return reach_verdict(answers, terms, family=family)


def _draw(seal: str, secrets: Sequence[bytes], size: int) -> tuple[Labels, npt.NDArray[np.float32]]:
    """Draw the message, shape (T,), and the projection, shape (T, M), from the seal."""
    seed = commitment.label_seed(seal)
    drawn, rows = [], []
    for i, secret in enumerate(secrets):
        drawn.append(commitment.draw_label(seed, i, secret, (0, 1)))
        digest = hashlib.sha256(b"projection" + seed + secret).digest()
        row = stable_rng(np.frombuffer(digest, ">u4").tolist())
        rows.append(row.standard_normal(size))
    bits, projection = np.array(drawn, np.int64), np.array(rows, np.float32)
    bits.setflags(write=False)
    projection.setflags(write=False)
    return bits, projection


def _convolution(model: nn.Module, layer: str | None) -> tuple[str, Tensor]:
    """Return name and weights (filters, channels, height, width) of a convolution, by default the
    last.
    """
    check_kind(model, "model", nn.Module, "such as wm.small_cnn(mnist)")
    known = {
        name: part.weight for name, part in model.named_modules() if isinstance(part, nn.Conv2d)
    }
    if layer is None and known:
        layer = list(known)[-1]
    if layer is None:
        raise ValueError(
            f"model must have a convolution to carry the message; {type(model).__name__} has none."
        )
    if layer not in known:
        raise ValueError(
            f"layer must be one of the model's convolutions ({', '.join(known) or 'it has none'}); "
            f"got {layer!r}."
        )
    return layer, known[layer]
