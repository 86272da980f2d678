from .history import Epoch, Fitted, History
from .loop import accuracy, fit
from .models import deep_cnn, small_cnn
from .paper import paper_cnn
from .schedule import Schedule

__all__ = [
    "Epoch",
    "Fitted",
    "History",
    "Schedule",
    "accuracy",
    "deep_cnn",
    "fit",
    "paper_cnn",
    "small_cnn",
]
