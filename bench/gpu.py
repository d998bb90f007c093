"""The GPU prover, checked and timed against the CPU in one run: `python3 bench/gpu.py`.

It needs CUDA with a GPU, CuPy and NumPy, and no network. Kernels are checked against the CPU on random and
corner values, then timed on both, each beside its floor: the time that its bytes take at the bandwidth that
was measured first, or its products, or permutations of Keccak, at their rate. Then whole proofs are made on
both, compared byte for byte, verified, and timed. What was measured goes to bench/results as JSON after every
step.

    python3 bench/gpu.py                          all
    python3 bench/gpu.py --networks resnet18-32   one network (of bench/gpu_networks.py)
    python3 bench/gpu.py --circuit M.circuit      a compiled model, too
    python3 bench/gpu.py --wheels FOLDER          with Python packages from a folder

Where Verinfer is not installed, its native code is built under build/ first, which takes g++, CMake and
nanobind. Pure-Python packages that are missing (py_ecc, eth-hash and what they need) come from wheels in the
folder: fill it where there is a network, by `pip download --dest FOLDER py_ecc 'eth-hash[pycryptodome]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def prepare(wheels: Path | None) -> None:
    """Make `prover` importable, with its native code."""
    sys.path.insert(0, str(ROOT))
    if wheels is not None:
        target = tempfile.mkdtemp(prefix="verinfer-packages-")
        found = [str(path) for path in sorted(wheels.glob("*.whl"))]
        pip = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-index",
            "--no-deps",
            "--target",
            target,
        ]
        subprocess.run([*pip, *found], check=True)
        sys.path.append(target)
    missing = [name for name in ("numpy", "cupy", "py_ecc", "eth_hash", "rich") if find_spec(name) is None]
    if missing:
        sys.exit(f"missing packages: {', '.join(missing)}; see --help on --wheels")
    if find_spec("prover._kernels") is None or find_spec("circuits._kernels") is None:
        build_native()


def build_native() -> None:
    """Build the native code, and let the packages find it."""
    build = ROOT / "build" / "bench"
    nanobind = subprocess.run(
        [sys.executable, "-m", "nanobind", "--cmake_dir"], capture_output=True, text=True, check=False
    )
    if nanobind.returncode:
        sys.exit("Verinfer's native code is not built, and building it takes nanobind, CMake and g++")
    options = [f"-Dnanobind_DIR={nanobind.stdout.strip()}", f"-DPython_EXECUTABLE={sys.executable}"]
    options += ["-DCMAKE_BUILD_TYPE=Release", "-DSKBUILD_STATE=editable"]
    subprocess.run(["cmake", "-S", str(ROOT), "-B", str(build), *options], check=True)
    threads = str(os.cpu_count() or 1)  # without a number, make starts everything at once
    subprocess.run(["cmake", "--build", str(build), "--parallel", threads], check=True)
    import circuits
    import prover

    circuits.__path__.append(str(build))
    prover.__path__.append(str(build / "prover"))


def main() -> None:
    parser = argparse.ArgumentParser(description="The GPU prover, checked and timed against the CPU.")
    parser.add_argument("--device", type=int, default=0, help="the number of the GPU (0)")
    parser.add_argument("--size", type=int, default=22, help="log2 of the vectors' length (22)")
    parser.add_argument("--networks", nargs="*", help="of bench/gpu_networks.py (all but small)")
    parser.add_argument("--circuit", nargs="*", type=Path, default=[], help="compiled circuits")
    parser.add_argument("--batch", nargs="*", type=int, default=[1], help="samples of a proof (1)")
    parser.add_argument("--chunk-bits", type=int, default=16, help="of all proofs (16)")
    parser.add_argument("--srs", type=Path, help="a folder that keeps reference strings from run to run")
    parser.add_argument("--wheels", type=Path, help="a folder of wheels of missing packages")
    parser.add_argument("--no-cpu-proofs", action="store_true", help="only verify the GPU's proofs")
    parser.add_argument("-o", "--output", type=Path, help="the JSON file (bench/results/gpu-NAME.json)")
    arguments = parser.parse_args()
    prepare(arguments.wheels)
    from bench.gpu_kernels import check_all, floors, time_all
    from bench.gpu_networks import NETWORKS
    from bench.gpu_proofs import Bench
    from circuits.errors import InputError
    from circuits.file import load
    from prover.cuda.cupy_driver import CupyDriver

    try:
        driver = CupyDriver(arguments.device)
    except InputError as error:
        sys.exit(f"nothing was measured: {error}")
    name = driver.name.lower().replace("nvidia ", "").replace(" ", "-")
    output = arguments.output or RESULTS / f"gpu-{name}.json"
    result: dict[str, object] = {"gpu": driver.name, "size": arguments.size}

    def keep(key: str, value: object) -> None:
        result[key] = value
        output.write_text(json.dumps(result, indent=1) + "\n")

    print(f"{driver.name}: checking every kernel", flush=True)
    keep("checks", check_all(driver))
    measured = floors(driver)
    keep("bandwidth_bytes", measured.bandwidth)
    keep("products_per_second", measured.products)
    keep("permutations_per_second", measured.permutations)
    print(
        f"{measured.bandwidth / 1e9:,.0f} GB/s, {measured.products / 1e9:.1f} G products/s, "
        f"{measured.permutations / 1e9:.2f} G permutations/s",
        flush=True,
    )
    keep("kernels", time_all(driver, arguments.size, measured))
    bench = Bench(driver, arguments.chunk_bits, arguments.srs, not arguments.no_cpu_proofs)
    names = (
        [each for each in NETWORKS if each != "small"] if arguments.networks is None else arguments.networks
    )
    made = [(each, NETWORKS[each]()) for each in names] + [
        (path.stem, load(path)) for path in arguments.circuit
    ]
    rows: list[object] = []
    for label, circuit in made:
        for batch in arguments.batch:
            rows.append(bench.measure(label, circuit, batch))
            keep("proofs", rows)
    print(f"written to {output}")


if __name__ == "__main__":
    main()
