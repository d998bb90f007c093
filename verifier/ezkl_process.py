"""The process in which the ezkl library checks proofs: `python ezkl_process.py FOLDER`.

FOLDER holds one key's `settings.json`, `vk` and `head.srs`. Says {"ready": true} on stdout, then answers each
line of stdin, {"proof": hex, "instances": [hex, ...]}, with {"valid": true} or {"valid": false, "reason":
text}. It imports nothing of ours; whatever bytes make the library do, they do it here.
"""

import json
import os
import sys
from pathlib import Path

import ezkl


def check(folder: Path, request: dict[str, object]) -> None:
    """Raise an exception unless the proof is valid."""
    proof = {
        "protocol": None,
        "instances": [request["instances"]],
        "proof": list(bytes.fromhex(str(request["proof"]))),
        "hex_proof": None,
        "split": None,
        "pretty_public_inputs": None,
        "timestamp": None,
        "version": None,
    }
    path = folder / "proof.json"
    path.write_text(json.dumps(proof))
    settings, vk, srs = (str(folder / name) for name in ("settings.json", "vk", "head.srs"))
    if ezkl.verify(str(path), settings, vk, srs, True) is not True:
        raise ValueError("the proof is invalid")


def main() -> None:
    """Answer requests until stdin ends, on a stdout that the library cannot write to."""
    folder = Path(sys.argv[1])
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"ready": True}), file=out, flush=True)
    for line in sys.stdin:
        try:
            check(folder, json.loads(line))
            answer: dict[str, object] = {"valid": True}
        except BaseException as error:  # a panic of the library's is no Exception
            answer = {"valid": False, "reason": str(error)[:500]}
        print(json.dumps(answer), file=out, flush=True)


if __name__ == "__main__":
    main()
