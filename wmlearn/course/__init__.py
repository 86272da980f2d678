"""What the lessons need besides the method: exercises and their hints, copies for the learner, the
tribunal.

`checks` judges answers, `journal` keeps what is done and says what is next, `connection` brings
what the kernel says to the page at once, `copies` clears lessons, `environment` looks at the
machine, `tribunal` and `_cases` make and score the final exam.

Imports: ground, data, evidence, triggers, training, service, watermarks, theft, zoo.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
