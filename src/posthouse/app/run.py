"""`run`: the server as one call."""

import asyncio
import sys
from pathlib import Path

from posthouse.app.options import Options
from posthouse.app.supervisor import StartError, Supervisor
from posthouse.core.log import Logger
from posthouse.core.logsink import BadLogTarget, LogSink, open_targets


def run(options: Options) -> int:
    """Run the server until it is stopped; gives its exit code: 0, 1 for failures, 2 for a bad log target."""
    try:
        sink = LogSink(open_targets(options.log, Path.cwd(), options.program))
    except BadLogTarget as err:
        sys.stderr.write(f"Error: {err}\n")
        return 2
    try:
        return asyncio.run(_supervise(options, sink))
    except StartError as err:
        sink.flush()
        sys.stderr.write(f"Error: {err}\n")
        return 1
    finally:
        sink.close()


async def _supervise(options: Options, sink: LogSink) -> int:
    return await Supervisor(options, Logger(sink, debug=options.debug), sink).run()
