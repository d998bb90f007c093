"""What people see of claims and disputes, on a real chain."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from challenger.history import posted_claims
from circuits.errors import ChainError
from contracts.claim_status import ClaimStatus
from service.claims import Claims
from service.database import Model
from service.errors import NotFound
from service.parts import Parts
from service.settings import Settings
from tests.challenger.chains import dev_chain
from tests.challenger.lies import chain as chained
from tests.challenger.scene import PARAMETERS, Scene
from tests.service.serving import opened
from tests.service.test_claiming import Desk, settings_of


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with dev_chain() as dev:
        yield Scene.on(dev, tmp_path_factory.mktemp("stage"), chained(4))


def test_claims_and_their_disputes(stage: Scene, url: str, tmp_path: Path) -> None:
    now = [0.0]
    with opened(tmp_path / "data", **settings_of(stage, tmp_path, url)) as parts:
        claims = Claims(parts, lambda: now[0])
        before = len(claims.board().claims)
        seed = int(url.startswith("postgresql"))  # a claim is posted once
        lie = stage.post(stage.falsehood(seed), seed=seed)
        assert len(claims.board().claims) == before  # within a moment, the chain is not asked again
        now[0] += 10
        [line, *_] = claims.board().claims
        lie_id = stage.id(lie)
        assert (line.claim_id, line.ours) == (f"0x{lie_id.hex()}", False)
        assert (line.status, line.games, line.bond_wei) == (ClaimStatus.PROVISIONAL, 0, PARAMETERS.min_bond)
        desk = Desk(stage, parts, stage.circuit)
        job = desk.submit()
        with desk.working():
            ours = desk.posted(job)
        now[0] += 10
        assert [one.ours for one in claims.board().claims[:2]] == [True, False]
        # Somebody disputes it.
        [posted] = [one for one in posted_claims(stage.tier, stage.start) if one.claim_id == ours]
        stage.send(stage.tier.open(posted.claim, stage.tier.challenger_bond()))
        now[0] += 10
        assert claims.board().claims[0].games == 1
        [challenger] = claims.history(ours).games
        named, unnamed = (claims.drawing(ours, challenger, who) for who in (desk.tenant, None))
        assert named.startswith("<svg") and unnamed.startswith("<svg")
        # Layers of a private model are named to its tenant only.
        label = "rescale"
        assert label in named and label not in unnamed
        with parts.database.write() as session:
            session.query(Model).update({"public": True})
        assert claims.drawing(ours, challenger.lower()) == named
        for wrong in (bytes(32), ours[:-1] + bytes([ours[-1] ^ 1])):
            with pytest.raises(NotFound, match="no claim"):
                claims.history(wrong)
        with pytest.raises(NotFound, match="no dispute"):
            claims.drawing(ours, "<script>")


def test_a_chain_that_does_not_answer_is_shown_as_it_was(stage: Scene, tmp_path: Path) -> None:
    now = [0.0]
    url = str(tmp_path / "service.db")
    with opened(tmp_path / "data", **settings_of(stage, tmp_path, url)) as parts:
        claims = Claims(parts, lambda: now[0])
        seen = claims.board()
        assert claims._tier is not None
        claims._tier.chain.web3.provider.endpoint_uri = "http://127.0.0.1:9"  # type: ignore[attr-defined]
        now[0] += 10
        assert claims.board() == seen
        changed = parts.settings.model_dump() | {"chain_rpc": "http://127.0.0.1:9/secret"}
        with Parts.open(Settings(**changed)) as cut, pytest.raises(ChainError) as failed:
            Claims(cut).board()
        assert "secret" not in str(failed.value)
