"""Model cards are read as others' are, and whatever else they are is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from circuits.errors import InputError
from service.cards import MAX_CARD_BYTES, Metadata, read_card

CARD = """---
license: apache-2.0
language: no
tags:
- images
- "8x8"
datasets: [uci/digits]
metrics: accuracy
model-index:
- name: digits
  results: []
---

# Digits
--- not a fence
Trained on `scikit-learn`'s digits.
"""


def test_a_card_as_hubs_have_it() -> None:
    card = read_card(CARD)
    assert card.metadata == Metadata(
        license="apache-2.0",
        language=["no"],
        tags=["images", "8x8"],
        datasets=["uci/digits"],
        metrics=["accuracy"],
    )
    assert card.body.startswith("# Digits\n---") and card.body.endswith("digits.")


def test_either_part_may_be_missing() -> None:
    assert read_card("").body == "" and read_card("Just words").body == "Just words"
    assert read_card("---\nlicense: mit\n---").metadata.license == "mit"
    assert read_card("---\n---\nwords").body == "words"
    assert read_card("---\n# a comment\n---\nwords").metadata == Metadata()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("---\nlicense: mit\n", "do not end"),
        ("---\nlicense: [mit\n---", r"no YAML: line 3"),
        ("---\nlicense: [mit, gpl]\n---", "license: Input should be a valid string"),
        ("---\ntags: {a: b}\n---", "tags: Input should be a valid list"),
        ("---\ntags: [[a]]\n---", r"tags\.0: Input should be a valid string"),
        ("---\n- license\n---", "no names with values"),
        ("---\nlicense\n---", "no names with values"),
        ("---\n? [a, b]\n: c\n---", "no YAML|no names"),
        ("---\na: &x [1]\nb: *x\n---", "line 3: aliases"),
        ("---\na: " + "[" * 5000 + "\n---", "nested over|no YAML"),
        ("---\na: !!python/object/apply:os.system [true]\nlicense: [1]\n---", "license"),
        ("---\nlicense: \x07\n---", "no YAML"),
        ('---\nlicense: "a\\nb"\n---', "license: String should match"),
        ("---\nlicense: " + "x" * 301 + "\n---", "license: String should have at most 300"),
        ("x" * (MAX_CARD_BYTES + 1), "over the limit"),
        ("\ud800", "half a character"),
        ("a\0", "null character"),
    ],
    ids=lambda value: value[:20] if value.isprintable() else "text",
)
def test_mistakes_are_told(text: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        read_card(text)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    for card in (text, f"---\n{text}\n---\n{text}"):
        try:
            read_card(card)
        except InputError as error:
            assert len(str(error)) < 500
