"""A shipped network behind LitServe, which pickles its API: hence a file of its own.

python litserve_api.py PORT WEIGHTS.npz
"""

import sys

import litserve
import numpy as np
from api_server import label
from network import Network


class Shipped(litserve.LitAPI):
    """Takes a list of pixels from 0 to 1, and answers a class."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def setup(self, device):
        """Read the weights, in the process that works."""
        self.network = Network(self.path)

    def decode_request(self, request):
        """Return the pixels of one image."""
        return np.array(request["input"]) * 255

    def predict(self, pixels):
        """Return the class of one image."""
        return label(self.network, pixels)

    def encode_response(self, output):
        """Return what is answered as JSON."""
        return {"output": output}


if __name__ == "__main__":
    port, path = sys.argv[1:]
    server = litserve.LitServer(Shipped(path), accelerator="cpu")
    server.run(host="127.0.0.1", port=int(port), generate_client_file=False)
