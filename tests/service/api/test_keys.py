"""API keys over HTTP: shown once, kept as hashes, the last way in stays."""

from __future__ import annotations

from pathlib import Path

from tests.service.api.surface import Surface


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


async def test_a_key_is_shown_once_and_kept_nowhere(surface: Surface, tmp_path: Path) -> None:
    body = {"name": "shop", "role": "operator", "expires_at": "2099-01-01T00:00:00Z"}
    made = (await surface.client.post("/api/v1/keys", json=body)).json()
    assert made["key"].startswith("bp_")
    (listed, *_) = (await surface.client.get("/api/v1/keys")).json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    kept = contents(tmp_path)
    assert kept
    secret = made["key"].removeprefix("bp_").encode()
    assert not [content for content in kept if secret in content]


async def test_the_last_admin_key_is_not_revoked(surface: Surface) -> None:
    (first,) = (await surface.client.get("/api/v1/keys")).json()["items"]
    refused = await surface.client.delete(f"/api/v1/keys/{first['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin_key")
    passing = {"name": "for a while", "role": "admin", "expires_at": "2099-01-01T00:00:00Z"}
    await surface.client.post("/api/v1/keys", json=passing)
    assert (await surface.client.delete(f"/api/v1/keys/{first['id']}")).status_code == 409
    second = await surface.client.post("/api/v1/keys", json={"name": "other", "role": "admin"})
    assert (await surface.client.delete(f"/api/v1/keys/{first['id']}")).status_code == 200
    async with surface.with_key(second.json()["key"]) as other:
        assert (await other.get("/api/v1/keys")).status_code == 200


async def test_a_key_needs_a_name_a_role_and_a_time_to_come(surface: Surface) -> None:
    for body, field in (
        ({"name": "", "role": "viewer"}, "body.name"),
        ({"name": "x", "role": "king"}, "body.role"),
        ({"name": "x", "role": "viewer", "expires_at": 5}, "body.expires_at"),
        ({"name": "x", "role": "viewer", "expires_at": "2099-01-01T00:00:00"}, "body.expires_at"),
    ):
        answer = await surface.client.post("/api/v1/keys", json=body)
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == [field]
    past = {"name": "x", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}
    answer = await surface.client.post("/api/v1/keys", json=past)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_key")


async def test_an_unknown_key_cannot_be_revoked(surface: Surface) -> None:
    answer = await surface.client.delete("/api/v1/keys/00000000-0000-7000-8000-000000000000")
    assert (answer.status_code, answer.json()["code"]) == (404, "key_not_found")


async def test_keys_are_listed_by_field(surface: Surface) -> None:
    body = {"name": "shop", "role": "viewer"}
    shop = (await surface.client.post("/api/v1/keys", json=body)).json()
    for query, wanted in (
        ("name=shop", ["shop"]),
        ("role=admin", ["first admin"]),
        ("revoked=true", []),
        ("revoked=false&role=viewer", ["shop"]),
    ):
        found = (await surface.client.get(f"/api/v1/keys?{query}")).json()["items"]
        assert [key["name"] for key in found] == wanted, query
    await surface.client.delete(f"/api/v1/keys/{shop['id']}")
    (gone,) = (await surface.client.get("/api/v1/keys?revoked=true")).json()["items"]
    assert gone["id"] == shop["id"]
