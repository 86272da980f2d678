"""What the lessons need besides the method: exercises and their hints, copies for the learner, the
tribunal.

`checks` checks answers, `journal` keeps what is done and says what is next, `connection` passes the
kernel's messages to the page without delay, `copies` clears lessons, `environment` checks the
machine, `tribunal` and `_cases` make and score the final exam. `gradebook` makes a table of what a
class handed in; `grading` tries what was built in a notebook, for nbgrader.

Imports: ground, data, evidence, triggers, training, service, watermarks, theft, zoo.
"""

from wmlearn._extras import door as _door

__getattr__, __dir__, __all__ = _door(__name__, __file__)
