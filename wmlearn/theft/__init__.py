"""What thieves do with a model: nouns that are called on what they took, and leave that as it was.

Thieves who hold the weights alter them (`Prune`, `Quantize`, `PerturbWeights`), train them further
(`FineTune`, `FinePrune`, `Overwrite`) or ask them what they expect to see (`InvertModel`). Those
who may only ask imitate (`StealByQueries`). Those who are asked hide (`Jpeg`, `Blur`, `Squeeze`,
`AddNoise`, `RejectUnusual`), behind several models at once, too (`Vote`).

Besides its own call every theft but `InvertModel` has one that is the same for all, which
`wm.sweep` and `wm.TheftLab` use: `theft.deploy(owner, context)` returns a `Deployment`, that is
what is asked in the end, the network behind it and the cost. A theft of your own is a frozen
dataclass below `Theft` that has a `deploy`, too.

Imports: ground, data, evidence, triggers, training, service, watermarks.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
