"""All thefts on the networks of the world: each changes what is computed, the more the stronger it
is, and the owner's model stays as it was, bit for bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune
from torchvision import models
from torchvision.models.googlenet import Inception as inception_block
from torchvision.models.googlenet import InceptionAux

import wmlearn as wm
from wmlearn.theft import (
    FinePrune,
    FineTune,
    InvertModel,
    Overwrite,
    PerturbWeights,
    Prune,
    Quantize,
    StealByQueries,
)
from wmlearn.training._inference import own_copy

pytestmark = pytest.mark.usefixtures("one_thread")

SHAPE = (3, 32, 32)
IMAGES = np.random.RandomState(0).rand(12, *SHAPE).astype(np.float32)
LOOT = wm.data.Split.from_images(IMAGES, np.arange(12) % 10, classes=10)
INPUTS = torch.from_numpy(IMAGES)


# ---------------------------------------------------------------- the networks


def flat(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), *layers)


def linear() -> nn.Linear:
    return nn.Linear(192, 24)


def head(*layers: nn.Module) -> nn.Module:
    return flat(*layers, nn.ReLU(), nn.Linear(24, 10))


class LowRank(nn.Module):
    """What LoRA adds to a weight."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(2, columns) / 8)
        self.up = nn.Parameter(torch.randn(rows, 2) / 8)

    def forward(self, weights: Tensor) -> Tensor:
        return weights + self.up @ self.down


def low_rank() -> nn.Module:
    layer = linear().requires_grad_(False)
    return head(parametrize.register_parametrization(layer, "weight", LowRank(24, 192)))


