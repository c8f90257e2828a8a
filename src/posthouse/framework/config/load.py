"""Configuration files to nodes, by way of a snapshot from which every worker of a generation starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from posthouse.framework.config.expand import Getenv, ReadFile, expand_environment, expand_imports
from posthouse.framework.config.node import ConfigError, ConfigErrors, Node
from posthouse.framework.config.parser import parse

FILE_MAX: Final = 16 * 1024 * 1024  # octets of one file


class Source(msgspec.Struct, frozen=True):
    """All that a configuration was read from, in one moment: later workers read no files (design §2)."""

    path: str  # the main file, as it was given
    files: dict[str, str]  # texts, by what errors call the files
    environment: dict[str, str]  # the variables that the files use

    def nodes(self) -> list[Node]:
        """The directives at top level, ready to be understood. Raises ConfigError or ConfigErrors."""
        return _nodes(self.path, self.files.get, self.environment.get)

    def to_bytes(self) -> bytes:
        return msgspec.msgpack.encode(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Source":
        return msgspec.msgpack.decode(data, type=cls)


def read_source(path: Path, environ: Mapping[str, str]) -> Source:
    """Read a configuration file, and all that it imports. Raises ConfigError or ConfigErrors."""
    files: dict[str, str] = {}
    environment: dict[str, str] = {}

    def read(name: str) -> str | None:
        if name not in files:
            text = _read_file(Path(name))
            if text is None:
                return None
            files[name] = text
        return files[name]

    def getenv(name: str) -> str | None:
        value = environ.get(name)
        if value is not None:
            if any("\ud800" <= char <= "\udfff" for char in value):  # octets that os.environ could not decode
                raise ConfigError(f"the environment variable {name} is not UTF-8 text")
            environment[name] = value
        return value

    _nodes(str(path), read, getenv)
    return Source(str(path), files, environment)


def read_config(path: Path, environ: Mapping[str, str]) -> list[Node]:
    """The directives of a configuration file at top level. Raises ConfigError or ConfigErrors."""
    return read_source(path, environ).nodes()


def _nodes(path: str, read: ReadFile, getenv: Getenv) -> list[Node]:
    try:
        return list(expand_environment(expand_imports(parse(_main(path, read), path), read), getenv))
    except ConfigErrors as err:
        raise ConfigErrors([_prefixed(one, path) for one in err.errors]) from err
    except ConfigError as err:
        raise _prefixed(err, path) from err


def _main(path: str, read: ReadFile) -> str:
    try:
        text = read(path)
    except OSError as err:
        raise ConfigError(err.strerror or str(err)) from err
    except ValueError as err:
        raise ConfigError(str(err)) from err
    if text is None:
        raise ConfigError("no such file")
    return text


def _prefixed(error: ConfigError, path: str) -> ConfigError:
    return ConfigError(f"failed to read config {path}: {error}")


def _read_file(path: Path) -> str | None:
    """The text of a file, None if there is none. Raises OSError, and ValueError for what is no text."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
    except FileNotFoundError:
        return None
    if len(data) > FILE_MAX:
        raise ValueError(f"more than {FILE_MAX} octets")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as err:
        line = data.count(b"\n", 0, err.start) + 1
        raise ValueError(f"not UTF-8 text, in line {line}") from err
