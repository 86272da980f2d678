"""What thieves do with a model: classes whose objects are called on a model and leave it unchanged.

Thieves who hold the weights modify them (`Prune`, `Quantize`, `PerturbWeights`), train them further
(`FineTune`, `FinePrune`, `Overwrite`) or search them for what they expect to see (`InvertModel`).
Thieves who can only send queries imitate the model (`StealByQueries`). Thieves who serve a stolen
model hide its watermark (`Jpeg`, `Blur`, `Squeeze`, `AddNoise`, `RejectUnusual`), also behind
several models at once (`Vote`).

Besides its own call, every theft except `InvertModel` and `Vote` has one with the same form for
all, which `wm.sweep` and `wm.TheftLab` use: `theft.deploy(owner, context)` returns a `Deployment`,
with the service that answers in the end, the network behind it and the cost. A theft of your own is
a frozen dataclass derived from `Theft` that also has a `deploy`.

Imports: ground, data, evidence, triggers, training, service, watermarks.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
