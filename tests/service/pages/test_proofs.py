"""Proofs that are shown to everybody, and checks of proofs by anybody."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest

from circuits.circuit import Circuit
from circuits.data import input_ports, quantise_inputs
from service.pages.proofs import MAX_UPLOAD_BYTES
from service.submitting import Settlement, Submitter, Tier
from tests.prover.circuits_to_prove import build
from tests.scratch import scratch
from tests.service.pages.conftest import House
from tests.service.pages.visiting import Visitor
from tests.service.serving import add_model, images
from tests.service.test_worker import ended
from verifier.key import VerifyingKey
from verifier.proof import Proof
from verifier.verify import verify


class Scene:
    """A tenant with a proof, of one answer or of several."""

    def __init__(self, house: House, circuit: Circuit, samples: int) -> None:
        self.house = house
        self.tenant, self.key = house.tenant(f"prover of {samples}")
        add_model(house.parts, self.tenant, circuit)
        model = house.parts.models.find(self.tenant, "digits")
        inputs = quantise_inputs(circuit, [images(samples)])
        self.job = Submitter(house.parts)(Settlement(self.tenant, model, Tier.SUMCHECK, inputs))
        done = ended(house.parts.jobs, self.tenant, self.job)
        assert done.error is None and done.result is not None
        self.proof, self.verifying_key = done.result["proof"], done.result["verifying_key"]
        self.path = f"/proofs/{self.proof}"
        self.visitor = house.visitor(self.key)

    def file(self, digest: str) -> bytes:
        """The bytes of one of its files."""
        return b"".join(self.house.parts.artifacts.read(self.tenant, digest))

    def share(self, action: str = "share") -> int:
        """Press the button that makes it public, or private again."""
        csrf = self.visitor.get(self.path).csrf
        return self.visitor.post(f"{self.path}/{action}", {"csrf": csrf}).status


@pytest.fixture(scope="module")
def scene(keyed: House, circuit: Circuit) -> Scene:
    """One with one sample."""
    return Scene(keyed, circuit, 1)


def test_an_answer_is_proved_for_a_recipient(keyed: House, scene: Scene) -> None:
    recipient = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    visitor = keyed.visitor(scene.key)
    given = {"csrf": visitor.get("/models").csrf, "values": json.dumps([images(1).reshape(-1).tolist()])}
    answer = visitor.post("/models/digits/try", given)
    action = "/models/digits/prove"
    form = answer.fields(action) | {"tier": Tier.SUMCHECK.value}
    assert 'name="recipient"' in answer.text
    mistyped = visitor.post(action, form | {"recipient": recipient.replace("7099", "7098")})
    assert mistyped.status == 400 and "a wrong checksum" in mistyped.text
    begun = visitor.post(action, form | {"recipient": f" {recipient.lower()} "})
    assert begun.status == 303
    path = begun.headers["Location"]
    twice = visitor.post(action, form | {"recipient": recipient.lower()})
    for_anyone = visitor.post(action, form | {"recipient": ""})
    assert twice.headers["Location"] == path != for_anyone.headers["Location"]
    done = ended(keyed.parts.jobs, scene.tenant, path.rpartition("/")[2])
    assert done.error is None and done.result is not None
    assert recipient in visitor.get(path).text
    proof = Proof.decode(scene.file(done.result["proof"]))
    key = VerifyingKey.decode(scene.file(done.result["verifying_key"]))
    assert verify(proof, key, recipient).valid and not verify(proof, key, "0x" + "11" * 20).valid
    assert recipient in visitor.get(f"/proofs/{done.result['proof']}").text


def test_inputs_are_clamped_if_that_is_wished(keyed: House, scene: Scene, circuit: Circuit) -> None:
    visitor = keyed.visitor(scene.key)
    given = {"csrf": visitor.get("/models").csrf, "values": json.dumps([[1e9] * 64])}
    refused = visitor.post("/models/digits/try", given)
    assert refused.status == 400 and "outside its bound" in refused.text
    answer = visitor.post("/models/digits/try", given | {"saturate": "yes"})
    integers = json.loads(answer.fields("/models/digits/prove")["integers"])["input_ints"]
    high = input_ports(circuit)[0].hi
    assert answer.status == 200 and np.unique(integers).tolist() == [high]


def test_a_proof_is_private_until_its_owner_says_otherwise(keyed: House, scene: Scene) -> None:
    stranger, other = Visitor(keyed.address), keyed.visitor(keyed.tenant("other")[1])
    files = [f"{scene.path}/proof", f"{scene.path}/key"]
    for path in (scene.path, *files):
        assert scene.visitor.get(path).status == 200
        assert stranger.get(path).status == other.get(path).status == 404
    csrf = other.get("/settings").csrf
    for action in ("share", "verify", "unshare"):
        assert other.post(f"{scene.path}/{action}", {"csrf": csrf}).status == 404
    assert scene.share() == 303
    page = stranger.get(scene.path)
    assert page.status == 200 and "gives exactly the output below" in page.text
    assert "digits" not in page.text  # the model is not public, and its name is none of theirs
    assert "Make it p" not in page.text and f"/jobs/{scene.job}" not in page.text
    assert stranger.get(files[0]).text == other.get(files[0]).text == scene.visitor.get(files[0]).text
    assert other.post(f"{scene.path}/unshare", {"csrf": csrf}).status == 404
    assert scene.share("unshare") == 303
    for path in (scene.path, *files):
        assert stranger.get(path).status == 404


def test_strangers_verify_a_public_proof_on_its_page(keyed: House, scene: Scene) -> None:
    scene.share()
    stranger = Visitor(keyed.address)
    page = stranger.post(f"{scene.path}/verify", {"csrf": stranger.get(scene.path).csrf})
    assert page.status == 200 and "✓ Valid" in page.text and "INSECURE" in page.text
    assert stranger.post(f"{scene.path}/verify", {"csrf": ""}).status == 403
    scene.share("unshare")


def test_a_batch_is_shown_sample_by_sample(keyed: House, circuit: Circuit) -> None:
    page = Scene(keyed, circuit, 3).visitor
    scene = [row for row in page.get("/jobs").text.split('"') if row.startswith("/jobs/0")]
    job = page.get(scene[0]).text
    proof = job.partition('href="/proofs/')[2][:64]
    shown = page.get(f"/proofs/{proof}").text
    assert "On the inputs below" in shown and "Sample 3 of 3" in shown and "Sample 4" not in shown


def check(scene: Scene, proof: bytes, key: bytes) -> str:
    """What the public page says of a proof and a key."""
    stranger = Visitor(scene.house.address)
    files = {"proof": ("p.proof", proof), "key": ("k.vk", key)}
    return stranger.upload("/verify", {"csrf": stranger.get("/verify").csrf}, files).text


def test_anybody_checks_any_proof(scene: Scene) -> None:
    proof, key = scene.file(scene.proof), scene.file(scene.verifying_key)
    page = check(scene, proof, key)
    assert "✓ Valid" in page and "It says" in page and "INSECURE" in page
    read = Proof.decode(proof)
    other = replace(read, outputs=(read.outputs[0] + 1, *read.outputs[1:]))
    page = check(scene, other.encode(), key)
    assert "✗ Not valid" in page and "It claims" in page and "✓" not in page


@pytest.mark.parametrize("what", ["proof", "key"])
@pytest.mark.parametrize("damage", ["empty", "noise", "cut", "longer", "html"])
def test_what_is_no_proof_or_no_key_is_said_so(scene: Scene, what: str, damage: str) -> None:
    files = {"proof": scene.file(scene.proof), "key": scene.file(scene.verifying_key)}
    good = files[what]
    files[what] = {
        "empty": b"",
        "noise": bytes(range(256)) * 20,
        "cut": good[:-1],
        "longer": good + b"\0",
        "html": b"<script>alert(1)</script>",
    }[damage]
    page = check(scene, files["proof"], files["key"])
    assert "Nothing was checked" in page and "✓" not in page
    assert all(told not in page for told in ("<script>alert", "/tmp", str(scratch())))


def test_uploads_to_be_checked_are_bounded(scene: Scene) -> None:
    stranger = Visitor(scene.house.address)
    csrf = stranger.get("/verify").csrf
    files = {"proof": ("p", bytes(MAX_UPLOAD_BYTES)), "key": ("k", b"")}
    begun = time.monotonic()
    assert stranger.upload("/verify", {"csrf": csrf}, files).status == 413
    assert time.monotonic() - begun < 30
    assert "choose the file with the proof" in stranger.upload("/verify", {"csrf": csrf}, {}).text


def test_what_the_owner_chooses_of_a_key_is_made_and_shown(keyed: House) -> None:
    tenant, api_key = keyed.tenant("owner")
    add_model(keyed.parts, tenant, build("a layer"), "layer")
    visitor = keyed.visitor(api_key)
    fields = visitor.get("/models/layer").fields("/models/layer/keys")
    assert fields["backend"] == "sumcheck"
    begun = visitor.post("/models/layer/keys", fields | {"commit_inputs": "yes", "target": "evm"})
    assert begun.status == 303
    assert ended(keyed.parts.jobs, tenant, begun.headers["Location"].rpartition("/")[2]).error is None
    page = visitor.get("/models/layer").text
    assert "its proofs commit to their inputs; made for a contract" in page
    # Whoever kept the page open, and presses the button again, is told.
    again = visitor.post("/models/layer/keys", fields)
    assert again.status == 409 and "another name" in again.text
