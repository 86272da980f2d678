from . import stats, theft
from .blackbox import BlackBox, HttpBox
from .commitment import CLASSROOM_KEY
from .data import Split, Splits, load_data
from .embedding import Marked, embed
from .models import small_cnn
from .questions import TriggerSet
from .service import Service, serve
from .training import OneCycle, accuracy, fit
from .triggers import Content, Noise, Unrelated
from .verdict import Verdict
from .verification import verify
from .zoo import load_model

__all__ = [
    "CLASSROOM_KEY",
    "BlackBox",
    "Content",
    "HttpBox",
    "Marked",
    "Noise",
    "OneCycle",
    "Service",
    "Split",
    "Splits",
    "TriggerSet",
    "Unrelated",
    "Verdict",
    "accuracy",
    "embed",
    "fit",
    "load_data",
    "load_model",
    "serve",
    "small_cnn",
    "stats",
    "theft",
    "verify",
]
