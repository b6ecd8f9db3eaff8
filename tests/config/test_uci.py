"""The UCI grammar, against what libuci makes of the same text."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remsimd.config.uci import Option, Package, Section, UciError, dump, parse


def value(text: str) -> str:
    """The one value of `option o <text>`."""
    ((option,),) = (section.options for section in parse(f"config t s\n\toption o {text}\n").sections)
    assert option.values == (option.values[0],)
    return option.values[0]


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("plain", "plain"),
        ("'single quoted'", "single quoted"),
        ('"double quoted"', "double quoted"),
        ("'a'\"b\"c", "abc"),
        ("pre'fix and'\" suffix\"", "prefix and suffix"),
        (r"'it'\''s'", "it's"),
        (r"'back\slash'", r"back\slash"),
        (r"'\'", "\\"),
        (r'"a\"b\\c\d"', 'a"b\\cd'),
        (r"a\ b\'c\\d\;e\#f", "a b'c\\d;e#f"),
        ("'two\nlines'", "two\nlines"),
        ('"two\nlines"', "two\nlines"),
        ('"joined \\\nline"', "joined line"),
        ('"joined \\\r\nline"', "joined line"),
        ("joined\\\nline", "joinedline"),
        ("'kept \\\nline'", "kept \\\nline"),
        ("'#not a comment'", "#not a comment"),
        ('"a;b"', "a;b"),
        ("v # comment", "v"),
        ("v#comment", "v"),
        ("'v'#comment", "v"),
        ("v ;", "v"),
        ("v;", "v"),
        ("v\r", "v"),
        ("\t v \t", "v"),
        ("'ünïcode'", "ünïcode"),
        ("''x''", "x"),
        ("x\\", "x"),
    ],
)
def test_value(text: str, meaning: str) -> None:
    assert value(text) == meaning


def test_real_file() -> None:
    text = (
        "\n"
        "package remsim\n"
        "# the daemon\n"
        "config remsim 'main'\n"
        "\toption enabled '1'\n"
        '  option log_level "info"   # quiet\n'
        "config modem\n"
        "\tlist match 'usb:1-1.2'\n"
        "\tlist match 'imei:359000000000000'\n"
        "config 'modem' 'second'; option role secondary; option sim local\n"
    )
    assert parse(text) == Package(
        (
            Section("remsim", "main", 0, (Option("enabled", ("1",)), Option("log_level", ("info",)))),
            Section(
                "modem", None, 0, (Option("match", ("usb:1-1.2", "imei:359000000000000"), is_list=True),)
            ),
            Section("modem", "second", 1, (Option("role", ("secondary",)), Option("sim", ("local",)))),
        ),
        "remsim",
    )


def test_every_line_end_and_the_letters_of_the_keywords() -> None:
    expected = parse("config t s\n\toption o v\n\tlist l a\n\tlist l b\n")
    assert parse("config t s\r\n\toption o v\r\n\tlist l a\r\n\tlist l b\r\n") == expected
    assert parse("c t s\no o v\nl l a\nl l b") == expected
    assert parse("c t s;o o v; l l a ;l l b;;") == expected


def test_sections_of_one_name_merge() -> None:
    package = parse(
        "config t s\n option a 1\n list l x\nconfig u other\n"
        "config t s\n option a 2\n list l y\n option b 3\n"
    )
    assert package.sections == (
        Section(
            "t",
            "s",
            0,
            (Option("a", ("2",)), Option("l", ("x", "y"), is_list=True), Option("b", ("3",))),
        ),
        Section("u", "other", 0),
    )


def test_anonymous_sections_stay_apart_and_have_labels() -> None:
    package = parse("config t\nconfig t named\nconfig u\nconfig t\n")
    assert [section.label for section in package.sections] == ["@t[0]", "named", "@u[0]", "@t[2]"]


@pytest.mark.parametrize(
    ("statements", "options"),
    [
        ("option o 1; option o ''", ()),
        ("option o 1; option o", ()),
        ("option o ''", ()),
        ("list o 1; option o 2", (Option("o", ("2",)),)),
        ("option o 1; list o 2", (Option("o", ("1", "2"), is_list=True),)),
        ("list o ''", (Option("o", ("",), is_list=True),)),
    ],
)
def test_options_replace_and_lists_grow(statements: str, options: tuple[Option, ...]) -> None:
    assert parse(f"config t s\n{statements}\n").sections[0].options == options


def test_lines_are_kept_for_messages() -> None:
    section = parse("\n\nconfig t s\n\toption a '1\n2'\n\toption b 3\n").sections[0]
    assert (section.line, [option.line for option in section.options]) == (3, [4, 6])


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("config t s\n\toption o 'open\n\nmore", 2, 11, "the quote ' opened here is never closed"),
        ('config t s\n\toption o x"open', 2, 12, 'the quote " opened here is never closed'),
        ('config t s\n\toption o "x\\"', 2, 11, "never closed"),
        ("\noption o v\n", 2, 1, "before the first section"),
        ("  list o v\n", 1, 3, "before the first section"),
        ("config\n", 1, 1, "needs a section type"),
        ("config ''\n", 1, 1, "needs a section type"),
        ("config t s extra\n", 1, 12, "too many words"),
        ("config t s\n option o a b\n", 2, 13, "too many words"),
        ("config t s\n option o \\\n v\n", 3, 2, "too many words"),
        ("config t s\n option\n", 2, 2, "needs an option name"),
        ("config t s\n option my-option v\n", 2, 9, "cannot be an option name"),
        ("config t my-name\n", 1, 10, "cannot be a section name"),
        ("config 'a b'\n", 1, 8, "cannot be a section type"),
        ("package\n", 1, 1, "needs a package name"),
        ("package a b\n", 1, 11, "too many words"),
        ("config t s\nconfig u s\n", 2, 10, "type 't' already (line 1)"),
        ("conf t s\n", 1, 1, "'conf' is not one of"),
        ("config t s\n\toption o 'a'; 'x'\n", 2, 16, "'x' is not one of"),
        ("config t s\n option o a\0b\n", 2, 12, "NUL"),
    ],
)
def test_errors_name_their_place(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(UciError, match="line") as caught:
        parse(text)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert problem in caught.value.problem


NAMES = st.text(string.ascii_letters + string.digits + "_", min_size=1, max_size=12)
TYPES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)
VALUES = st.text("aZ09 '\"\\#;\n\r\t$`äŁ日", max_size=30)


@st.composite
def packages(draw: st.DrawFn) -> Package:
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    kinds = draw(st.lists(TYPES, min_size=1, max_size=3, unique=True))
    sections: list[Section] = []
    for name in [*names, *draw(st.lists(st.none(), max_size=3))]:
        kind = draw(st.sampled_from(kinds))
        singles = st.builds(lambda n, v: Option(n, (v,)), NAMES, VALUES.filter(bool))
        lists = st.builds(lambda n, v: Option(n, tuple(v), is_list=True), NAMES, st.lists(VALUES, min_size=1))
        options = draw(st.lists(singles | lists, max_size=4, unique_by=lambda option: option.name))
        index = sum(section.type == kind for section in sections)
        sections.append(Section(kind, name, index, tuple(options)))
    return Package(tuple(sections), draw(st.none() | NAMES))


@given(packages())
def test_dump_reads_back(package: Package) -> None:
    assert parse(dump(package)) == package


@given(st.text(st.sampled_from("config option list package 'ab\"\\\n\r;# \t"), max_size=120))
def test_any_text_is_read_or_refused(text: str) -> None:
    lines = text.count("\n") + 1
    try:
        package = parse(text)
    except UciError as error:
        place = error.line
    else:
        place = lines
        assert parse(dump(package)) == package
    assert 1 <= place <= lines
