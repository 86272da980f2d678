from .history import Epoch, Fitted, History
from .loop import accuracy, fit
from .models import deep_cnn, small_cnn
from .schedule import OneCycle

__all__ = [
    "Epoch",
    "Fitted",
    "History",
    "OneCycle",
    "accuracy",
    "deep_cnn",
    "fit",
    "small_cnn",
]
