"""A network as thieves use it: with plain weights, and its layers in the order they run."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize, prune, remove_spectral_norm, remove_weight_norm
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from wmlearn._random import stable_rng
from wmlearn.training._inference import (
    answer,
    as_input,
    check_model,
    check_open,
    own_copy,
    weight_of,
)

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
    """Return a copy of a model, in evaluation mode, with plain weights.

    Parametrisations are replaced by their results: weight and spectral norm, orthogonality, LoRA,
    masks of a pruning. Otherwise changed weights would be computed again before the next image.
    """
    check_open(check_model(model))
    # torch.compile would not notice changes to the weights.
    held: dict[int, Any] = {}
    copied = own_copy(getattr(model, "_orig_mod", model), held).eval()
    weights = {each for each in held.values() if isinstance(each, nn.Parameter)}
    _check_within_reach(copied, weights)
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
    return copied.requires_grad_()  # a thief may train layers that the owner froze


def _check_within_reach(model: nn.Module, weights: set[nn.Parameter]) -> None:
    """Refuse a model with weights that a theft would miss: surviving it would mean nothing."""
    trouble = ""
    if any(map(nn.parameter.is_lazy, weights)):
        trouble = "some do not exist before its first image. Show it one"
    elif not weights.issubset(model.parameters()):
        trouble = "some are in a plain list. Use an nn.ModuleList or nn.ParameterList"
    elif not all(each.is_floating_point() or each.is_complex() for each in weights):
        trouble = "some are whole numbers. Take the model that they were rounded from"
    if trouble:
        raise ValueError(
            "model must have weights that a thief can reach, floats among its parameters(); of "
            f"those of {type(model).__name__} {trouble}."
        )


def _settle(layer: Any) -> None:
    """Replace parametrisations by the weights that they compute.

    torch's own `remove_parametrizations` would change the class, which the original model shares.
    """
    with torch.no_grad():
        computed = {name: getattr(layer, name).clone() for name in layer.parametrizations}
    del layer.parametrizations
    layer.__class__ = type(layer).__bases__[0]
    for name, weights in computed.items():
        setattr(layer, name, nn.Parameter(weights))


def matrices(model: nn.Module) -> list[Tensor]:
    """Return the weight matrices of a model in its order, shared ones once, as views to change.

    They are those of all kinds of layers, also a user's own, but no biases, scales or tokens.

    Raises
    ------
    ValueError
        If there are none.
    """
    found = []
    for weights in model.parameters():
        long = sum(length > 1 for length in weights.shape)
        if weights.dim() == 2 or long > 1:
            plain = weights.detach()
            found.append(torch.view_as_real(plain) if plain.is_complex() else plain)
    if not found:
        raise ValueError(
            f"model must have weights to change; {type(model).__name__} has none among its "
            "parameters(). Register them, or take another theft."
        )
    return found


class Layers:
    """The layers of a model in the order in which they run on one image.

    If that order is not known, as there is no image shape or the model is compiled, they are in the
    order of the model.

    Parameters
    ----------
    model : a model in evaluation mode
    shape : the shape (c, h, w) of one image, or None
    """

    def __init__(self, model: nn.Module, shape: Sequence[int] | None) -> None:
        self._model = model
        self._ran: list[nn.Module] = []
        self._behind: dict[nn.Module, nn.Module] = {}
        self._said: list[tuple[nn.Module, Any]] = []
        self._used: set[Tensor] = set()
        if shape is not None:
            self._run(shape)
        if not self.of(LAYERS):
            self._ran = list(model.modules())
            self._behind = dict(pairwise(self._ran))

    @torch.enable_grad()
    def _run(self, shape: Sequence[int]) -> None:
        hooks = [part.register_forward_hook(self._note) for part in self._model.modules()]
        # Not blank, as a network may divide by the contrast of an image.
        image = torch.from_numpy(stable_rng(0).random_sample((1, *shape)).astype("float32"))
        scores = answer(self._model, as_input(image, weight_of(self._model)))
        for hook in hooks:
            hook.remove()
        self._said.clear()
        behind, seen = [scores.grad_fn], set()
        while behind:
            step = behind.pop()
            if step is not None and step not in seen:
                seen.add(step)
                behind += [before for before, _ in step.next_functions]
        self._used = {step.variable for step in seen if hasattr(step, "variable")}

    def _note(self, layer: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        for before, said in self._said:
            if inputs and inputs[0] is said:
                self._behind.setdefault(before, layer)
        self._said.append((layer, output))
        self._ran.append(layer)

    def of(self, kinds: tuple[type[L], ...]) -> list[L]:
        """Return the layers of these kinds, each once, in order."""
        return list(dict.fromkeys(part for part in self._ran if isinstance(part, kinds)))

    def last(self, kinds: tuple[type[L], ...]) -> L:
        """Return the last layer of these kinds on which the scores depend, as far as is known.

        Raises
        ------
        ValueError
            If there is none.
        """
        found = self.of(kinds)
        used = [each for each in found if not self._used.isdisjoint(each.parameters())]
        if found:
            return (used or found)[-1]
        wanted = "a convolution" if kinds == CONVOLUTIONS else "a convolution or a linear layer"
        raise ValueError(
            f"model must have {wanted} to change; {type(self._model).__name__} has none. Take "
            "another theft."
        )

    def normalised(self, layer: nn.Module) -> nn.Module | None:
        """Return the normalisation layer directly after a convolution, if there is one."""
        after = self._behind.get(layer)
        return after if isinstance(after, NORMALISATIONS) else None
