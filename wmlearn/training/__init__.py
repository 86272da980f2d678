"""Networks, and the one loop that trains them all, where they lie and on one thread.

`_inference` is one pass through a network as a black box answers, and loads torch only when
something is asked.

Imports: ground, data.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
