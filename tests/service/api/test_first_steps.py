"""The spine over HTTP: add a printer, upload, order, follow, clear."""

from __future__ import annotations

from tests.service.api.surface import Surface


async def test_a_job_goes_from_upload_to_a_cleared_bed(surface: Surface) -> None:
    printer = await surface.printer()
    job = await surface.job(copies=2)
    first, second = await surface.prints(job["id"])
    await surface.until_print(first["id"], state="printing")
    await surface.poll(
        f"/api/v1/prints/{second['number']}/waiting",
        lambda seen: [reason["code"] for reason in seen["items"]] == ["busy"],
    )

    await surface.floor["Left"].finish()
    await surface.until_print(first["id"], state="completed")
    assert (await surface.until(printer["id"], bed="occupied"))["ready"] is False
    assert (await surface.clear(printer["number"])).status_code == 200

    await surface.until_print(second["id"], state="printing")
    await surface.floor["Left"].finish()
    await surface.until_print(second["id"], state="completed")
    status = (await surface.client.get(f"/api/v1/jobs/{job['number']}/status")).json()
    assert (status["state"], status["finished"], status["progress"]) == ("completed", 2, 1.0)
    assert len(surface.floor["Left"].started) == 2
