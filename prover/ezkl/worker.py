"""The process in which ezkl runs: `python worker.py`, a list of steps as JSON on stdin, one JSON line on
stdout for each.

A process of its own, because ezkl's calls hold the interpreter for minutes, may abort it, and use gigabytes
that are to be counted. It imports nothing of ours. A step is [name, arguments]; a line is {"begun": name},
then {"done": result}, or at last {"failed": reason}.
"""

import asyncio
import contextlib
import ctypes
import inspect
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import ezkl


async def settings(model: str, output: str, run_args: dict[str, Any]) -> object:
    """Count rows, tables and columns for these arguments, and write ezkl's settings."""
    args = ezkl.PyRunArgs()
    for name, value in run_args.items():
        setattr(args, name, tuple(value) if isinstance(value, list) else value)
    await finished(ezkl.gen_settings(model, output, py_run_args=args))
    return json.loads(Path(output).read_text())


async def compile(model: str, compiled: str, settings: str) -> None:
    """Compile the model with the settings."""
    await finished(ezkl.compile_circuit(model, compiled, settings))


async def keys(compiled: str, vk: str, pk: str, srs: str) -> None:
    """Make the proving and the verifying key."""
    await finished(ezkl.setup(compiled, vk, pk, srs, None, False))


async def solidity(vk: str, settings: str, srs: str, source: str) -> None:
    """Write the verifier contract's source. The call goes on to fetch a compiler, and fails: the source is
    there by then.
    """
    with contextlib.suppress(RuntimeError):
        await finished(ezkl.create_evm_verifier(vk, settings, source, source + ".abi", srs, False))
    if not Path(source).read_text().rstrip().endswith("}"):
        raise RuntimeError("ezkl wrote no complete Solidity source")


async def witness(data: str, compiled: str, output: str) -> object:
    """Compute the witness and write it to a file."""
    await finished(ezkl.gen_witness(data, compiled, output, None, None))
    return {"outputs": json.loads(Path(output).read_text())["outputs"]}


async def mock(witness: str, compiled: str) -> bool:
    """Check every constraint on a witness, without a proof."""
    return bool(await finished(ezkl.mock(witness, compiled)))


async def prove(witness: str, compiled: str, pk: str, srs: str, output: str) -> object:
    """Make a proof."""
    await finished(ezkl.prove(witness, compiled, pk, output, srs))
    proof = json.loads(Path(output).read_text())
    return {"instances": proof["instances"], "proof": bytes(proof["proof"]).hex()}


STEPS = {step.__name__: step for step in (settings, compile, keys, solidity, witness, mock, prove)}


async def finished(result: object) -> object:
    """The result of a call that ezkl may have made asynchronous."""
    return await result if inspect.isawaitable(result) else result


def die_with_parent() -> None:
    """Have the kernel kill this process when who started it dies: nobody wants its results then."""
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)


async def main() -> None:
    """Run the steps, and report on a stdout that ezkl cannot write to."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def report(**line: object) -> None:
        print(json.dumps(line), file=out, flush=True)

    for name, arguments in json.load(sys.stdin):
        report(begun=name)
        try:
            result = await STEPS[name](**arguments)
        except BaseException as error:  # a panic of ezkl's is no Exception
            report(failed=f"{type(error).__name__}: {error}")
            return
        report(done=result)


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(main())
