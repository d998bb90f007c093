"""Model inputs from files: every format, every way of shaping a batch, and everything that must be
refused."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.builder import CircuitBuilder
from circuits.circuit import Circuit, Kind, Port
from circuits.data import inputs_of, load_inputs, match, quantise_inputs, read_arrays, real_outputs
from circuits.errors import BoundError, InputError


def circuit(
    shape: tuple[int, ...] = (1, 4), lo: int = -100, hi: int = 100, scale: float = 0.5, kind: Kind = "real"
) -> Circuit:
    """The sum of its input with itself."""
    b = CircuitBuilder()
    x = b.input("x", shape, lo, hi, scale, kind)
    return b.build([Port("y", b.add("add", [x, x]), scale, kind)], {})


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def text(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def npy_bytes(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


# -- what is read
# ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "i8", "u1", "u8", "?"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_come_back_as_they_were_saved(tmp_path: Path, dtype: str, order: Any) -> None:
    array = np.array(np.arange(24).reshape(2, 3, 4) % 2, dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", array)
    np.savez_compressed(tmp_path / "a.npz", first=array, second=array.T)
    (single,), names, integers = read_arrays(tmp_path / "a.npy")
    assert names is None and not integers
    assert single.dtype == array.dtype and np.array_equal(single, array)
    several, names, integers = read_arrays(tmp_path / "a.npz")
    assert names == ["first", "second"] and not integers
    assert np.array_equal(several[0], array) and np.array_equal(several[1], array.T)


def test_inputs_of_an_archive_are_taken_by_name_whatever_their_order(tmp_path: Path) -> None:
    arrays, names, _ = read_arrays(
        npz(tmp_path / "a.npz", b=np.full((1, 2), 2), a=np.full((1, 2), 1), extra=0)
    )
    first, second = match(arrays, names, [("a", (1, 2)), ("b", (1, 2))], "a.npz")
    assert first.tolist() == [[[1, 1]]] and second.tolist() == [[[2, 2]]]


def test_names_that_the_model_does_not_have_are_taken_in_order() -> None:
    first, second = match([np.zeros(2), np.ones(2)], ["arr_0", "arr_1"], [("a", (1, 2)), ("b", (1, 2))], "f")
    assert first.sum() == 0 and second.sum() == 2


@pytest.mark.parametrize(
    ("given_shape", "port_shape", "batch"),
    [
        ((4,), (1, 4), 1),
        ((1, 4), (1, 4), 1),
        ((3, 4), (1, 4), 3),
        ((3, 1, 4), (1, 4), 3),
        ((4,), (4,), 1),
        ((3, 4), (4,), 3),
        ((12,), (1, 3, 4), 1),
        ((5, 3, 4), (1, 3, 4), 5),
        ((3, 4), (3, 4), 1),
        ((7, 3, 4), (3, 4), 7),
        ((), (), 1),
        ((6,), (), 6),
        ((6,), (1,), 6),
        ((1, 12), (1, 3, 4), 1),
        ((5, 12), (1, 3, 4), 5),
        ((12, 12), (3, 4), 12),
        ((3, 1), (), 3),
    ],
)
def test_batches_are_recognised(
    given_shape: tuple[int, ...], port_shape: tuple[int, ...], batch: int
) -> None:
    array = np.arange(np.prod(given_shape, dtype=int)).reshape(given_shape)
    (shaped,) = match([array], None, [("x", port_shape)], "f")
    assert shaped.shape == (batch, *port_shape)
    assert shaped.reshape(-1).tolist() == array.reshape(-1).tolist()


def test_json_holds_one_flat_list_for_each_input(tmp_path: Path) -> None:
    path = text(tmp_path / "a.json", {"input_data": [[0.5, -1, 2, 1e1]], "note": "more keys do no harm"})
    assert load_inputs(circuit(), path)[0].tolist() == [[[1, -2, 4, 20]]]
    path = text(tmp_path / "b.json", {"input_ints": [[1, -2, 4, 20]]})
    assert load_inputs(circuit(), path)[0].tolist() == [[[1, -2, 4, 20]]]


def test_json_holds_a_list_of_flat_samples(tmp_path: Path) -> None:
    path = text(tmp_path / "a.json", {"input_ints": [[[1, -2, 4, 20], [5, 6, 7, 8]]]})
    assert load_inputs(circuit(), path)[0].tolist() == [[[1, -2, 4, 20]], [[5, 6, 7, 8]]]


def test_a_document_that_is_no_file_is_read_alike() -> None:
    assert inputs_of(circuit(), {"input_data": [[[0.5, -1, 2, 1e1]]]}, "f")[0].tolist() == [[[1, -2, 4, 20]]]
    with pytest.raises(InputError, match=r"^the request: 'input_data' must hold numbers"):
        inputs_of(circuit(), {"input_data": [["1"]]}, "the request")


# -- what is refused
# -------------------------------------------------------------------------------------------

NPY = npy_bytes(np.arange(4.0))
BAD_FILES: dict[str, bytes] = {
    "empty.npy": b"",
    "text.npy": b"1 2 3 4",
    "truncated.npy": NPY[:-1],
    "headless.npy": NPY[:20],
    "trailing.npy": NPY + b"\0",
    "version.npy": NPY[:6] + b"\x09" + NPY[7:],
    "huge.npy": NPY.replace(b"(4,)", b"(9999999999999999,)".ljust(4)),
    "objects.npy": npy_bytes(np.array([None, {}], dtype=object)),
    "empty.npz": b"",
    "text.npz": b"PK not really",
    "truncated.npz": b"PK\x03\x04" + bytes(20),
    "empty.json": b"",
    "broken.json": b'{"input_data": [[1, 2',
    "latin.json": b'{"input_data": [[1]], "\xff": 0}',
    "deep.json": b"[" * 100_000,
    "list.json": b"[[1, 2, 3, 4]]",
    "nothing.json": b"{}",
    "both.json": b'{"input_data": [[1]], "input_ints": [[1]]}',
    "number.json": b'{"input_data": 3}',
    "nested.json": b'{"input_data": [[[1, 2], [3, 4]]]}',
    "ragged.json": b'{"input_data": [[[1, 2, 3, 4], [1, 2, 3]]]}',
    "mixed.json": b'{"input_data": [[1, 2, 3, [4]]]}',
    "deeper.json": b'{"input_data": [[[[1, 2, 3, 4]]]]}',
    "words.json": b'{"input_data": [["1", "2", "3", "4"]]}',
    "truth.json": b'{"input_data": [[true, false, true, true]]}',
    "fraction.json": b'{"input_ints": [[1, 2, 3, 4.0]]}',
    "wide.json": b'{"input_ints": [[1, 2, 3, 9223372036854775808]]}',
    "endless.json": b'{"input_data": [[1, 2, 3, ' + b"9" * 400 + b"]]}",
    "digits.json": b'{"input_data": [[1, 2, 3, ' + b"9" * 5000 + b"]]}",
    "notanumber.json": b'{"input_data": [[1, 2, 3, NaN]]}',
    "infinite.json": b'{"input_data": [[1, 2, 3, -Infinity]]}',
    "overflow.json": b'{"input_data": [[1, 2, 3, 1e999]]}',
    "short.json": b'{"input_data": [[1, 2, 3]]}',
    "long.json": b'{"input_data": [[1, 2, 3, 4, 5]]}',
    "none.json": b'{"input_data": []}',
    "hollow.json": b'{"input_data": [[]]}',
    "two.json": b'{"input_data": [[1, 2, 3, 4], [1, 2, 3, 4]]}',
    "picture.png": b"\x89PNG",
    "noname": b"",
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(BAD_FILES[name])
    with pytest.raises(InputError) as caught:
        load_inputs(circuit(), path)
    assert name in str(caught.value) or "'x'" in str(caught.value)


BAD_ARRAYS: dict[str, Any] = {
    "another shape": np.zeros((4, 5)),
    "transposed": np.zeros((4, 1)),
    "empty": np.zeros((0, 4)),
    "without cells": np.zeros((3, 0)),
    "strings": np.array([["a", "b", "c", "d"]]),
    "complex": np.zeros((1, 4), complex),
    "dates": np.zeros((1, 4), "datetime64[s]"),
    "NaN": np.array([[0, 0, 0, np.nan]]),
    "infinity": np.array([[0, 0, 0, -np.inf]]),
    "too large": np.array([[0, 0, 0, 50.3]]),
    "too small": np.array([[0, 0, 0, -50.3]]),
    "far too large": np.array([[0, 0, 0, 1e300]]),
    "records": np.zeros((1, 4), [("a", "f4")]),
}


@pytest.mark.parametrize("what", BAD_ARRAYS)
def test_a_bad_array_is_refused(tmp_path: Path, what: str) -> None:
    for path in (npz(tmp_path / "a.npz", x=BAD_ARRAYS[what]), tmp_path / "a.npy"):
        if path.suffix == ".npy":
            np.save(path, BAD_ARRAYS[what])
        with pytest.raises(InputError, match="'x'"):
            load_inputs(circuit(), path)


def test_arrays_must_be_as_many_as_the_inputs(tmp_path: Path) -> None:
    ports = [("a", (1, 2)), ("b", (1, 2))]
    with pytest.raises(InputError, match=r"holds 1 arrays, the model takes 2: a \[1, 2\], b \[1, 2\]"):
        match([np.zeros(2)], None, ports, "f")
    with pytest.raises(InputError, match="no array called 'b'"):
        match([np.zeros(2), np.zeros(2)], ["a", "c"], ports, "f")
    with pytest.raises(InputError, match="different number of samples"):
        match([np.zeros((3, 2)), np.zeros((4, 2))], None, ports, "f")


def test_an_archive_that_claims_to_unpack_to_terabytes_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    header = npy_bytes(np.zeros(1))[:-8].replace(b"(1,), ", b"(1099511627776,), ")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header)
    with pytest.raises(InputError, match="claims the shape"):
        read_arrays(path)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (0xFFFFFFF0).to_bytes(4, "little")  # the size in the archive's directory
    path.write_bytes(bytes(data))
    with pytest.raises(InputError):
        read_arrays(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [["x.npy", "x.npy"], ["x.txt"], ["x"], ["../x.npy", "../x.npy"]])
def test_an_archive_with_a_file_twice_or_a_file_that_is_no_array_is_refused(
    tmp_path: Path, names: list[str]
) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in names:
            archive.writestr(name, NPY)
    with pytest.raises(InputError, match="no array with a name of its own"):
        read_arrays(tmp_path / "a.npz")


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    for name in ("folder.npz", "missing.npz", "missing.json"):
        with pytest.raises(InputError, match=name.partition(".")[0]):
            read_arrays(tmp_path / name)


# -- quantised
# -------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-50, 50), min_size=4, max_size=4))
def test_reals_go_to_the_nearest_integer_ties_to_even(values: list[float]) -> None:
    (quantised,) = quantise_inputs(circuit(), [np.array([[values]])])
    assert quantised.reshape(-1).tolist() == [round(v / 0.5) for v in values]


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=4, max_size=4))
def test_saturation_clamps_to_the_bound(values: list[float]) -> None:
    (quantised,) = quantise_inputs(circuit(), [np.array([[values]])], saturate=True)
    wanted = [max(-100, min(100, round(max(-1e6, min(1e6, v)) / 0.5))) for v in values]
    assert quantised.reshape(-1).tolist() == wanted


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_pass_untouched_however_large(value: int) -> None:
    wide = circuit((1,), -(2**61), 2**61, 1.0, "int")
    array = np.array([[value]])
    if -(2**61) <= value <= 2**61:
        assert quantise_inputs(wide, [array])[0].item() == value
    else:
        with pytest.raises(BoundError):
            quantise_inputs(wide, [array])
        assert quantise_inputs(wide, [array], saturate=True)[0].item() == (2**61 if value > 0 else -(2**61))


@pytest.mark.parametrize("dtype", ["u1", "u2", "u4", "u8", "i1", "i8"])
def test_integers_of_every_width_are_taken(dtype: str) -> None:
    counts = circuit((1,), 0, 100, 1.0, "int")
    (taken,) = quantise_inputs(counts, [np.array([[99]], dtype=dtype)], saturate=True)
    assert taken.tolist() == [[99]] and taken.dtype == np.int64


def test_unsigned_integers_do_not_wrap() -> None:
    signed = circuit((1,), -5, 5, 1.0, "int")
    array = np.array([[2**64 - 1]], dtype=np.uint64)
    with pytest.raises(BoundError):
        quantise_inputs(signed, [array])
    assert quantise_inputs(signed, [array], saturate=True)[0].item() == 5


def test_integer_inputs_take_no_fractions() -> None:
    whole = circuit((1,), -5, 5, 1.0, "int")
    assert quantise_inputs(whole, [np.array([[3.0]])])[0].item() == 3
    with pytest.raises(InputError, match="fractions"):
        quantise_inputs(whole, [np.array([[3.5]])])


def test_integers_of_a_file_saturate_too(tmp_path: Path) -> None:
    path = text(tmp_path / "a.json", {"input_ints": [[1000, -1000, 3, 4]]})
    assert load_inputs(circuit(), path, saturate=True)[0].tolist() == [[[100, -100, 3, 4]]]


def test_outputs_take_the_type_of_their_port() -> None:
    for kind, dtype in (("real", np.float64), ("int", np.int64), ("bool", np.bool_)):
        scale = 0.5 if kind == "real" else 1.0
        made = circuit((1,), 0, 1, scale, kind)  # type: ignore[arg-type]
        (out,) = real_outputs(made, [np.array([[2]])])
        assert out.dtype == dtype and out.item() == (1.0 if kind == "real" else 2 if kind == "int" else True)
