"""The kinds of trigger: images whose answers only the owner and a marked network know.

`trigger` is the base from which the published three, composites and a learner's own are derived; it
knows none of them.

Imports: ground, data, evidence.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
