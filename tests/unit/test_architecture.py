"""The rules of CONTRIBUTING.md that a machine can check: who imports whom, where time is read, how long things get."""

from __future__ import annotations

import ast
import io
import re
import tokenize
import tomllib
from pathlib import Path

import pytest

from support.sources import ROOT, Source, calls, functions, imports, packages, python_files

PACKAGES = packages()
EVERYTHING = python_files()

# What of the standard library a decision may use: all of it works on values alone.
PURE = {
    "__future__", "base64", "bisect", "collections", "dataclasses", "datetime", "difflib", "enum", "fnmatch",
    "functools", "hashlib", "heapq", "hmac", "ipaddress", "itertools", "json", "math", "operator", "re", "string",
    "types", "typing", "unicodedata", "urllib",
}  # fmt: skip

# One adapter per outside thing: a library is imported in these modules and nowhere else in the daemon.
HOME_OF_LIBRARY = {
    "boto3": (),  # botocore is all that is needed; boto3's sessions cost a megabyte each
    "botocore": ("keyfobd.adapters.upstream", "keyfobd.adapters.transport"),
    "keyring": ("keyfobd.adapters.keys",),
    "cryptography": ("keyfobd.adapters.sealed_file",),
    "sqlite3": ("keyfobd.adapters.token_database",),
    "platformdirs": ("keyfobd.adapters.folders",),
    "aiohttp": ("keyfobd.http",),
    "truststore": ("keyfobd.adapters.transport",),
}

CLOCKS = re.compile(
    r"(^|\.)(time|datetime|date)\.(time|time_ns|monotonic|monotonic_ns|perf_counter|perf_counter_ns|clock_gettime"
    r"|clock_gettime_ns|now|utcnow|today)$|loop(\(\))?\.time$"
)


# RFC 8628 §3.5: between two polls for a device code an interval must pass, and nothing tells the outcome sooner.
PACED_BY_OTHERS = ("sign_in.py _pause",)


def offences(sources: list[Source], rule: str, found: list[str]) -> None:
    assert sources, "no file was looked at"
    assert not found, f"{rule}:\n  " + "\n  ".join(found)


def inside(*names: str) -> list[Source]:
    return [source for source in PACKAGES if source.within(*names)]


def belongs(module: str, *roots: str) -> bool:
    return any(module == root or module.startswith(f"{root}.") for root in roots)


def forbidden_imports(sources: list[Source], forbidden: tuple[str, ...], but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{source.place}:{found.line} imports {found.module}"
        for source in sources
        for found in imports(source)
        if belongs(found.module, *forbidden) and not belongs(found.module, *but)
    ]


# --- who may import whom ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("keyfob", ("keyfobd", "identity_center_simulator")),
        ("keyfobd", ("identity_center_simulator",)),
        ("identity_center_simulator", ("keyfob", "keyfobd")),
    ],
)
def test_client_daemon_and_simulator_stay_apart(package: str, forbidden: tuple[str, ...]) -> None:
    sources = inside(package)
    offences(sources, f"{package} may not import these", forbidden_imports(sources, forbidden))


def test_the_daemon_takes_the_contract_and_the_config_parser_from_the_client_and_nothing_else() -> None:
    sources = inside("keyfobd")
    allowed = ("keyfob.wire", "keyfob.aws_config", "keyfob.__version__")
    found = [
        f"{source.place}:{one.line} imports {one.module}"
        for source in sources
        for one in imports(source)
        if belongs(one.module, "keyfob") and one.module != "keyfob" and not belongs(one.module, *allowed)
    ]
    offences(sources, "the daemon may import keyfob.wire and keyfob.aws_config", found)


def test_decisions_import_nothing_but_themselves_and_what_works_on_values() -> None:
    sources = inside("keyfobd.core")
    found = [
        f"{source.place}:{one.line} imports {one.module}"
        for source in sources
        for one in imports(source)
        if one.module.split(".")[0] not in PURE and not belongs(one.module, "keyfobd.core", "keyfob")
    ]
    offences(sources, "core/ is pure", found)


