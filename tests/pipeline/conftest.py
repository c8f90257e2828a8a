from collections.abc import Iterator
from pathlib import Path

import pytest

from posthouse.testing.world import FakeWorld


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeWorld]:
    with FakeWorld(tmp_path) as world:
        yield world
