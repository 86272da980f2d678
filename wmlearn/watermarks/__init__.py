"""What owners do to their networks so that they can be told from others later.

`embedding` teaches trigger sets, `margin` makes that last, `dawn` marks a service's answers,
`whitebox` writes into the weights.

Imports: ground, data, evidence, training.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
