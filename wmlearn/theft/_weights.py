"""A network as a thief handles it: with plain weights, and its layers as they run."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from wmlearn._random import stable_rng
from wmlearn._types import Images
from wmlearn.training._inference import check_open, own_copy, predict

Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
CONVOLUTIONS: tuple[type[Convolution], ...] = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
LAYERS: tuple[type[Convolution | nn.Linear], ...] = (*CONVOLUTIONS, nn.Linear)
NORMALISATIONS = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.GroupNorm,
)
L = TypeVar("L", bound=nn.Module)


def plain_copy(model: nn.Module) -> nn.Module:
    """Return a copy of a model, in evaluation mode, whose weights are those it computes with.

    What computed them from others is gone: weight and spectral norm, orthogonality, LoRA, the masks
    of a pruning. Weights that are written to would be computed anew before the next image.
    """
    check_open(model)
    model = getattr(model, "_orig_mod", model)  # torch.compile would not see what is done to it
    copied = own_copy(model).eval()
    if any(map(nn.parameter.is_lazy, copied.parameters())):
        raise ValueError(
            f"model must have weights to steal; layers of {type(model).__name__} have none before "
            "their first image. Show it one."
        )
    for layer in list(copied.modules()):
        if parametrize.is_parametrized(layer):
            _settle(layer)
        for hook in list(layer._forward_pre_hooks.values()):
            match hook:
                case WeightNorm():
                    remove_weight_norm(layer, hook.name)
                case SpectralNorm():
                    remove_spectral_norm(layer, hook.name)
                case prune.BasePruningMethod():
                    prune.remove(layer, hook._tensor_name)
    return copied


def _settle(layer: Any) -> None:
    """Put what parametrisations compute in their place.

    torch's own `remove_parametrizations` would take them from the class, which the original shares.
    """
    with torch.no_grad():
        computed = {name: getattr(layer, name).clone() for name in layer.parametrizations}
    del layer.parametrizations
    layer.__class__ = type(layer).__bases__[0]
    for name, weights in computed.items():
        setattr(layer, name, nn.Parameter(weights))


def matrices(model: nn.Module) -> list[Tensor]:
    """Return the weights of a model by which it multiplies, in its order, shared ones once: of
    layers of every kind and of one's own, but no biases, scales and tokens.
    """
    found = []
    for weights in model.parameters():
        long = sum(length > 1 for length in weights.shape)
        if weights.is_floating_point() and (weights.dim() == 2 or long > 1):
            found.append(weights.detach())
    if not found:
        raise ValueError(
            f"model must have weights to alter; {type(model).__name__} has none. Take another "
            "theft."
        )
    return found


class Layers:
    """The layers of a model in the order in which they run on one image.

    Where that is not known, because no images are at hand or the model is compiled, they come in
    the order of the model.

    Parameters
    ----------
    model : in evaluation mode
    shape : (c, h, w) of one image, or None
    """

    def __init__(self, model: nn.Module, shape: Sequence[int] | None) -> None:
        self._model = model
        self._ran: list[nn.Module] = []
        self._behind: dict[nn.Module, nn.Module] = {}
        self._said: list[tuple[nn.Module, Any]] = []
        if shape is not None:
            # Not blank: a network may divide by an image's own contrast.
            self._run(stable_rng(0).random_sample((1, *shape)).astype("float32"))
        if not self.of(LAYERS):
            self._ran = list(model.modules())
            self._behind = dict(pairwise(self._ran))

    def _run(self, image: Images) -> None:
        hooks = [part.register_forward_hook(self._note) for part in self._model.modules()]
        predict(self._model, image)
        for hook in hooks:
            hook.remove()
        self._said.clear()

    def _note(self, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        for before, said in self._said:
            if inputs and inputs[0] is said:
                self._behind.setdefault(before, layer)
        self._said.append((layer, output))
        self._ran.append(layer)

    def of(self, kinds: tuple[type[L], ...]) -> list[L]:
        """Return the layers of some kinds, each once."""
        return list(dict.fromkeys(part for part in self._ran if isinstance(part, kinds)))

    def last(self, kinds: tuple[type[L], ...]) -> L:
        """Return the last layer of some kinds, or say that there is none."""
        found = self.of(kinds)
        if found:
            return found[-1]
        wanted = "a convolution" if kinds == CONVOLUTIONS else "a convolution or a linear layer"
        raise ValueError(
            f"model must have {wanted} to alter; {type(self._model).__name__} has none. Take "
            "another theft."
        )

    def normalised(self, layer: nn.Module) -> nn.Module | None:
        """Return the normalisation by channel that is right behind a convolution, if one is."""
        after = self._behind.get(layer)
        return after if isinstance(after, NORMALISATIONS) else None
