"""What a claim rests on: sealed questions, a suspect's answers, a verdict, and a judge who needs
nobody's word.

Nothing here can see a network: a suspect is a function from images to labels, and torch is never
loaded. It can be read, audited or published alone.

Imports: ground.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
