"""Networks, and the one loop that trains them all, where they lie and on one thread.

`_inference` is one pass through a network as a black box answers, and loads torch only when
something is asked.

Imports: ground, data.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
