"""Completion in shells: click finds the candidates, here is how shells ask for them in maddy's way (spec/cli-and-ops.md §2)."""

from collections.abc import Sequence

import click

from posthouse.cli.command import Command

GENERATE = "--generate-bash-completion"  # as the last word: what could stand in its place?


@click.command("generate-fish-completion", cls=Command, hidden=True)
@click.pass_context
def generate_fish_completion(ctx: click.Context) -> None:
    """Print what fish needs to complete our commands and flags."""
    from click.shell_completion import FishComplete

    root = ctx.find_root()
    program = root.info_name or ""
    click.echo(FishComplete(root.command, {}, program, _variable(program)).source())


def print_candidates(root: click.Command, program: str, words: Sequence[str]) -> None:
    """Print commands that may follow these words, one a line; flags if the last word begins one."""
    from click.shell_completion import ShellComplete

    begins_flag = bool(words) and words[-1].startswith("-")
    before, begun = (words[:-1], words[-1]) if begins_flag else (words, "")
    shell = ShellComplete(root, {}, program, _variable(program))
    for candidate in shell.get_completions(list(before), begun):
        if candidate.type == "plain":
            click.echo(candidate.value)


def _variable(program: str) -> str:
    """The environment variable by which a shell's script asks click."""
    return f"_{program}_COMPLETE".replace("-", "_").replace(".", "_").upper()
