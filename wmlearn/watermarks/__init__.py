"""What owners do to recognise their networks later: watermarks.

`embedding` trains trigger sets into a network, `margin` makes them last longer, `composite` is a
kind of trigger close to what thieves ask about, `dawn` answers some queries of a service wrongly,
`tilt` lets its answers lean if it is unsure, and `whitebox` writes a message into the weights.

Imports: ground, data, evidence, triggers, training, service.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
