"""Spec: config-language §4, §5."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.framework.config.load import FILE_MAX, Source, read_config, read_source
from posthouse.framework.config.node import ConfigError, ConfigErrors, Node

Write = Callable[..., Path]
Shapes = Callable[[object], list[object]]


def read(path: Path, **environ: str) -> list[Node]:
    return read_config(path, environ)


def names(path: Path) -> list[str]:
    return [node.name for node in read(path)]


def error_of(path: Path, **environ: str) -> str:
    """The error's text, with file names instead of paths."""
    with pytest.raises(ConfigError) as caught:
        read(path, **environ)
    return str(caught.value).replace(f"{path.parent}/", "")


# --- snippets


def test_a_snippet_may_be_declared_below_its_use(write: Write) -> None:
    assert names(write("a\nimport s\nb\n(s) {\n c\n d\n}")) == ["a", "c", "d", "b"]


def test_snippets_import_snippets(write: Write, shapes: Shapes) -> None:
    path = write("a { import s }\n(s) {\n b\n import t\n}\n(t) {\n c { import u }\n}\n(u) { d }")
    assert shapes(read(path)) == [("a", [], [("b", []), ("c", [], [("d", [])])])]


def test_importing_an_empty_snippet_leaves_an_empty_block(write: Write, shapes: Shapes) -> None:
    assert shapes(read(write("(s) { }\na { import s }\nb"))) == [("a", [], []), ("b", [])]


def test_the_specification_s_example(write: Write, shapes: Shapes) -> None:
    path = write("$(domain) = example.net\n(common) {\n hostname mx.$(domain)\n tls off\n}\nimport common\n")
    assert shapes(read(path)) == [("hostname", ["mx.example.net"]), ("tls", ["off"])]


# --- files


def test_a_file_is_found_beside_the_importing_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "main.conf").write_text("import sub/one")
    (tmp_path / "sub" / "one").write_text("import two.conf\nb")
    (tmp_path / "sub" / "two.conf").write_text("a")
    one, two = read(tmp_path / "main.conf")
    assert (one.where, two.where) == (f"{tmp_path}/sub/two.conf:1", f"{tmp_path}/sub/one:2")


def test_the_name_as_it_is_comes_before_the_one_with_conf(write: Write) -> None:
    path = write("import lib", lib="with_conf")
    (path.parent / "lib").write_text("as_it_is")
    assert names(path) == ["as_it_is"]


def test_conf_is_added(write: Write) -> None:
    assert names(write("import lib", lib="a")) == ["a"]


def test_a_snippet_comes_before_a_file(write: Write) -> None:
    assert names(write("import lib\n(lib) { snippet }", lib="file")) == ["snippet"]


