from . import theft
from .course.checks import check
from .course.tribunal import open_case, score_card
from .data.splits import Split, Splits, load_data
from .evidence import stats
from .evidence.commitment import CLASSROOM_KEY
from .evidence.judging import challenge, judge
from .evidence.opening import Opened, open_leaves, read_opened
from .evidence.storage import log_use, open_evidence, read_log, save_evidence
from .evidence.trigger_set import TriggerSet
from .evidence.verdict import Verdict, Verdicts
from .evidence.verification import verify, verify_all
from .experiments import sweep
from .labs.embedding.lab import EmbeddingLab
from .labs.predict import Predict
from .labs.studio.lab import TriggerStudio
from .labs.theft.lab import TheftLab
from .labs.verification.lab import VerificationLab
from .service._app import Conduct
from .service.blackbox import BlackBox
from .service.remote import HttpBox
from .service.server import Service, serve
from .training.loop import accuracy, fit
from .training.models import deep_cnn, small_cnn
from .training.schedule import OneCycle
from .triggers.composite import Composite
from .triggers.content import Content
from .triggers.noise import Noise
from .triggers.trigger import Trigger
from .triggers.unrelated import Unrelated
from .watermarks.dawn import Dawn
from .watermarks.embedding import Marked, embed
from .watermarks.margin import Margin
from .watermarks.whitebox import Message, embed_message, seal_message, verify_message
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
