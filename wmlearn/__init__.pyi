from . import stats, theft
from .blackbox import BlackBox, HttpBox
from .commitment import CLASSROOM_KEY
from .composite import Composite
from .countermeasures import Dawn
from .data import Split, Splits, load_data
from .embedding import Marked, embed
from .experiments import sweep
from .evidence import log_use, open_evidence, read_log, save_evidence
from .judge import challenge, judge
from .labs.embedding import EmbeddingLab
from .labs.predict import Predict
from .labs.studio import TriggerStudio
from .labs.theft import TheftLab
from .labs.verification import VerificationLab
from .lessons import check
from .margin import Margin
from .models import deep_cnn, small_cnn
from .opening import Opened, open_leaves, read_opened
from .questions import TriggerSet
from .service import Conduct, Service, serve
from .history import OneCycle
from .training import accuracy, fit
from .tribunal import open_case, score_card
from .trigger import Trigger
from .triggers import Content, Noise, Unrelated
from .verdict import Verdict, Verdicts
from .verification import verify, verify_all
from .whitebox import Message, embed_message, seal_message, verify_message
from .zoo import load_model, null_models

__all__ = [
    "CLASSROOM_KEY",
    "BlackBox",
    "Composite",
    "Conduct",
    "Content",
    "Dawn",
    "EmbeddingLab",
    "HttpBox",
    "Margin",
    "Marked",
    "Message",
    "Noise",
    "OneCycle",
    "Opened",
    "Predict",
    "Service",
    "Split",
    "Splits",
    "TheftLab",
    "Trigger",
    "TriggerSet",
    "TriggerStudio",
    "Unrelated",
    "Verdict",
    "VerificationLab",
    "Verdicts",
    "accuracy",
    "challenge",
    "check",
    "deep_cnn",
    "embed",
    "embed_message",
    "fit",
    "judge",
    "load_data",
    "load_model",
    "log_use",
    "null_models",
    "open_case",
    "open_evidence",
    "open_leaves",
    "read_log",
    "read_opened",
    "save_evidence",
    "score_card",
    "seal_message",
    "serve",
    "small_cnn",
    "stats",
    "sweep",
    "theft",
    "verify",
    "verify_all",
    "verify_message",
]
