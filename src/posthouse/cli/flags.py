"""Flags as maddy takes them (Go's way), made into what click takes (spec/cli-and-ops §1).

One or two dashes for any name, `-name VALUE` or `-name=VALUE`; a switch stands alone or as `-name=false`. Flags end at
the first other word, or at `--`. click by itself would take `-debug=false` for the five letters d, e, b, u, g.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence

import click

TRUE = frozenset({"1", "t", "true"})  # capitals too, as Go's strconv.ParseBool
FALSE = frozenset({"0", "f", "false"})


class UsageError(click.UsageError):
    """The words on the command line make no sense; shown with the usage of the command. Exit status 2."""


class UnknownFlag(UsageError):
    exit_code = 1


def normalise(
    command: click.Command, ctx: click.Context, words: Sequence[str]
) -> tuple[list[str], list[str]]:
    """(flags, other words): flags as `--name=value`, for switches `--name`.

    Raises UsageError for a flag that the command does not have, without its value, or with a wrong one.
    """
    known = {name.lstrip("-"): option for option in _options(command, ctx) for name in option.opts}
    flags: list[str] = []
    rest = list(words)
    while rest and len(rest[0]) > 1 and rest[0].startswith("-"):
        word = rest.pop(0)
        if word == "--":
            break
        name, equals, value = _undashed(word).partition("=")
        option = known.get(name)
        if option is None:
            raise _unknown(word.partition("=")[0], name, known, ctx)
        full = max(option.opts, key=len)
        if option.is_flag:
            flags = _switched(flags, full, word, value if equals else "true", ctx)
        else:
            if not equals and not rest:
                raise UsageError(f"{full} needs a value", ctx)
            flags.append(f"{full}={value if equals else rest.pop(0)}")
    return flags, rest


def _options(command: click.Command, ctx: click.Context) -> Iterable[click.Option]:
    return (param for param in command.get_params(ctx) if isinstance(param, click.Option))


def _undashed(word: str) -> str:
    return word[2:] if word.startswith("--") else word[1:]


def _switched(flags: list[str], full: str, word: str, value: str, ctx: click.Context) -> list[str]:
    """The last one of `-yes -yes=false` counts."""
    others = [flag for flag in flags if flag != full]
    if value.lower() in TRUE:
        return [*others, full]
    if value.lower() in FALSE:
        return others
    raise UsageError(f"{word}: the value of this switch is true or false", ctx)


def _unknown(flag: str, name: str, known: Mapping[str, click.Option], ctx: click.Context) -> UnknownFlag:
    near = difflib.get_close_matches(name, known, 1)
    meant = f"; did you mean {max(known[near[0]].opts, key=len)}?" if near else ""
    return UnknownFlag(f"unknown flag: {flag}{meant}", ctx)
