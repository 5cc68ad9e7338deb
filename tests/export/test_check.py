"""The check of an export, before credits are spent."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openfunnel_async import ConfigurationError, JobCheckpoint, export
from openfunnel_async.export._part import PartFile
from tests.export.readers import list_names

_NOBODY = 65_534


def test_a_check_creates_and_changes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    assert export.check(path) == path
    assert list(tmp_path.iterdir()) == []
    path.write_text("old content")
    with PartFile(path) as part:
        part.begin(JobCheckpoint(job_id="job-1"))
    content = (tmp_path / "out.csv.part").read_bytes()
    export.check(str(path), ("name", "extra"), resume=True, overwrite=True)
    assert path.read_text() == "old content"
    assert (tmp_path / "out.csv.part").read_bytes() == content
    assert list_names(tmp_path) == ["out.csv", "out.csv.part"]


def test_a_check_refuses_a_part_that_cannot_be_written(tmp_path: Path) -> None:
    """Caught: a job that was paid for, and then an export that could not start."""
    path = tmp_path / "out.csv"
    with PartFile(path), pytest.raises(ConfigurationError, match="another export"):
        export.check(path)
    (tmp_path / "out.csv.part").mkdir()
    with pytest.raises(ConfigurationError, match=r"cannot write .*part"):
        export.check(path)


@pytest.mark.parametrize(
    "name", ["OUT.CSV", "b.Jsonl", "x.ndjson", "x.parquet", "x.xlsX"]
)
def test_the_ending_of_a_name_decides_the_format(name: str, tmp_path: Path) -> None:
    assert export.check(tmp_path / name).name == name


@pytest.mark.parametrize("name", ["out", "out.xls", "out.csv.gz", ".csv", "csv"])
def test_a_name_without_a_known_ending_is_refused(name: str, tmp_path: Path) -> None:
    words = r"must end in one of \.csv, \.jsonl, \.ndjson, \.parquet, \.xlsx"
    with pytest.raises(ConfigurationError, match=words):
        export.check(tmp_path / name)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.csv").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder; name a file in it"):
        export.check(tmp_path / "out.csv")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no folder .*nowhere; make it"):
        export.check(tmp_path / "nowhere" / "out.csv")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"no folder|Not a directory"):
        export.check(tmp_path / "file" / "out.csv")


def test_a_name_too_long_for_its_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write"):
        export.check(tmp_path / f"{'x' * 250}.csv")


@pytest.mark.parametrize("path", [None, 5, b"out.csv", "out\0.csv"])
def test_a_value_that_is_not_a_path_is_refused(path: Any) -> None:
    with pytest.raises(ConfigurationError, match="not a path"):
        export.check(path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "null.csv").symlink_to(os.devnull)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(ConfigurationError, match="must end in"):
        export.check(os.devnull)
    with pytest.raises(ConfigurationError, match=r"must end in|not a regular file"):
        export.check(tmp_path / "null.csv")
    with pytest.raises(ConfigurationError, match="not a regular file"):
        export.check(tmp_path / "pipe.csv")


@pytest.fixture
def denied() -> Iterator[Path]:
    """Yield a folder, as a user without permissions: root has all."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Import everything now: another user may not read the packages.
        export.check(folder / "out.csv")
        if is_root:
            os.chown(folder, _NOBODY, -1)
            os.setresuid(_NOBODY, _NOBODY, 0)
        try:
            yield folder
        finally:
            if is_root:
                os.setresuid(0, 0, 0)
            folder.chmod(0o755)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_file_without_permission_is_refused(denied: Path) -> None:
    path = denied / "out.csv"
    path.touch()
    path.chmod(0o444)
    with pytest.raises(ConfigurationError, match="write-protected"):
        export.check(path, overwrite=True)
    denied.chmod(0o555)
    with pytest.raises(ConfigurationError, match=r"cannot write .*denied"):
        export.check(denied / "other.csv")


@pytest.mark.skipif(sys.platform == "win32", reason="on Windows links need a privilege")
def test_links_are_followed(tmp_path: Path) -> None:
    link = tmp_path / "link.csv"
    link.symlink_to("real.csv")
    assert export.check(link) == tmp_path / "real.csv"
    export.write([], link)
    assert link.is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith('"name",')
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(ConfigurationError, match=r"cannot write|is a link to itself"):
        export.check(link)


def test_the_new_file_has_the_mode_of_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.touch()
    path.chmod(0o600)
    export.write([], path, overwrite=True)
    assert path.stat().st_mode & 0o777 == 0o600
