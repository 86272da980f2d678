"""What thieves do with a model: nouns that are called on what they took, and leave that as it was.

Who holds the weights alters them (`Prune`, `Quantize`, `PerturbWeights`), trains them further (`FineTune`, `FinePrune`,
`Overwrite`) or asks them what they expect to see (`InvertModel`). Who may only ask imitates (`StealByQueries`). Who is
asked hides (`Jpeg`, `Blur`, `Squeeze`, `AddNoise`, `RejectUnusual`, `Vote`).
"""

from wmlearn.theft.evade import AddNoise, Blur, Jpeg, RejectUnusual, Squeeze, Vote
from wmlearn.theft.imitate import StealByQueries
from wmlearn.theft.invert import Inverted, InvertModel
from wmlearn.theft.modify import PerturbWeights, Prune, Quantize, Surrogate
from wmlearn.theft.tune import FinePrune, FineTune, Overwrite

# fmt: off
__all__ = [
    "AddNoise", "Blur", "FinePrune", "FineTune", "InvertModel", "Inverted", "Jpeg", "Overwrite", "PerturbWeights",
    "Prune", "Quantize", "RejectUnusual", "Squeeze", "StealByQueries", "Surrogate", "Vote",
]