def test_adapters_know_of_the_core_its_records_errors_and_words_for_time_alone() -> None:
    sources = inside("keyfobd.adapters")
    allowed = ("keyfobd.core.model", "keyfobd.core.errors", "keyfobd.core.times", "keyfobd.adapters")
    found = [
        f"{source.place}:{one.line} imports {one.module}"
        for source in sources
        for one in imports(source)
        if belongs(one.module, "keyfobd") and one.module not in {"keyfobd", "keyfobd.core"}
        if not belongs(one.module, *allowed)
    ]
    offences(sources, "an adapter turns the outside into our records and errors", found)


def test_adapters_are_put_in_by_the_root_alone() -> None:
    """Everybody else says with a Protocol what they need."""
    sources = [one for one in inside("keyfobd") if not one.within("keyfobd.adapters", "keyfobd.lifecycle")]
    sources = [one for one in sources if one.module != "keyfobd.__main__"]
    offences(sources, "only lifecycle builds adapters", forbidden_imports(sources, ("keyfobd.adapters",)))


@pytest.mark.parametrize("library", sorted(HOME_OF_LIBRARY))
def test_each_library_is_imported_in_its_own_adapter_alone(library: str) -> None:
    home = (*HOME_OF_LIBRARY[library], "keyfobd.lifecycle") if library == "aiohttp" else HOME_OF_LIBRARY[library]
    sources = [source for source in inside("keyfobd") if not source.within(*home)]
    offences(sources, f"{library} belongs to {home}", forbidden_imports(sources, (library,)))


# --- time, waiting, ending ----------------------------------------------------------------------------------------


def test_the_daemon_reads_time_in_its_clock_alone() -> None:
    sources = [source for source in inside("keyfobd") if source.module != "keyfobd.adapters.clock"]
    found = [
        f"{source.place}:{node.lineno} reads a clock: {name}"
        for source in sources
        for name, node in calls(source)
        if CLOCKS.search(name)
    ]
    found += forbidden_imports(sources, ("time.time", "time.monotonic", "time.perf_counter", "time.clock_gettime"))
    offences(sources, "time is read in adapters/clock.py", found)


def test_client_and_daemon_wait_for_something_and_never_sleep() -> None:
    sources = inside("keyfob", "keyfobd")
    found = [one for one in _sleeps(sources) if not one.endswith(PACED_BY_OTHERS)]
    offences(sources, "waiting is for an event", found)


def _sleeps(sources: list[Source]) -> list[str]:
    """``asyncio.sleep(0)`` is not a wait: it lets the others run once."""
    return [
        f"{source.place} {_function_at(source, node.lineno)}"
        for source in sources
        for name, node in calls(source)
        if name.rpartition(".")[2] == "sleep" and not _is_zero(node)
    ]


def _is_zero(call: ast.Call) -> bool:
    return len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0


def _function_at(source: Source, line: int) -> str:
    around = [one for one in functions(source) if one.lineno <= line <= (one.end_lineno or line)]
    return around[-1].name if around else "(module)"


def test_tests_never_sleep_but_for_a_list_that_names_their_budget() -> None:
    """``tests/wall_time.toml`` is that list: what may take wall time, how many seconds of it, and why."""
    allowed = tomllib.loads((ROOT / "tests" / "wall_time.toml").read_text(encoding="utf-8"))
    # With looptime the clock of the event loop moves and the wall's does not.
    sources = [one for one in EVERYTHING if one.place.startswith("tests/") and "pytest.mark.looptime" not in one.text]
    found = [one for one in _sleeps(sources) if one.partition(" ")[0] not in allowed]
    offences(sources, "a test waits for something, or is named in tests/wall_time.toml", found)
    for place, entry in allowed.items():
        assert (ROOT / place).is_file(), f"{place} is gone"
        assert entry["seconds"] > 0, place
        assert len(entry["why"]) > 20, place


def test_the_daemon_prints_and_exits_in_main_alone() -> None:
    sources = [source for source in inside("keyfobd") if source.module != "keyfobd.__main__"]
    enders = {"print", "exit", "quit", "sys.exit", "os._exit", "SystemExit", "os.abort", "breakpoint", "input"}
    found = [
        f"{source.place}:{node.lineno} calls {name}"
        for source in sources
        for name, node in calls(source)
        if name in enders or name.startswith(("sys.stdout.", "sys.stderr."))
    ]
    offences(sources, "__main__ prints and exits", found)


