"""A shipped network behind MLServer, in whatever manner its settings ask for."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse
from network import MANNERS, Network


class Shipped(MLModel):
    """Answers as MLServer's own runtimes do: each output by the codec for its kind."""

    async def load(self) -> bool:
        """Read the weights."""
        self.network = Network(self.settings.parameters.uri)
        self.manner = MANNERS[self.name]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Return the outputs for one batch."""
        (given,) = payload.inputs
        batch = NumpyCodec.decode_input(given)
        outputs = []
        answers = self.network.answers(given.name, given.datatype, batch, self.manner)
        for described, values in zip(self.manner.described_outputs, answers):
            codec = StringCodec if described["datatype"] == "BYTES" else NumpyCodec
            outputs.append(codec.encode_output(described["name"], values))
        return InferenceResponse(model_name=self.name, outputs=outputs)
