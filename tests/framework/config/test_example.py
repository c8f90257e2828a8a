"""The example of the specification: what is not built yet is told, all of it, with its place."""

from pathlib import Path

import pytest

from posthouse.framework.config.build import build
from posthouse.framework.config.globals import read_globals
from posthouse.framework.config.load import read_config
from posthouse.framework.config.node import ConfigErrors
from posthouse.modules.catalogue import CATALOGUE
from posthouse.testing.world import FakeWorld

EXAMPLE = Path(__file__).parents[4] / "shared" / "spec" / "example.conf"


def test_all_that_is_not_available_is_listed(tmp_path: Path) -> None:
    if not EXAMPLE.exists():
        pytest.skip("no example.conf of the specification here")
    world = FakeWorld(tmp_path)
    with pytest.raises(ConfigErrors) as caught:
        build(
            read_globals(read_config(EXAMPLE, {}), world.paths),
            CATALOGUE,
            lambda module, instance, node, debug: world.context(module, instance, debug=debug),
        )
    texts = [f"{error.at.line}: {error.text}" for error in caught.value.errors if error.at is not None]
    assert texts[0].startswith("9: cannot read ")
    unknown_yet = {text.removesuffix(" is not available in this version") for text in texts[1:]}
    assert unknown_yet == {
        "95: target.remote",
        "113: target.queue",
    }
