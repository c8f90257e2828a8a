"""The server's directories: private, writable, and for one server at a time."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from posthouse.core.directories import DirectoryError, DirectoryLock, ensure_directory


def test_R_181_a_missing_directory_is_made_private(tmp_path: Path) -> None:
    ensure_directory(tmp_path / "a" / "b", "state_dir")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700
    assert not list((tmp_path / "a" / "b").iterdir())


def test_a_directory_that_cannot_be_written_is_named_with_its_directive(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DirectoryError, match=r"cannot write in state_dir .*/file/state: .*state_dir$"):
        ensure_directory(tmp_path / "file" / "state", "state_dir")


def test_R_017_a_second_server_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(DirectoryError, match=rf"another server already runs on .* \(process {os.getpid()}\)"):
        DirectoryLock(tmp_path)
    lock.release()
    DirectoryLock(tmp_path).release()


def test_R_017_a_lock_of_a_killed_server_does_not_block_the_start(tmp_path: Path) -> None:
    hold = (
        "import sys; from pathlib import Path; from posthouse.core.directories import DirectoryLock\n"
        "lock = DirectoryLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(DirectoryError):
            DirectoryLock(tmp_path)
        holder.kill()
        holder.wait()
    DirectoryLock(tmp_path).release()
