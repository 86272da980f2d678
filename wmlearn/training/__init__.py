"""Networks, and the one loop that trains them, on their own device and by default on one thread.

`_inference` is one pass through a network, as a black box answers; it imports torch only at the
first query.

Imports: ground, data.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
