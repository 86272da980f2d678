"""A shipped network behind KServe's server for Python, once in each manner.

python kserve_server.py PORT WEIGHTS.npz
"""

import sys

from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from kserve.utils.utils import generate_uuid
from network import MANNERS, Network


class Shipped(Model):
    """A model whose metadata say as much as its manner declares."""

    def __init__(self, name, network):
        super().__init__(name)
        self.network, self.manner = network, MANNERS[name]
        self.ready = True

    def get_input_types(self):
        """Return what the metadata say of the input: nothing, unless this is overridden."""
        return [self.manner.described_input] if self.manner.declared else []

    def get_output_types(self):
        """Return what the metadata say of the outputs: nothing, unless this is overridden."""
        return self.manner.described_outputs if self.manner.declared else []

    def predict(self, payload: InferRequest, headers=None, response_headers=None):
        """Return the outputs for one batch."""
        (given,) = payload.inputs
        outputs = []
        answers = self.network.answers(given.name, given.datatype, given.as_numpy(), self.manner)
        for described, values in zip(self.manner.described_outputs, answers):
            output = InferOutput(described["name"], list(values.shape), described["datatype"])
            output.set_data_from_numpy(values, binary_data=payload.use_binary_outputs)
            outputs.append(output)
        return InferResponse(generate_uuid(), self.name, outputs)


if __name__ == "__main__":
    port, path = sys.argv[1:]
    network = Network(path)
    server = ModelServer(http_port=int(port), enable_grpc=False)
    server.start([Shipped(name, network) for name in MANNERS])