def test_an_absolute_import(write: Write, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("a")
    assert names(write(f"import {tmp_path}/other")) == ["a"]


def test_imports_in_blocks(write: Write, shapes: Shapes) -> None:
    assert shapes(read(write("a {\n import lib\n c\n}", lib="b x"))) == [("a", [], [("b", ["x"]), ("c", [])])]


def test_macros_of_the_importer_are_unknown_to_the_imported(write: Write) -> None:
    path = write("$(m) = x\nimport lib", lib="a $(m) y")
    assert [node.args for node in read(path)] == [("y",)]


def test_macros_of_the_imported_are_unknown_to_the_importer(write: Write) -> None:
    path = write("import lib\na $(m) y", lib="$(m) = x")
    assert [node.args for node in read(path)] == [("y",)]


def test_macros_in_import_directives_are_replaced(write: Write) -> None:
    assert names(write("$(m) = lib\nimport $(m)", lib="a")) == ["a"]


def test_snippets_of_an_imported_file_are_known_from_then_on(write: Write) -> None:
    assert names(write("import lib\nimport s", lib="(s) { a }")) == ["a"]


def test_and_to_imports_of_snippets_that_are_expanded_later(write: Write) -> None:
    assert names(write("import t\nimport lib\n(t) { import s }", lib="(s) { a }")) == ["a"]


def test_but_not_before(write: Write) -> None:
    assert "main.conf:1: unknown import: s" in error_of(write("import s\nimport lib", lib="(s) { a }"))


def test_snippets_of_the_importer_are_unknown_to_the_imported(write: Write) -> None:
    assert "lib.conf:1: unknown import: s" in error_of(write("(s) { a }\nimport lib", lib="import s"))


# --- what fails


def test_unknown_import(write: Write) -> None:
    path = write("a\n  import nothing")
    assert (
        error_of(path)
        == "failed to read config main.conf: main.conf:2: unknown import: nothing\n    column 3"
    )


@pytest.mark.parametrize("line", ["import", "import a b", "import a {\n}"])
def test_import_takes_one_argument(write: Write, line: str) -> None:
    assert "main.conf:1: import directive requires exactly 1 argument" in error_of(write(line))


def test_all_files_with_mistakes_are_listed(write: Write) -> None:
    path = write("import one\nimport two\nimport three", one="}", two="a {")
    with pytest.raises(ConfigErrors) as caught:
        read(path)
    first = [str(error).split("\n")[0].replace(f"{path.parent}/", "") for error in caught.value.errors]
    assert first == [
        "failed to read config main.conf: one.conf:1 - Error during parsing: unexpected }",
        "failed to read config main.conf: two.conf:1 - Error during parsing: unexpected EOF when looking for }",
        "failed to read config main.conf: main.conf:3: unknown import: three",
    ]


@pytest.mark.parametrize(
    "text",
    ["import main", "(s) { import s }\nimport s", "(s) {\n a { import s }\n}\nimport s", "a { import main }"],
)
def test_imports_in_a_circle_end(write: Write, text: str) -> None:
    assert ": hit import expansion limit" in error_of(write(text)) or ": nesting limit" in error_of(
        write(text)
    )


def test_imports_that_double_end(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.framework.config.expand.IMPORTED_MAX", 10_000)
    assert ": hit import expansion limit" in error_of(write("(s) {\n import s\n import s\n}\nimport s"))


def test_blocks_of_snippets_nest_255_deep(write: Write) -> None:
    deep = "a {\n" * 200 + "import s\n" + "}\n" * 200
    assert "nesting limit reached" in error_of(write(f"(s) {{\n{deep.replace('import s', 'b')}}}\n{deep}"))


def test_a_chain_of_255_files_is_read(tmp_path: Path) -> None:
    for i in range(255):
        (tmp_path / f"{i}.conf").write_text(f"import {i + 1}")
    (tmp_path / "255.conf").write_text("end")
    assert names(tmp_path / "0.conf") == ["end"]


def test_no_such_file(tmp_path: Path) -> None:
    assert error_of(tmp_path / "x.conf") == "failed to read config x.conf: no such file"


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    assert error_of(tmp_path / "lib") == "failed to read config lib: Is a directory"


def test_an_imported_directory(write: Write, tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    assert "main.conf:1: cannot read lib: Is a directory" in error_of(write("import lib"))


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_bytes(b"a\nb \xff\n")
    assert error_of(tmp_path / "x.conf") == "failed to read config x.conf: not UTF-8 text, in line 2"


def test_an_imported_file_that_is_not_utf8(write: Write, tmp_path: Path) -> None:
    (tmp_path / "lib").write_bytes(b"\xff")
    assert "main.conf:1: cannot read lib: not UTF-8 text, in line 1" in error_of(write("import lib"))


def test_a_file_without_end(tmp_path: Path) -> None:
    with (tmp_path / "x.conf").open("wb") as file:
        file.truncate(FILE_MAX + 1)
    assert error_of(tmp_path / "x.conf") == f"failed to read config x.conf: more than {FILE_MAX} octets"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("a")
    (tmp_path / "x.conf").chmod(0)
    assert error_of(tmp_path / "x.conf") == "failed to read config x.conf: Permission denied"


@pytest.mark.parametrize("name", ['"a\0b"', "x" * 5000, "main.conf/below"])
def test_odd_names_of_imports(write: Write, name: str) -> None:
    assert "main.conf:1: cannot read " in error_of(write(f"import {name}"))


# --- environment


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("{env:A}", "1"),
        ("x{env:A}y{env:B}z", "x1y2z"),
        ("{env:UNSET}", ""),
        ("x{env:UNSET}y}z", "xy}z"),
        ("{env:A", "{env:A"),
        ("{env:A}{env:B", "1{env:B"),
        ("{other}", "{other}"),
        ("{env:LOOP}", "{env:A}"),
        ('"{env:A} b"', "1 b"),
        ("{env:}", ""),
    ],
)
def test_environment(write: Write, written: str, read_as: str) -> None:
    (node,) = read(write(f"a {written}"), A="1", B="2", LOOP="{env:A}")
    assert node.args == (read_as,)


def test_environment_in_blocks_and_imported_files(write: Write, shapes: Shapes) -> None:
    path = write("a {\n import lib\n import s\n}\n(s) { c x{env:A} }", lib="b {env:A}")
    assert shapes(read(path, A="1")) == [("a", [], [("b", ["1"]), ("c", ["x1"])])]


def test_environment_is_no_name_of_an_import(write: Write) -> None:
    assert "unknown import: {env:A}" in error_of(write("import {env:A}", lib="a"), A="lib")


def test_a_macro_holds_a_reference_to_the_environment(write: Write) -> None:
    (node,) = read(write("$(m) = {env:A}\na $(m)"), A="1")
    assert node.args == ("1",)


def test_a_variable_that_is_not_utf8(write: Write) -> None:
    assert error_of(write("a {env:A}"), A="\udcff").endswith("the environment variable A is not UTF-8 text")


# --- the snapshot


def test_a_snapshot_needs_neither_the_files_nor_the_environment(write: Write) -> None:
    path = write("import lib\na {env:A}", lib="(s) { b }\nimport s")
    source = read_source(path, {"A": "1", "SECRET": "2"})
    nodes = source.nodes()
    for file in path.parent.iterdir():
        file.write_text("edited {")
    again = Source.from_bytes(source.to_bytes())
    assert again.nodes() == nodes
    assert [(node.name, node.args) for node in nodes] == [("b", ()), ("a", ("1",))]
    assert again.environment == {"A": "1"}


def test_a_file_that_was_missing_stays_missing_in_a_snapshot(write: Write) -> None:
    path = write("import lib", lib="a")
    source = read_source(path, {})
    (path.parent / "lib").write_text("b")
    assert [node.name for node in source.nodes()] == ["a"]


def test_a_file_that_is_imported_twice_is_read_once(write: Write) -> None:
    source = read_source(write("import lib\nimport lib", lib="a"), {})
    assert len(source.files) == 2
    assert [node.name for node in source.nodes()] == ["a", "a"]


def test_the_example_configuration_is_read(tmp_path: Path) -> None:
    example = Path(__file__).parents[4] / "shared" / "spec" / "example.conf"
    if not example.exists():
        pytest.skip("no example.conf of the specification here")
    assert [node.name for node in read(example)] == [
        "hostname",
        "tls",
        "auth.pass_table",
        "storage.imapsql",
        "table.chain",
        "msgpipeline",
        "smtp",
        "submission",
        "target.remote",
        "target.queue",
        "imap",
    ]