class OwnProduct(nn.Module):
    """A layer that is no layer of torch's, with a weight of another name."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(192, 10) / 14)

    def forward(self, images: Tensor) -> Tensor:
        return images @ self.kernel


class Attention(nn.Module):
    """Rows as words: attention keeps its three matrices packed in one."""

    def __init__(self) -> None:
        super().__init__()
        self.positions = nn.Parameter(torch.randn(1, 32, 16) / 4)
        self.words = nn.Linear(96, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.scores = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        rows = images.transpose(1, 2).flatten(2)
        return self.scores(self.encoder(self.words(rows) + self.positions).mean(1))


class Packed(nn.Module):
    """Attention alone: what it multiplies by belongs to no linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(12, 2, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        rows = nn.functional.adaptive_avg_pool2d(images, (8, 4)).transpose(1, 2).flatten(2)
        return self.attention(rows, rows, rows)[0].mean(1)


class Recurrent(nn.Module):
    def __init__(self, wrap: Callable[[nn.Module], nn.Module] = lambda layer: layer) -> None:
        super().__init__()
        self.rows = wrap(nn.LSTM(96, 16, batch_first=True))
        self.scores = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        said, _ = self.rows(images.transpose(1, 2).flatten(2))
        return self.scores(said[:, -1])


class Tied(nn.Module):
    """One matrix, used there and back."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.back = nn.Linear(192, 192), nn.Linear(192, 192)
        self.back.weight = self.there.weight
        self.scores = nn.Linear(192, 10)

    def forward(self, images: Tensor) -> Tensor:
        small = nn.functional.avg_pool2d(images, 4).flatten(1)
        return self.scores(self.back(self.there(small).relu()).relu())


class HeadFirst(nn.Module):
    """Layers in another order than they run, two normalisations after both convolutions."""

    def __init__(self, norm: Callable[[int], nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        self.scores = nn.Linear(16, 10)
        self.second, self.first = nn.Conv2d(8, 16, 3, stride=2), nn.Conv2d(3, 8, 3, stride=2)
        self.norm_of_first, self.norm_of_second = norm(8), norm(16)

    def forward(self, images: Tensor) -> Tensor:
        said = self.norm_of_first(self.first(images)).relu()
        said = nn.functional.silu(self.norm_of_second(self.second(said)))
        return self.scores(said.mean((2, 3)))


class Frames(nn.Module):
    """Convolutions of one axis and of three, one transposed, one by groups."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = nn.Conv1d(96, 12, 3, padding=1)
        self.up = nn.ConvTranspose2d(12, 12, (1, 2), groups=3)
        self.depth = nn.Conv3d(1, 4, 3, padding=1)
        self.scores = nn.Linear(4, 10)

    def forward(self, images: Tensor) -> Tensor:
        rows = self.rows(images.transpose(1, 2).flatten(2).transpose(1, 2)).relu()
        cube = self.up(rows[:, :, :, None]).unsqueeze(1)
        return self.scores(self.depth(cube).relu().mean((2, 3, 4)))


class TwoAnswers(nn.Module):
    """Scores and something else, as some networks give them."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = head(linear())

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.inner(images), images


class FeaturesFirst(nn.Module):
    """Features and scores, told apart by the classes."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = ["no"] * 10
        self.inner, self.scores = flat(linear()), nn.Linear(24, 10)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        said = self.inner(images).relu()
        return said, self.scores(said)


class Counting(nn.Module):
    """It counts what it is asked, in a buffer and in plain attributes, and keeps a running mean."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = head(linear())
        self.register_buffer("mean", torch.zeros(3, 1, 1))
        self.asked, self.sizes = 0, []

    def forward(self, images: Tensor) -> Tensor:
        self.asked += len(images)
        self.sizes.append(len(images))
        self.mean.mul_(0.9).add_(0.1 * images.detach().mean((0, 2, 3)).view(3, 1, 1))
        return self.inner(images)


class Words(nn.Module):
    """Grey values as words, whose embedding is the last layer, too."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.middle = nn.Embedding(10, 12), nn.Linear(12, 12)
        self.scores = nn.Linear(12, 10, bias=False)
        self.scores.weight = self.words.weight

    def forward(self, images: Tensor) -> Tensor:
        greys = (40 * (nn.functional.avg_pool2d(images, 8).flatten(1) - 0.4)).long().clamp(0, 9)
        return self.scores(self.middle(self.words(greys).mean(1)).relu())


class Complex(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = flat(linear())
        self.kernel = nn.Parameter(torch.randn(24, 10, dtype=torch.complex64) / 5)

    def forward(self, images: Tensor) -> Tensor:
        return (self.inner(images).relu().to(torch.complex64) @ self.kernel).abs()


class Auxiliary(nn.Module):
    """A layer that runs last, and is not behind the scores."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.beside = head(linear()), nn.Linear(10, 3)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        said = self.inner(images)
        return {"logits": said, "beside": self.beside(said)}


def nested() -> nn.Module:
    """A parametrisation that is parametrised itself."""
    rank = low_rank()
    parametrizations.weight_norm(rank[2].parametrizations.weight[0], "down")
    return rank


def one_by_one() -> nn.Module:
    layers = nn.Conv2d(3, 16, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Conv2d(16, 16, 1)
    return pooled(*layers, nn.BatchNorm2d(16, affine=False), nn.ReLU(), nn.Linear(16, 10))


def hooked() -> nn.Module:
    network = head(linear())
    network[2].register_forward_hook(lambda layer, inputs, output: 2 * output)
    return network


def by_hooks(normalise: Callable[[nn.Module], nn.Module]) -> nn.Module:
    with warnings.catch_warnings():  # torch has deprecated what many networks still use
        warnings.simplefilter("ignore")
        return head(normalise(linear()))


def convolved(wrap: Callable[[nn.Module], nn.Module]) -> nn.Module:
    layers = [wrap(nn.Conv2d(3, 8, 3, stride=2)), nn.GELU(), wrap(nn.Conv2d(8, 16, 3, stride=2))]
    return pooled(*layers, nn.GELU(), nn.Linear(16, 10))


def pooled(*layers: nn.Module) -> nn.Module:
    return nn.Sequential(*layers[:-1], nn.AdaptiveAvgPool2d(1), nn.Flatten(), layers[-1])


def vgg() -> nn.Module:
    layers = models.vgg.make_layers([16, "M", 32, "M", 64], batch_norm=True)
    return pooled(*layers, nn.Linear(64, 10))


def recurrent_by_weight_norm() -> nn.Module:
    return Recurrent(lambda layer: parametrizations.weight_norm(layer, "weight_hh_l0"))


def efficientnet() -> nn.Module:
    block = models.efficientnet.MBConvConfig
    blocks = [block(1, 3, 2, 16, 8, 1, 1.0, 1.0), block(6, 5, 2, 8, 16, 2, 1.0, 1.0)]
    return models.EfficientNet(blocks, dropout=0.1, last_channel=64, num_classes=10)


class Inception(nn.Module):
    """A part of GoogLeNet, with its auxiliary answer, given in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.mixed = inception_block(3, 4, 4, 8, 2, 4, 4)
        self.scores = nn.Linear(20, 10)
        self.auxiliary = InceptionAux(20, 10)

    def forward(self, images: Tensor) -> Tensor | models.GoogLeNetOutputs:
        mixed = self.mixed(images)
        scores = self.scores(mixed.mean((2, 3)))
        if not self.training:
            return scores
        return models.GoogLeNetOutputs(scores, self.auxiliary(mixed), None)


def convnext() -> nn.Module:
    blocks = [models.convnext.CNBlockConfig(*widths, 1) for widths in ((16, 32), (32, None))]
    return models.ConvNeXt(blocks, layer_scale=0.1, num_classes=10)


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "resnet": lambda: models.ResNet(models.resnet.BasicBlock, [1, 1, 1, 1], num_classes=10),
    "mobilenet_v3": lambda: models.mobilenet_v3_small(num_classes=10, width_mult=0.25),
    "efficientnet": efficientnet,
    "densenet": lambda: models.DenseNet(8, (2, 2), 16, num_classes=10),
    "shufflenet": lambda: models.shufflenet_v2_x0_5(num_classes=10),
    "squeezenet": lambda: models.squeezenet1_1(num_classes=10),
    "vgg11_bn": vgg,
    "convnext": convnext,
    "vit": lambda: models.VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=10),
    "inception": Inception,
    "transformer": Attention,
    "attention alone": Packed,
    "lstm": Recurrent,
    "lstm, weight norm": recurrent_by_weight_norm,
    "mlp": lambda: head(linear()),
    "own layer": lambda: flat(OwnProduct()),
    "tied": Tied,
    "frames": Frames,
    "head first": HeadFirst,
    "group norm": lambda: HeadFirst(lambda channels: nn.GroupNorm(2, channels)),
    "weight norm": lambda: head(parametrizations.weight_norm(linear())),
    "weight norm, convolutions": lambda: convolved(parametrizations.weight_norm),
    "spectral norm": lambda: head(parametrizations.spectral_norm(linear())),
    "orthogonal": lambda: head(parametrizations.orthogonal(linear())),
    "two norms": lambda: head(
        parametrizations.spectral_norm(parametrizations.weight_norm(linear()))
    ),
    "low rank": low_rank,
    "old weight norm": lambda: by_hooks(nn.utils.weight_norm),
    "old spectral norm": lambda: by_hooks(nn.utils.spectral_norm),
    "mask": lambda: head(prune.l1_unstructured(linear(), "weight", 0.1)),
    "two answers": TwoAnswers,
    "features first": FeaturesFirst,
    "auxiliary last": Auxiliary,
    "counting": Counting,
    "tied words": Words,
    "complex": Complex,
    "nested": nested,
    "one by one": one_by_one,
    "hooked": hooked,
    "frozen": lambda: head(linear()).requires_grad_(False),
    "data parallel": lambda: nn.DataParallel(head(linear())),
}


