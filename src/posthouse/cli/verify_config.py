"""`posthouse verify-config`: is the configuration right?"""

import dataclasses
import sys

import click

from posthouse.app.options import Options
from posthouse.cli import config_file
from posthouse.cli.command import Command, Failure


@click.command("verify-config", cls=Command, short_help="Check the configuration.")
@click.option("--debug", is_flag=True, help="Log everything.")
@click.pass_obj
def verify_config(options: Options, debug: bool) -> None:
    """Read the configuration as the server would, see whether its `expect` blocks hold, and change nothing."""
    config_file.require(options, exit_code=2)
    import asyncio

    from posthouse.app.expectations import verify
    from posthouse.framework.config.node import ConfigError

    try:
        asyncio.run(verify(dataclasses.replace(options, debug=options.debug or debug)))
    except ConfigError as err:
        raise Failure(str(err), 2) from err
    print("No errors detected", file=sys.stderr)
