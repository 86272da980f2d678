"""A shipped network behind servers that have no common protocol, each as its own guide sets it up.

python api_server.py bentoml|gradio PORT WEIGHTS.npz
"""

import sys

import numpy as np
from network import MANNERS, Network


def label(network, pixels):
    """Return the label of one image, numbers from 0 to 255 in any shape of 784."""
    batch = np.asarray(pixels, np.float32).reshape(1, 1, 28, 28) / 255
    return int(network.answers("images", "FP32", batch, MANNERS["fp32"])[0][0])


def bentoml(port, network):
    """Serve an upload: a picture, and the name of its class."""
    import bentoml
    from PIL.Image import Image

    @bentoml.service
    class Shipped:
        @bentoml.api
        def predict(self, file: Image) -> dict:
            return {"label": f"digit {label(network, file)}", "score": 0.9}

    import uvicorn

    uvicorn.run(Shipped.to_asgi(), host="127.0.0.1", port=port)


def gradio(port, network):
    """Serve a page with a picture and its classes, best first."""
    import gradio

    def predict(picture):  # by whose name it is called
        best = label(network, picture)
        return {str(number): 0.9 if number == best else 0.01 for number in range(10)}

    page = gradio.Interface(
        predict, gradio.Image(image_mode="L", height=28, width=28), gradio.Label(num_top_classes=3)
    )
    page.launch(server_name="127.0.0.1", server_port=port)


if __name__ == "__main__":
    kind, port, path = sys.argv[1:]
    globals()[kind](int(port), Network(path))
