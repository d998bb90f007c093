"""The container of keys and proofs: one encoding for each content, and nothing else is read."""

import json
from typing import Any

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import FormatError, InputError
from verifier.container import MAX_HEADER_BYTES, MAX_SECTIONS, FileKind, decode, encode, read

KIND = FileKind(
    name="specimen",
    magic=b"SPECIMEN",
    version=3,
    max_bytes=1 << 20,
    fields={"text": str, "number": int, "flag": bool},
)
FIELDS: dict[str, Any] = {"text": "zwölf", "number": -12, "flag": False}
SECTIONS = {"a": b"\x00\xff", "b_1": b"", "c": b"last"}


def assemble(header: bytes | dict[str, Any], payload: bytes = b"", version: int = 3) -> bytes:
    """Return a file with any header and payload, and the digest that fits."""
    if isinstance(header, dict):
        header = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    body = b"SPECIMEN" + version.to_bytes(2, "big") + len(header).to_bytes(4, "big") + header + payload
    return body + keccak(body)


def header_of(sections: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {"fields": {**FIELDS, **changes}, "sections": [] if sections is None else sections}


def test_round_trip() -> None:
    assert decode(KIND, encode(KIND, FIELDS, SECTIONS)) == (FIELDS, SECTIONS)


def test_layout_is_as_documented() -> None:
    header = '{"fields":{"flag":false,"number":-12,"text":"zwölf"},"sections":[["a",2],["b_1",0],["c",4]]}'
    assert encode(KIND, FIELDS, SECTIONS) == assemble(header.encode(), b"\x00\xfflast")


@given(
    text=st.text(max_size=30),
    number=st.integers(),
    flag=st.booleans(),
    sections=st.dictionaries(
        st.text("ab_0", max_size=8).map("s".__add__), st.binary(max_size=50), max_size=5
    ),
)
def test_round_trip_of_anything(text: str, number: int, flag: bool, sections: dict[str, bytes]) -> None:
    fields = {"text": text, "number": number, "flag": flag}
    assert decode(KIND, encode(KIND, fields, sections)) == (fields, sections)


def test_every_truncation_is_refused() -> None:
    data = encode(KIND, FIELDS, SECTIONS)
    for length in range(len(data)):
        with pytest.raises(FormatError):
            decode(KIND, data[:length])


def test_every_truncation_with_a_fitting_digest_is_refused() -> None:
    body = encode(KIND, FIELDS, SECTIONS)[:-32]
    for length in range(len(body)):
        with pytest.raises(FormatError):
            decode(KIND, body[:length] + keccak(body[:length]))


def test_every_flipped_bit_is_refused() -> None:
    data = encode(KIND, FIELDS, SECTIONS)
    for position in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[position] ^= 1 << bit
            with pytest.raises(FormatError):
                decode(KIND, bytes(altered))


@given(st.data())
def test_what_is_accepted_is_the_one_encoding(data: st.DataObject) -> None:
    """Bytes changed at random, with a digest that fits: refused, or exactly what the content encodes to."""
    body = bytearray(encode(KIND, FIELDS, SECTIONS)[:-32])
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position] = data.draw(st.integers(0, 255))
    altered = bytes(body) + keccak(bytes(body))
    try:
        content = decode(KIND, altered)
    except FormatError:
        return
    assert encode(KIND, *content) == altered


@pytest.mark.parametrize("extra", [b"\0", b"extra"])
def test_trailing_bytes_are_refused(extra: bytes) -> None:
    data = encode(KIND, FIELDS, SECTIONS)
    with pytest.raises(FormatError, match="digest"):
        decode(KIND, data + extra)
    body = data[:-32] + extra
    with pytest.raises(FormatError, match="add up"):
        decode(KIND, body + keccak(body))


@pytest.mark.parametrize("version", [0, 2, 4, 65535])
def test_other_versions_are_refused(version: int) -> None:
    with pytest.raises(FormatError, match=f"of version {version}; this program reads version 3"):
        decode(KIND, assemble(header_of(), version=version))


def test_other_kinds_are_refused() -> None:
    other = FileKind("other", b"OTHERKIN", 3, 1 << 20, KIND.fields)
    with pytest.raises(FormatError, match="not a Verinfer other"):
        decode(other, encode(KIND, FIELDS, SECTIONS))


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_refused(name: str) -> None:
    fields = {other: value for other, value in FIELDS.items() if other != name}
    with pytest.raises(FormatError, match=f"'{name}' is missing"):
        decode(KIND, assemble({"fields": fields, "sections": []}))
    with pytest.raises(FormatError, match=f"'{name}' is missing"):
        encode(KIND, fields, {})


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(FormatError, match="unknown field 'comment'"):
        decode(KIND, assemble(header_of(comment="hello")))
    with pytest.raises(FormatError, match="unknown field 'comment'"):
        encode(KIND, {**FIELDS, "comment": "hello"}, {})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in FIELDS
        for value in (None, 1.0, 1, True, "1", [], {})
        if type(value) is not KIND.fields[name]
    ],
)
def test_a_field_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(FormatError, match=f"'{name}' is not of type"):
        decode(KIND, assemble(header_of(**{name: value})))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"null",
        b"[]",
        b'{"fields":{},"sections":[]}x',
        b'{"fields":{"flag":false,"number":1,"text":""},"sections":[],"more":1}',
        b'{"fields":{"flag":false,"number":1,"text":""}}',
        b'{"fields":[],"sections":[]}',
        b'{"fields":{"flag":false,"number":1,"text":""},"sections":{}}',
    ],
)
def test_another_header_is_refused(header: bytes) -> None:
    with pytest.raises(FormatError):
        decode(KIND, assemble(header))


