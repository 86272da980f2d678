"""Ask `wm.serve` by tritonclient, in its own environment: prints what came back, as JSON.

python ask_by_tritonclient.py HOST:PORT NAME IMAGES.npy
"""

import asyncio
import json
import sys

import numpy as np
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException

PACKED = ("gzip", "deflate")


def asked(images, datatype="FP32", **binary):
    """Return the input of a request."""
    tensor = triton.InferInput("images", list(images.shape), datatype)
    tensor.set_data_from_numpy(images, **binary)
    return [tensor]


def main(address, name, path):
    """Return the labels by every way there is, and what else the client wants to know."""
    images = np.load(path)  # UINT8
    real = (images / 255).astype(np.float32)
    labels = lambda result: result.as_numpy("labels").tolist()  # noqa: E731
    found = {}
    with triton.InferenceServerClient(address) as client:
        found["live"] = client.is_server_live() and client.is_server_ready()
        versions = ("", "1", "2")
        found["ready"] = [client.is_model_ready(name, version) for version in versions]
        found["server"] = client.get_server_metadata()
        found["model"] = client.get_model_metadata(name)
        found["version 1"] = client.get_model_metadata(name, "1")

        ways = {"defaults": client.infer(name, asked(real))}
        for kind in (np.float16, np.float64):
            word = f"FP{np.dtype(kind).itemsize * 8}"
            ways[word] = client.infer(name, asked(real.astype(kind), word))
        ways["UINT8"] = client.infer(name, asked(images, "UINT8"))
        ways["JSON there"] = client.infer(name, asked(real, binary_data=False))
        wish = [triton.InferRequestedOutput("labels", binary_data=False)]
        ways["JSON back"] = client.infer(name, asked(real), outputs=wish)
        both = asked(real, binary_data=False)
        ways["JSON both ways"] = client.infer(name, both, outputs=wish)
        ways["version"] = client.infer(name, asked(real), model_version="1")
        for packed in PACKED:
            more = {"request_compression_algorithm": packed}
            more["response_compression_algorithm"] = packed
            ways[packed] = client.infer(name, asked(real), **more)
        ways["asynchronous"] = client.async_infer(name, asked(real)).get_result()
        found["labels"] = {way: labels(result) for way, result in ways.items()}

        named = client.infer(name, asked(real[:1]), request_id="request-17")
        found["id"] = named.get_response()["id"]
        wish = [triton.InferRequestedOutput("scores")]
        try:
            result = client.infer(name, asked(real), outputs=wish)
            found["scores"] = result.as_numpy("scores").tolist()
            found["more than the wish"] = result.as_numpy("labels") is not None
        except InferenceServerException as error:
            found["refused"] = [error.status(), error.message()]
    found["aio"] = asyncio.run(asynchronously(address, name, real))
    return found


async def asynchronously(address, name, real):
    """Return the labels by the client for asyncio, as it is and with both sides compressed."""
    async with triton_aio.InferenceServerClient(address) as client:
        results = [await client.infer(name, asked(real))]
        for packed in PACKED:
            more = {"request_compression_algorithm": packed}
            more["response_compression_algorithm"] = packed
            results.append(await client.infer(name, asked(real), **more))
    return [result.as_numpy("labels").tolist() for result in results]


if __name__ == "__main__":
    json.dump(main(*sys.argv[1:]), sys.stdout)
