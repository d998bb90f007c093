"""Usage, and webhooks, as pages show them."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from service.api_keys import Scope
from service.database import Tenant
from service.ledger import What, record
from tests.service.pages.conftest import House
from tests.service.pages.looking import inspect, window
from tests.service.pages.test_journeys import press


def test_usage_is_drawn_and_downloaded(local: House, browser: Browser) -> None:
    tenant = local.parts.tenant("local")
    with local.parts.database.write() as session:
        for _ in range(3):
            record(session, tenant, What.PROOFS, 1)
        record(session, tenant, What.SECONDS, 2.5)
    with window(browser) as page:
        page.goto(f"{local.url}/usage")
        for what in ("Proofs", "Seconds"):
            expect(page.get_by_role("heading", name=what)).to_be_visible()
        expect(page.locator("dl").get_by_text("3 proofs")).to_be_visible()
        inspect(page)
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as CSV").click()
        rows = download.value.path().read_text().splitlines()
        assert rows[0].startswith("at,what") and sum(",proofs,1,proof," in row for row in rows) == 3


def test_a_webhook_is_made_and_deleted(local: House, browser: Browser) -> None:
    with window(browser) as page:
        page.goto(f"{local.url}/settings")
        page.get_by_label("Address").fill("http://10.0.0.1/hook")
        press(page, "Make a webhook")
        expect(page.get_by_role("alert")).to_contain_text("No webhook was made")
        page.get_by_label("Address").fill("https://192.0.43.7/hook")
        page.get_by_label("job.cancelled").uncheck()
        press(page, "Make a webhook")
        secret = page.locator("#webhook-secret").inner_text()
        assert secret.startswith("whsec_")
        inspect(page)
        page.goto(f"{local.url}/settings")
        assert secret not in page.content()
        page.get_by_role("link", name="https://192.0.43.7/hook").click()
        expect(page.get_by_text("Told of job.failed, job.succeeded.")).to_be_visible()
        inspect(page)
        press(page, "Delete it")
        expect(page.get_by_text("192.0.43.7")).to_have_count(0)


def test_only_keys_for_the_account_see_it(keyed: House) -> None:
    visitor = keyed.visitor(keyed.tenant("one", Scope.INFER, Scope.JOBS, Scope.MODELS)[1])
    assert "New webhook" not in visitor.get("/settings").text
    csrf = visitor.get("/models/new").csrf
    assert visitor.get("/usage").status == visitor.get("/usage.csv").status == 403
    url = {"csrf": csrf, "url": "https://192.0.43.7/", "event": "job.failed"}
    assert visitor.post("/settings/webhooks", url).status == 403
    assert visitor.post("/settings/keys", {"csrf": csrf, "name": "x", "scope": "account"}).status == 403


def test_what_pages_begin_counts_as_the_tenants_requests(keyed: House) -> None:
    tenant, key = keyed.tenant("eager")
    with keyed.parts.database.write() as session:
        session.get_one(Tenant, tenant).limits = {"requests_per_second": 0.01, "burst": 5}
    visitor = keyed.visitor(key)
    csrf = {"csrf": visitor.get("/models").csrf}
    begun = ["/models", "/models/example", "/models/x/keys", "/models/x/try", "/models/x/prove"]
    begun.append("/jobs/x/retry")
    assert all(visitor.post(path, csrf).status in (400, 404) for path in begun[:5])
    for path in begun:
        page = visitor.post(path, csrf)
        assert page.status == 429 and page.headers["Retry-After"], path
    assert visitor.get("/models").status == 200


def test_no_tenant_gives_itself_the_operators_scope(keyed: House) -> None:
    visitor = keyed.visitor(keyed.tenant("one", Scope.INFER, Scope.JOBS, Scope.MODELS, Scope.ACCOUNT)[1])
    csrf = visitor.get("/settings").csrf
    given = {"csrf": csrf, "name": "x", "scope": "operate"}
    page = visitor.post("/settings/keys", given)
    assert page.status == 400 and "cannot give it" in page.text
    assert visitor.post("/settings/keys", given | {"scope": "infer"}).status == 200
