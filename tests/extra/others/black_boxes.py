"""Ask real models that are no torch modules through `wm.BlackBox`, as if there were no torch, and
print as JSON what came of each.

python black_boxes.py EVIDENCE WEIGHTS.npz
"""

import json
import sys

import numpy as np
import onnxruntime
from run_howto import write_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import wmlearn as wm

sys.modules["torch"] = None  # whatever has come along


def told(suspect, triggers):
    """Return what a test of a suspect found, and whether its scores are highest where it says."""
    verdict = wm.verify(suspect, triggers)
    images = triggers.images[:50]
    agree = (suspect.scores(images).argmax(axis=1) == suspect(images)).mean()
    return {"k": verdict.k, "n": verdict.n, "agree": float(agree)}


def served(suspect, triggers):
    """Return what a test over HTTP found."""
    suspect.input_shape = triggers.images.shape[1:]
    with wm.serve(suspect, name="other") as service, wm.RemoteModel(service.url) as remote:
        return {"k": wm.verify(remote, triggers).k, "queries": service.queries}


triggers = wm.evidence.open_evidence(sys.argv[1])
write_onnx(sys.argv[2], "model.onnx")
session = wm.BlackBox(onnxruntime.InferenceSession("model.onnx"), scores=True)
rows = triggers.images.reshape(len(triggers.images), -1)
names = [f"digit {label}" for label in range(10)]
by_name = np.array(names)[triggers.labels]
found = {
    "ONNX Runtime": told(session, triggers),
    "ONNX Runtime, served": served(session, triggers),
}
for name, model, labels, classes in [
    ("numbers", KNeighborsClassifier(1), triggers.labels, ()),
    ("names", make_pipeline(StandardScaler(), LogisticRegression()), by_name, names),
    ("names as objects", KNeighborsClassifier(1), by_name.astype(object), names),
]:
    suspect = wm.BlackBox(model.fit(rows, labels), scores=True, classes=classes)
    found[f"scikit-learn, {name}"] = told(suspect, triggers)
filtered = wm.theft.Squeeze(8)(session)
found["a filter"] = {"k": wm.verify(filtered, triggers).k, "repr": repr(filtered)}
json.dump(found, sys.stdout)
