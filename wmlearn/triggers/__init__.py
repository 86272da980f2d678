"""The kinds of trigger: images whose answers only the owner and a watermarked network know.

`trigger` has the base of all kinds: the three of the paper, and a learner's own.

Imports: ground, data, evidence.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
