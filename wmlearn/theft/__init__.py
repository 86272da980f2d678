"""What thieves do with a model. Each theft is a noun that is called on a model and returns a new one."""

from wmlearn.theft.modify import FineTune, Surrogate

__all__ = ["FineTune", "Surrogate"]