@pytest.fixture(scope="module", params=NETWORKS)
def owner(request) -> nn.Module:
    """A network whose answers depend on the images, as those of a trained one do."""
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(0)
        warnings.simplefilter("ignore")
        network = NETWORKS[request.param]()
        with torch.no_grad():
            for _ in range(4):
                network(INPUTS)  # normalisations get to know the images
        for layer in network.modules():
            if type(layer) is nn.Linear and not layer.weight.any():
                nn.init.normal_(layer.weight, std=0.3)
    network.eval()
    network.input_shape = SHAPE
    return network


def scores(network: nn.Module) -> Tensor:
    with torch.no_grad():
        said = own_copy(network)(INPUTS)  # some count
    if isinstance(said, dict):
        return said["logits"]
    return said[isinstance(network, FeaturesFirst)] if isinstance(said, tuple) else said


def further(one: Tensor, other: Tensor, scale: Tensor) -> float:
    return ((one - other).norm() / scale.norm()).item()


EFFECTIVE = ("weight", "in_proj_weight", "weight_ih_l0", "weight_hh_l0", "kernel")


def effective(network: nn.Module) -> Tensor:
    """Return all weights that a network multiplied by when it was last asked."""
    found = []
    for part in network.modules():
        held = [getattr(part, name, None) for name in EFFECTIVE]
        found += [each.detach().flatten() for each in held if isinstance(each, Tensor)]
    plain = [torch.view_as_real(each).flatten() if each.is_complex() else each for each in found]
    return torch.cat(plain)


def everything(network: nn.Module) -> dict[str, bytes]:
    """Return all that a network holds, what hooks have calculated included, and what it says."""
    held = {name: tensor.numpy().tobytes() for name, tensor in network.state_dict().items()}
    for place, part in enumerate(network.modules()):
        held[f"mode {place}"] = bytes([part.training])
        for name, value in vars(part).items():
            if isinstance(value, Tensor):
                held[f"{place} {name}"] = value.detach().numpy().tobytes()
            if name in ("asked", "sizes"):
                held[name] = str(value).encode()
    return held | {"says": scores(network).numpy().tobytes()}


