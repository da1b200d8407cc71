"""A disk that fills up during an upload: refused with a reason, nothing left, all else intact."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from buildplate.files.errors import FileError
from buildplate.files.service import FilesConfig
from buildplate.files.store import LocalBlobStore
from tests.gcode_samples import long_tower, square_tower
from tests.service.files.rooms import World, arriving, gathered

DISK_BYTES = 8 << 20
RESERVE = 1 << 20
IN_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


@pytest.mark.parametrize("reserve", [0, RESERVE])
def test_a_full_disk_refuses_the_upload_and_keeps_what_was_there(
    tmp_path: Path, reserve: int
) -> None:
    if subprocess.run([*IN_NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not available here, so no small disk can be mounted")
    mount = f'mount -t tmpfs -o size={DISK_BYTES} tmpfs {tmp_path} && exec "$@"'
    child = subprocess.run(
        [
            *IN_NAMESPACE,
            "sh",
            "-c",
            mount,
            "sh",
            sys.executable,
            "-m",
            __name__,
            str(tmp_path),
            str(reserve),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert child.returncode == 0, child.stdout + child.stderr
    assert child.stdout.splitlines()[-1] == "every promise kept"


async def on_the_small_disk(folder: Path, reserve: int) -> None:
    """Runs inside the namespace, where `folder` is a disk of 8 MiB."""
    async with LocalBlobStore(folder / "files", reserve=reserve) as store:
        world = World(store=store, config=FilesConfig(analyse_at_once=0))
        before = (await world.service.receive(arriving(square_tower()), "before.gcode")).file
        for content in (long_tower(9_000_000), long_tower(DISK_BYTES - RESERVE // 2)):
            await _upload(world, content, reserve)
            assert _names(folder) == [before.sha256]
        assert await gathered(world.service.content(before)) == square_tower()
        after = (await world.service.receive(arriving(long_tower(5_000_000)), "after")).file
        await world.service.delete(after.id)
        assert _names(folder) == [before.sha256]


async def _upload(world: World, content: bytes, reserve: int) -> None:
    if len(content) < DISK_BYTES - reserve:
        stored = await world.service.receive(_slowly(content), "large.gcode")
        await world.service.delete(stored.file.id)
        return
    with pytest.raises(FileError) as refused:
        await world.service.receive(_slowly(content), "large.gcode")
    assert refused.value.code == "storage_full"
    assert "Delete files" in refused.value.hint


async def _slowly(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 100_000):
        await asyncio.sleep(0)
        yield content[start : start + 100_000]


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    asyncio.run(on_the_small_disk(Path(sys.argv[1]), int(sys.argv[2])))
    print("every promise kept")