# --- size and exceptions ------------------------------------------------------------------------------------------


def test_no_file_is_longer_than_400_lines_and_no_test_module_than_600() -> None:
    """A module has one test module, and it takes about twice as many lines to show a thing as to do it."""
    found = [
        f"{source.place}: {lines} lines"
        for source in EVERYTHING
        if (lines := source.text.count("\n")) > (600 if source.path.name.startswith("test_") else 400)
    ]
    offences(EVERYTHING, "there is a second module inside", found)


def test_no_function_is_longer_than_40_lines() -> None:
    found = [
        f"{source.place}:{one.lineno} {one.name}: {length} lines"
        for source in EVERYTHING
        for one in functions(source)
        if (length := (one.end_lineno or one.lineno) - one.lineno + 1) > 40
    ]
    offences(EVERYTHING, "there is a second function inside", found)


def test_every_exception_from_a_checker_names_its_code_and_its_reason() -> None:
    found = [
        f"{source.place}:{line} {comment}"
        for source in EVERYTHING
        for line, comment in _comments(source)
        if re.search(r"#\s*(noqa|type: ignore)", comment) and not _reasoned(comment)
    ]
    offences(EVERYTHING, "a code and a reason", found)


def _comments(source: Source) -> list[tuple[int, str]]:
    tokens = tokenize.generate_tokens(io.StringIO(source.text).readline)
    return [(token.start[0], token.string) for token in tokens if token.type == tokenize.COMMENT]


def _reasoned(comment: str) -> bool:
    """Take away the exceptions that name their code: no nameless one may be left, and some words must be."""
    rest = re.sub(r"noqa: ?[A-Z]+\d+(, ?[A-Z]+\d+)*|type: ignore\[[a-z, -]+\]", "", comment)
    return not re.search(r"#\s*(noqa|type: ignore)", rest) and len(rest.strip("#-: ")) >= 6


@pytest.mark.parametrize(
    ("comment", "good"),
    [
        ("# noqa: S105 - a route, not a token", True),
        ("# noqa: S105", False),
        ("# noqa", False),
        ("# type: ignore[return-value]  # written by us alone", True),
        ("# type: ignore[arg-type]  # noqa: E501", False),
        ("# type: ignore", False),
    ],
)
def test_an_exception_without_a_reason_is_told_from_one_with(comment: str, *, good: bool) -> None:
    assert _reasoned(comment) is good


# --- the rules themselves can fail --------------------------------------------------------------------------------


def written(text: str, module: str = "keyfobd.core.sample") -> Source:
    """A file that breaks rules, which is not there."""
    return Source(ROOT / "daemon" / Path(*module.split(".")).with_suffix(".py"), module, text)


@pytest.mark.parametrize(
    "line", ["time.time()", "time.monotonic()", "datetime.now(UTC)", "loop.time()", "asyncio.get_running_loop().time()"]
)
def test_each_way_of_reading_a_clock_is_known(line: str) -> None:
    ((name, _),) = [found for found in calls(written(line)) if found[0].endswith(("time", "now", "monotonic"))]
    assert CLOCKS.search(name)


def test_every_form_of_an_import_is_seen() -> None:
    text = "import a.b\nfrom c import d\nfrom . import e\nfrom ..adapters import seal\ndef f():\n    from g import h\n"
    assert {found.module for found in imports(written(text))} == {
        "a.b", "c", "c.d", "keyfobd.core", "keyfobd.core.e", "keyfobd.adapters", "keyfobd.adapters.seal", "g", "g.h",
    }  # fmt: skip


def test_a_sleep_is_seen_and_a_turn_for_the_others_is_none() -> None:
    assert _sleeps([written("async def wait():\n    await asyncio.sleep(1)\n    await asyncio.sleep(0)\n")]) == [
        "daemon/keyfobd/core/sample.py wait"
    ]
