from . import stats, theft
from .blackbox import BlackBox, HttpBox
from .commitment import CLASSROOM_KEY
from .data import Split, Splits, load_data
from .embedding import Marked, embed
from .evidence import open_evidence, save_evidence
from .labs.embedding import EmbeddingLab
from .labs.predict import Predict
from .labs.verification import VerificationLab
from .lessons import check
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
    "EmbeddingLab",
    "HttpBox",
    "Marked",
    "Noise",
    "OneCycle",
    "Predict",
    "Service",
    "Split",
    "Splits",
    "TriggerSet",
    "Unrelated",
    "Verdict",
    "VerificationLab",
    "accuracy",
    "check",
    "embed",
    "fit",
    "load_data",
    "load_model",
    "open_evidence",
    "save_evidence",
    "serve",
    "small_cnn",
    "stats",
    "theft",
    "verify",
]
