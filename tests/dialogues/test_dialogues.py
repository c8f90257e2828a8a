"""Every dialogue of this directory, with the engine in memory and with the endpoint over a socket."""

from pathlib import Path

import pytest

from posthouse.testing.dialogue import Dialogue, read_dialogue
from posthouse.testing.dialogue_runs import hold_in_memory, hold_over_socket

HERE = Path(__file__).parent
PATHS = {str(path.relative_to(HERE).with_suffix("")): path for path in sorted(HERE.glob("*/*.txt"))}
ENGINE = [name for name, path in PATHS.items() if not read_dialogue(path).setting.needs_endpoint]


def read(name: str) -> Dialogue:
    return read_dialogue(PATHS[name])


@pytest.mark.parametrize("piece", [1, 3, 1_000_000])
@pytest.mark.parametrize("name", ENGINE)
def test_the_engine_holds_to_the_dialogue(name: str, tmp_path: Path, piece: int) -> None:
    hold_in_memory(read(name), tmp_path, piece=piece)


@pytest.mark.parametrize("name", PATHS)
async def test_the_endpoint_holds_to_the_dialogue(name: str, tmp_path: Path) -> None:
    await hold_over_socket(read(name), tmp_path)
