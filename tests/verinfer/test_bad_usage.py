"""Wrong arguments, and files that cannot be written: one line, exit code 2, nothing left behind."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.verinfer.conftest import ROOT, Commands, snapshot
from tests.verinfer.hostile_models import floats, model, node
from verifier.srs import SrsStore

USAGE: dict[str, tuple[list[str], str]] = {
    "no such command": (["fly"], "fly"),
    "no such option": (["compile", "tiny.onnx", "--fast"], "--fast.*verinfer compile --help"),
    "no model": (["compile"], "MODEL"),
    "too many arguments": (["run", "tiny.circuit", "tiny.json", "more"], "more"),
    "a word for a number": (["compile", "tiny.onnx", "--bits", "many"], "many"),
    "too few bits": (["compile", "tiny.onnx", "--bits", "3"], "4 to 16"),
    "too many bits": (["compile", "tiny.onnx", "--bits", "17"], "4 to 16"),
    "bits for nobody": (["compile", "tiny.onnx", "--bits-for", "ghost=8"], "ghost"),
    "too many bits for one": (["compile", "tiny.onnx", "--bits-for", "x=99"], "4 to 16"),
    "bits for without a number": (["compile", "tiny.onnx", "--bits-for", "x"], "NAME=NUMBER"),
    "bits for with a superscript": (["compile", "tiny.onnx", "--bits-for", "x=²"], "NAME=NUMBER"),
    "a dimension that is fixed": (["compile", "tiny.onnx", "--dim", "ghost=8"], "ghost"),
    "no such backend": (["setup", "tiny.circuit", "--backend", "magic"], "magic"),
    "chunks for ezkl": (["setup", "tiny.circuit", "--backend", "ezkl", "--chunk-bits", "4"], "no chunks"),
    "chunks too large": (["setup", "tiny.circuit", "--chunk-bits", "40"], "2\\^22"),
    "no threads": (["prove", "tiny.circuit", "tiny.json", "--threads", "0"], "threads"),
    "a backend that is not the key's": (
        ["prove", "tiny.circuit", "tiny.json", "--backend", "ezkl"],
        "--backend sumcheck",
    ),
    "a plot that is a folder": (["bench", "--plot", "."], "is a folder"),
    "inputs for no circuit": (["bench", "--input", "tiny.json"], "--circuit"),
    "no key": (["verify", "tiny.proof"], "--key"),
    "a chain without a contract": (
        ["verify", "tiny.proof", "--key", "tiny.vk", "--rpc", "http://x"],
        "--contract",
    ),
    "no such srs command": (["srs", "melt"], "melt"),
    "srs too large": (["srs", "generate", "--k", "99"], "99|k"),
    "srs too small": (["srs", "generate", "--k", "-1"], "-1|k"),
}


@pytest.mark.parametrize("what", USAGE)
def test_bad_usage_gets_one_line(what: str, commands: Commands, proved: Path) -> None:
    args, says = USAGE[what]
    message = commands.refused(*args, folder=proved)
    assert re.search(says, message), message


def test_the_bare_name_shows_help_and_help_succeeds(commands: Commands, tmp_path: Path) -> None:
    assert commands.run(folder=tmp_path).code == 2
    for args in (["--help"], ["compile", "--help"], ["srs", "--help"], ["srs", "import", "-h"]):
        response = commands.run(*args, folder=tmp_path)
        assert response.code == 0 and "Usage: verinfer" in response.stdout


@pytest.fixture
def workplace(proved: Path, tmp_path: Path) -> Path:
    """A folder of its own with the files of a small proof."""
    shutil.copytree(proved, tmp_path, dirs_exist_ok=True)
    return tmp_path


WRITERS: dict[str, list[str]] = {
    "compile": ["compile", "tiny.onnx", "-o"],
    "inspect": ["inspect", "tiny.circuit", "--svg"],
    "setup": ["setup", "tiny.circuit", "-o"],
    "prove": ["prove", "tiny.circuit", "tiny.json", "-o"],
}


@pytest.mark.parametrize("command", WRITERS)
def test_outputs_that_cannot_be_written_are_refused(
    command: str, commands: Commands, workplace: Path
) -> None:
    (workplace / "folder").mkdir()
    args = WRITERS[command]
    assert "is a folder" in commands.refused(*args, "folder", folder=workplace)
    assert "does not exist" in commands.refused(*args, "nowhere/out", folder=workplace)
    assert "does not exist" in commands.refused(*args, "tiny.onnx/out", folder=workplace)
    assert "not a plain file" in commands.refused(*args, "/dev/full", folder=workplace)
    commands.refused(*args, "/proc/out", folder=workplace, memory=32 << 30)
    commands.refused(*args, "n" * 300, folder=workplace, memory=32 << 30)


@pytest.mark.parametrize(
    ("command", "own"),
    [("compile", "tiny.onnx"), ("inspect", "tiny.circuit"), ("setup", "tiny.circuit")]
    + [("prove", name) for name in ("tiny.circuit", "tiny.json", "tiny.vk")],
)
def test_an_output_never_replaces_an_input(
    command: str, own: str, commands: Commands, workplace: Path
) -> None:
    assert "overwrite" in commands.refused(*WRITERS[command], own, folder=workplace)
    (workplace / "link").symlink_to(workplace / own)
    assert "overwrite" in commands.refused(*WRITERS[command], "link", folder=workplace)


@pytest.mark.parametrize(("command", "room"), [("compile", 512), ("inspect", 512), ("prove", 2000)])
def test_a_full_disk_leaves_what_was_there(
    command: str, room: int, commands: Commands, workplace: Path
) -> None:
    (workplace / "out").write_text("precious")
    message = commands.refused(*WRITERS[command], "out", folder=workplace, file_bytes=room, memory=32 << 30)
    assert "space" in message or "large" in message, message


@pytest.mark.parametrize(("backend", "room"), [("sumcheck", 1024), ("ezkl", 4096)])
def test_a_setup_on_a_full_disk_leaves_no_key(
    backend: str, room: int, commands: Commands, workplace: Path, tmp_path: Path
) -> None:
    """Neither in the folder nor in the cache."""
    home = tmp_path.parent / f"fresh-home-{backend}"
    environment = {"VERINFER_HOME": str(home)}
    commands.json("srs", "generate", "--k", 8, folder=workplace, environment=environment)
    before = snapshot(home)
    args = ["setup", "tiny.circuit", "--backend", backend, "-o", "out.vk"]
    commands.refused(*args, folder=workplace, environment=environment, file_bytes=room, memory=32 << 30)
    assert snapshot(home) == before
    assert commands.run(*args, folder=workplace, environment=environment, memory=32 << 30).code == 0


def test_a_full_disk_behind_stdout_is_told(commands: Commands, proved: Path) -> None:
    for args in (["inspect", "tiny.circuit"], ["run", "tiny.circuit", "tiny.json", "--json"]):
        response = commands.run(*args, folder=proved, stdout="/dev/full")
        assert response.code == 2
        assert response.stderr.strip() == "error: the output: No space left on device"


def test_a_reader_that_goes_away_is_no_fault(proved: Path) -> None:
    command = [sys.executable, "-m", "verinfer.cli", "inspect", str(proved / "tiny.circuit")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_compile_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    rows = [node("MatMul", f"t{i} w", f"t{i + 1}") for i in range(200)]
    made = model([node("Relu", "x", "t0"), *rows, node("Relu", "t200", "y")], [floats("w", 4, 4)])
    (tmp_path / "long.onnx").write_bytes(made.SerializeToString())
    np.save(tmp_path / "data.npy", np.zeros((20_000, 4), np.float32))
    before = snapshot(tmp_path)
    command = [sys.executable, "-m", "verinfer.cli", "compile", "long.onnx", "--calibration", "data.npy"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "importing" in line:
            break
    time.sleep(0.2)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert "Traceback" not in errors
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_proof_leaves_nothing(
    number: signal.Signals, workplace: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    np.save(workplace / "many.npy", np.random.default_rng(0).uniform(-0.1, 0.1, (3000, 4)))
    before = snapshot(workplace)
    environment = {"PYTHONPATH": str(ROOT), "VERINFER_HOME": str(tmp_path_factory.mktemp("home"))}
    SrsStore(Path(environment["VERINFER_HOME"]) / "srs").generate(8)
    process = subprocess.Popen(
        [sys.executable, "-m", "verinfer.cli", "prove", "tiny.circuit", "many.npy"],
        cwd=workplace,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "running the circuit" in line:
            break
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "Traceback" not in errors
    assert snapshot(workplace) == before


def test_names_of_strangers_do_not_reach_the_terminal_as_they_are(commands: Commands, tmp_path: Path) -> None:
    evil = "[/bold][red]\x1b]0;owned\x07\x1b[2J[link=http://x]"
    made = model([node("MatMul", "x w", "y")], [floats("w", 4, 3)])
    for change in (made.graph.input[0], made.graph.output[0], made.graph.node[0]):
        change.name = evil if change is not made.graph.output[0] else "y"
    made.graph.node[0].input[0] = evil
    made.graph.output[0].name = made.graph.node[0].output[0] = evil + "y"
    (tmp_path / "m.onnx").write_bytes(made.SerializeToString())
    np.save(tmp_path / "in.npy", np.zeros((1, 4)))
    for args in (
        ["compile", "m.onnx"],
        ["inspect", "m.circuit", "--svg", "m.svg"],
        ["run", "m.circuit", "in.npy"],
    ):
        response = commands.run(*args, folder=tmp_path)
        assert response.code == 0, response.stderr
        assert "\x1b" not in response.stdout + response.stderr
    assert "[red]" in response.stdout
    np.save(tmp_path / "far.npy", np.full((1, 4), 1e9))
    assert "\x1b" not in commands.refused("run", "m.circuit", "far.npy", folder=tmp_path)
    svg = (tmp_path / "m.svg").read_text()
    assert "\x1b" not in svg and "<red" not in svg
