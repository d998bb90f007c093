"""Where the digits example lies: models, data and all that `verinfer demo` reads."""

from pathlib import Path


def digits() -> Path:
    """Return the folder with `cnn.onnx`, `mlp.onnx`, `calibration.npz`, `heldout.npz` and `sample.json`.

    An installed Verinfer carries a copy inside this package; a checkout, or an editable install of one, has
    the original under `examples/`.
    """
    package = Path(__file__).parent
    installed = package / "data" / "digits"
    return installed if installed.is_dir() else package.parent / "examples" / "digits"