# Each theft, weak and strong: how much further away the strong one must lead.
GROWING = {
    "prune": (Prune(0.2), Prune(0.9)),
    "quantize": (Quantize(8), Quantize(2)),
    "perturb": (PerturbWeights(0.01), PerturbWeights(1)),
    "fine-tune": (FineTune(1, lr=1e-6), FineTune(1, lr=1e-2)),
    "fine-tune the last": (
        FineTune(1, lr=1e-6, layers="last"),
        FineTune(1, lr=1e-2, layers="last"),
    ),
    "prune channels": (Prune(0.1, by="channel"), Prune(0.9, by="channel")),
    "fine-prune": (FinePrune(0.1, 1, lr=1e-6), FinePrune(0.9, 1, lr=1e-6)),
}


NO_CONVOLUTION = {"prune channels", "fine-prune"}


@pytest.mark.parametrize("theft", GROWING)
def test_a_theft_changes_what_is_computed_the_more_the_stronger_it_is(owner, theft):
    before, said, held = everything(owner), scores(owner), effective(owner)
    refused = {
        theft in NO_CONVOLUTION: (nn.Conv1d, nn.Conv2d, nn.Conv3d),
        theft == "fine-tune the last": (nn.Linear, nn.Conv2d),
    }
    if not any(isinstance(part, refused.get(True, nn.Module)) for part in owner.modules()):
        with pytest.raises(ValueError, match="has none"):
            GROWING[theft][0](owner, LOOT)
        return
    by_answers, by_weights = [], []
    for each in GROWING[theft]:
        stolen = each(owner, LOOT).model
        by_answers.append(further(scores(stolen), said, said - said.mean(0)))
        by_weights.append(further(effective(stolen), held, held))
    assert everything(owner) == before
    assert by_answers[0] > 0
    assert by_answers[1] > 0.02
    assert 0 < 1.5 * by_weights[0] < by_weights[1]


def test_thieves_who_mark_invert_or_imitate_leave_the_owner_as_it_was(owner):
    before, said = everything(owner), scores(owner)
    task = wm.Splits("few", LOOT, classes=range(10))
    triggers = wm.Noise()(task, n=4, key=wm.CLASSROOM_KEY)
    once = {"on_epoch": lambda _: True}
    marked = Overwrite(triggers, lr=1e-3)(owner, LOOT, **once)
    service, fresh = wm.BlackBox(own_copy(owner)), own_copy(owner).requires_grad_()
    imitation = StealByQueries(12, schedule=wm.Schedule(1, 1e-3))(service, fresh, LOOT)
    for each in (marked, imitation):
        assert further(scores(each.model.eval()), said, said - said.mean(0)) > 0.002
    if isinstance(owner, Words):
        with pytest.raises(ValueError, match="gradient"):
            InvertModel(steps=1)(owner, LOOT)
        return
    few, many = (InvertModel("noise", steps=steps)(owner, LOOT) for steps in (1, 4))
    assert np.abs(many.images - few.images).max() > 0.001
    assert everything(owner) == before


class Listed(nn.Module):
    """Half of its layers are where torch does not look."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.scores = [linear()], nn.Linear(24, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.scores(self.first[0](nn.functional.avg_pool2d(images, 4).flatten(1)).relu())


class Rounded(nn.Module):
    """Half of its weights are whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        whole = torch.randint(-9, 10, (192, 24), dtype=torch.int8)
        self.whole, self.scores = nn.Parameter(whole, requires_grad=False), nn.Linear(24, 10)

    def forward(self, images: Tensor) -> Tensor:
        rows = nn.functional.avg_pool2d(images, 4).flatten(1)
        return self.scores((rows @ self.whole.float()).relu())


class Lazy(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.LazyLinear(10))


@pytest.mark.filterwarnings("ignore:Lazy modules")
@pytest.mark.parametrize("kind", [Listed, Rounded, Lazy])
def test_weights_out_of_reach_are_not_passed_over(says, kind):
    network = kind()
    for theft in (Prune(0.5), FineTune(1), InvertModel(steps=1)):
        with says(ValueError):
            theft(network, LOOT)
    assert kind is not Lazy or nn.parameter.is_lazy(network[1].weight)


def test_thieves_who_hold_the_weights_are_called_alike():
    network = head(linear())
    task = wm.Splits("few", LOOT, classes=range(10))
    overwrite = Overwrite(wm.Noise()(task, n=4, key=wm.CLASSROOM_KEY), epochs=1)
    altering = [Prune(0.5), Quantize(3), PerturbWeights(0.1), FineTune(1), InvertModel(steps=1)]
    for theft in (*altering, overwrite):
        assert theft(network, loot=LOOT, on_epoch=lambda _: True, threads=1) is not None
