"""The packages carry the built web UI: made, installed and served where there is no Node."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from sysconfig import get_path

import aiohttp
import pytest

from buildplate.api.web_files import BUILT
from tests.faults.real_server import environment
from tests.processes import gone

pytestmark = pytest.mark.timeout(120)
ROOT = Path(__file__).parents[2]
IN_WHEEL = "buildplate/api/web_dist/"
LIMIT_S = 60.0


def run(*command: str | Path, cwd: Path, path: Path) -> str:
    """Run a program that finds no other on its PATH but those in `path`; what it says."""
    done = subprocess.run(
        command, cwd=cwd, env=environment() | {"PATH": str(path)}, capture_output=True, text=True,
        timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(target: str, source: Path, into: Path) -> Path:
    """Make a package of the source, with no Node at hand."""
    nothing = into / "nothing"
    nothing.mkdir(parents=True)
    command = (sys.executable, "-m", "hatchling", "build", "-t", target, "-d", into)
    run(*command, cwd=source, path=nothing)
    (made,) = (one for one in into.iterdir() if one.is_file())
    return made


def built_ui() -> set[str]:
    """The files of the UI as it is built here."""
    found = {one.relative_to(BUILT).as_posix() for one in BUILT.rglob("*") if one.is_file()}
    assert "index.html" in found, "the web UI is not built: make web"
    return found


def ui_of(names: list[str], folder: str) -> set[str]:
    """Those of a package's files that are the UI's, as the UI calls them."""
    return {name.partition(folder)[2] for name in names if folder in name and name[-1] != "/"}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that whoever has only the sdist makes of it."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as packed:
        packed.extractall(folder, filter="data")
    (source,) = folder.iterdir()
    return build("wheel", source, folder / "made")


@pytest.fixture(scope="module")
def bin_of_venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel; what it depends on is borrowed from this one."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    only_this = ("--no-deps", "--no-index", "--no-compile")
    python = programs / "python"
    run(*pip, f"--python={python}", "install", *only_this, wheel, cwd=folder, path=programs)
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", where, cwd=folder, path=programs).strip())
    # A folder that a .pth names is no site folder: the editable install in it has no effect.
    (site / "borrowed.pth").write_text(f"{get_path('purelib')}\n{get_path('platlib')}\n")
    return programs


@asynccontextmanager
async def serving(programs: Path, folder: Path) -> AsyncIterator[str]:
    """The address of a server that the environment's own program runs."""
    process = await asyncio.create_subprocess_exec(
        programs / "buildplate", "serve", "--port=0", f"--data-dir={folder / 'data'}",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=environment() | {"PATH": str(programs)}, cwd=folder,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = ""
        async with asyncio.timeout(LIMIT_S):
            while not (found := re.search(r"runs at (\S+)", said)):
                line = await process.stdout.readline()
                assert line, said
                said += line.decode()
        yield found[1]
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(LIMIT_S):
            await process.communicate()
    finally:
        await gone(process)


def test_sdist_and_wheel_carry_every_file_of_the_built_ui(sdist: Path, wheel: Path) -> None:
    built = built_ui()
    assert {Path(name).suffix for name in built} >= {".html", ".js", ".css", ".br", ".gz"}
    with tarfile.open(sdist) as packed:
        files = [one.name for one in packed if one.isfile()]
        assert ui_of(files, f"src/{IN_WHEEL}") == built
    with zipfile.ZipFile(wheel) as packed_wheel:
        assert ui_of(packed_wheel.namelist(), IN_WHEEL) == built
        for name in built:
            assert packed_wheel.read(IN_WHEEL + name) == (BUILT / name).read_bytes()


async def test_the_installed_wheel_serves_the_ui_where_there_is_no_node(
    wheel: Path, bin_of_venv: Path, tmp_path: Path
) -> None:
    where = run(
        bin_of_venv / "python", "-c", "import buildplate; print(buildplate.__file__)",
        cwd=tmp_path, path=bin_of_venv,
    )  # fmt: skip
    assert where.startswith(str(bin_of_venv.parent)), "it is not the wheel that would be tried"
    assert not (bin_of_venv / "node").exists()
    with zipfile.ZipFile(wheel) as packed:
        files = {name: packed.read(name) for name in packed.namelist() if IN_WHEEL in name}
    async with (
        serving(bin_of_venv, tmp_path) as url,
        aiohttp.ClientSession(url, auto_decompress=False) as http,
    ):
        async with http.get("/", headers={"accept-encoding": "identity"}) as page:
            index = await page.read()
            assert (page.status, index) == (200, files[f"{IN_WHEEL}index.html"])
        script = re.search(rb'src="/(assets/[\w.-]+\.js)"', index)
        assert script is not None
        name = script[1].decode()
        async with http.get(f"/{name}", headers={"accept-encoding": "br"}) as asset:
            assert (asset.status, asset.headers["content-encoding"]) == (200, "br")
            assert "immutable" in asset.headers["cache-control"]
            assert await asset.read() == files[f"{IN_WHEEL}{name}.br"]
