"""Published test vectors, which lie outside of the project."""

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def testdata() -> Path:
    folder = Path(os.environ.get("POSTHOUSE_TESTDATA", PROJECT.parent / "shared" / "testdata"))
    if not folder.is_dir():
        pytest.skip(f"no test vectors: {folder} is missing (POSTHOUSE_TESTDATA names their folder)")
    return folder
