"""The kinds of trigger: images whose answers only the owner and a marked network know.

`trigger` is the base from which the published three, composites and a learner's own are derived; it
knows none of them.

Imports: ground, data, evidence.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
