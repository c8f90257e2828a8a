"""The configuration file, before anybody reads it."""

from posthouse.app.options import Options
from posthouse.cli.command import Failure


def require(options: Options, *, exit_code: int = 1) -> None:
    """Raise Failure when there is no configuration, with what to do about it: for a newcomer it is the first error of all."""
    if not options.config.exists():
        raise Failure(
            f"failed to read config {options.config}: no such file; write it, or name another one: "
            f"{options.program} -config FILE ...",
            exit_code,
        )
