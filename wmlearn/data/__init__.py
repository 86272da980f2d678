"""Images with their labels, as a task in three parts: what ships, what is fetched, what is one's
own.

`splits` has the types and `load_data`; the private files read what ships and what others publish,
and know both by their SHA-256.

Imports: ground.
"""

import lazy_loader as _lazy

__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
