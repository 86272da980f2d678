"""Ask `wm.serve` by KServe's client for Python, in its own environment: prints labels as JSON.

python ask_by_kserve.py ADDRESS NAME IMAGES.npy
"""

import asyncio
import json
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput


async def main(address, name, path):
    """Return the labels, asked in JSON and in bytes."""
    images = (np.load(path) / 255).astype(np.float32)
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    found = {"ready": await client.is_model_ready(address, name), "labels": []}
    for as_bytes in (False, True):
        tensor = InferInput("images", list(images.shape), "FP32")
        tensor.set_data_from_numpy(images, binary_data=as_bytes)
        wish = [RequestedOutput("labels", {"binary_data": as_bytes})]
        request = InferRequest(name, [tensor], request_outputs=wish)
        answer = await client.infer(address, request, model_name=name)
        found["labels"].append(answer.outputs[0].as_numpy().tolist())
    return found


if __name__ == "__main__":
    json.dump(asyncio.run(main(*sys.argv[1:])), sys.stdout)
