"""The evidence for a claim: sealed questions, a suspect's answers, a verdict, and a judge who need
not trust anyone.

Nothing here can see a network: a suspect is a function from images to labels, and torch is never
loaded. This folder can be read, audited or published alone.

Imports: ground.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
