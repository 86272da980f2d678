"""What a claim rests on: sealed questions, a suspect's answers, a verdict, and a judge who needs
nobody's word.

Nothing here can see a network: a suspect is a function from images to labels, and torch is never
loaded. It can be read, audited or published alone.

Imports: ground.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
