from . import course, data, evidence, theft, training, watermarks
from .course.checks import check
from .data.splits import Splits, load_data
from .evidence import stats
from .evidence.commitment import CLASSROOM_KEY
from .evidence.sequential import SequentialTest
from .evidence.verification import verify, verify_all
from .experiments import sweep
from .figures import show, style
from .labs.embedding.lab import EmbeddingLab
from .labs.lottery.lab import LotteryLab
from .labs.prediction import Predict
from .labs.studio.lab import TriggerStudio
from .labs.theft.lab import TheftLab
from .labs.tribunal.lab import TribunalBoard
from .labs.verification.lab import VerificationLab
from .service.options import ServiceOptions
from .service.blackbox import BlackBox
from .service.remote import RemoteModel
from .service.server import serve
from .training.loop import accuracy, fit
from .training.models import small_cnn
from .training.schedule import Schedule
from .triggers.content import Content
from .triggers.noise import Noise
from .triggers.trigger import Trigger
from .triggers.unrelated import Unrelated
from .watermarks.embedding import embed
from .zoo import load_model, null_models, save_model

__all__ = [
    "BlackBox",
    "CLASSROOM_KEY",
    "Content",
    "EmbeddingLab",
    "LotteryLab",
    "Noise",
    "Predict",
    "RemoteModel",
    "Schedule",
    "SequentialTest",
    "ServiceOptions",
    "Splits",
    "TheftLab",
    "Trigger",
    "TriggerStudio",
    "TribunalBoard",
    "Unrelated",
    "VerificationLab",
    "accuracy",
    "check",
    "course",
    "data",
    "embed",
    "evidence",
    "fit",
    "load_data",
    "load_model",
    "null_models",
    "save_model",
    "serve",
    "show",
    "small_cnn",
    "stats",
    "style",
    "sweep",
    "theft",
    "training",
    "verify",
    "verify_all",
    "watermarks",
]
