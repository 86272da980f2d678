from ._base import Theft
from .deployment import Context, Cost, Deployment, Surrogate
from .evade import AddNoise, Blur, Jpeg, RejectUnusual, Squeeze, Vote
from .imitate import StealByQueries
from .invert import Inverted, InvertModel
from .modify import PerturbWeights, Prune, Quantize
from .tune import FinePrune, FineTune, Overwrite

__all__ = [
    "AddNoise",
    "Blur",
    "Context",
    "Cost",
    "Deployment",
    "FinePrune",
    "FineTune",
    "InvertModel",
    "Inverted",
    "Jpeg",
    "Overwrite",
    "PerturbWeights",
    "Prune",
    "Quantize",
    "RejectUnusual",
    "Squeeze",
    "StealByQueries",
    "Surrogate",
    "Theft",
    "Vote",
]