@pytest.mark.parametrize(
    "header",
    [
        b'{"fields": {"flag":false,"number":1,"text":""},"sections":[]}',  # a space
        b'{"fields":{"flag":false,"number":1,"text":""},"sections":[]}\n',  # a line feed
        b'{"sections":[],"fields":{"flag":false,"number":1,"text":""}}',  # keys out of order
        b'{"fields":{"number":1,"flag":false,"text":""},"sections":[]}',  # the same, further in
        b'{"fields":{"flag":true,"flag":false,"number":1,"text":""},"sections":[]}',  # a key twice
        b'{"fields":{"flag":false,"number":01,"text":""},"sections":[]}',  # not a JSON number
        b'{"fields":{"flag":false,"number":-0,"text":""},"sections":[]}',  # minus zero
        b'{"fields":{"flag":false,"number":1e0,"text":""},"sections":[]}',  # an integer as a float
        b'{"fields":{"flag":false,"number":NaN,"text":""},"sections":[]}',  # not JSON at all
        b'{"fields":{"flag":false,"number":1e999,"text":""},"sections":[]}',  # infinity
        b'{"fields":{"flag":false,"number":1,"text":"\\u0041"},"sections":[]}',  # an escape nobody needs
        b'{"fields":{"flag":false,"number":1,"text":"\\ud800"},"sections":[]}',  # half a surrogate pair
        b'{"fields":{"flag":false,"number":1,"text":"\xff"},"sections":[]}',  # not UTF-8
        b'\xef\xbb\xbf{"fields":{"flag":false,"number":1,"text":""},"sections":[]}',  # a byte order mark
        b"[" * 60_000,  # too deep for the parser
        b'{"fields":{"flag":false,"number":'
        + b"1" * 5_000
        + b',"text":""},"sections":[]}',  # too long a number
    ],
)
def test_non_canonical_json_is_refused(header: bytes) -> None:
    with pytest.raises(FormatError, match=r"not canonical JSON|not JSON"):
        decode(KIND, assemble(header))


@pytest.mark.parametrize(
    "sections",
    [
        [["a", 5]],  # longer than the payload
        [["a", 3]],  # shorter than the payload
        [["a", 1 << 62]],  # far longer
        [["a", -1], ["b", 5]],  # negative, and the sum is right
        [["a", 2], ["a", 2]],  # twice
        [["b", 2], ["a", 2]],  # out of order
        [["a", "4"]],
        [["a", True], ["b", 3]],
        [["a", 4.0]],
        [["a", None]],
        [["A", 4]],
        [["", 4]],
        [["a" * 33, 4]],
        [["ä", 4]],
        [[1, 4]],
        [["a"]],
        [["a", 4, 4]],
        [{"a": 4}],
        ["a", 4],
        [[f"s{i:03}", 0] for i in range(MAX_SECTIONS)] + [["t", 4]],
    ],
)
def test_a_wrong_list_of_sections_is_refused(sections: list[Any]) -> None:
    with pytest.raises(FormatError):
        decode(KIND, assemble(header_of(sections), b"1234"))


def test_a_header_length_beyond_the_file_is_refused() -> None:
    for declared in (100, MAX_HEADER_BYTES, MAX_HEADER_BYTES + 1, (1 << 32) - 1):
        body = b"SPECIMEN" + (3).to_bytes(2, "big") + declared.to_bytes(4, "big") + b"{}"
        with pytest.raises(FormatError, match="header"):
            decode(KIND, body + keccak(body))


def test_what_cannot_be_read_is_not_written() -> None:
    with pytest.raises(FormatError, match="too large"):
        encode(KIND, FIELDS, {"a": bytes(1 << 20)})
    with pytest.raises(FormatError, match="too large"):
        encode(KIND, {**FIELDS, "text": "x" * MAX_HEADER_BYTES}, {})
    with pytest.raises(FormatError, match="too large"):
        encode(KIND, FIELDS, {f"s{i}": b"" for i in range(MAX_SECTIONS + 1)})
    with pytest.raises(FormatError, match="no name"):
        encode(KIND, FIELDS, {"A": b""})


def test_a_file_that_is_too_large_is_not_read(tmp_path: Any) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # a terabyte of nothing, which takes no room
    with pytest.raises(FormatError, match="more than the 1,048,576"):
        read(KIND, path)


def test_a_file_that_is_none_is_refused(tmp_path: Any) -> None:
    for path in (tmp_path, tmp_path / "missing", "/dev/zero", "name\0with zero"):
        with pytest.raises(InputError, match="cannot read"):
            read(KIND, path)
