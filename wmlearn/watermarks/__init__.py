"""What owners do to their networks so that they can be told from others later.

`embedding` teaches trigger sets, `margin` makes that last, `dawn` marks a service's answers,
`tilt` leans where a service is unsure, `whitebox` writes into the weights.

Imports: ground, data, evidence, training, service.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
