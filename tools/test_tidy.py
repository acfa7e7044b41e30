"""tidy.py's own tests: each rule fires on a small tree made for it, and keeps quiet on the same tree put right."""

import pathlib
import shutil
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import tidy

LEAD = "/* Owns nothing; made for a test. */\n"
HEADER = "#ifndef X_H\n#define X_H\nint x(void);\n#endif\n"


def function_of(lines, head="int x(void)"):
    """A function that is that many lines long, from its head to its closing brace."""
    return "\n".join([head, "{"] + ["    x();"] * (lines - 3) + ["}"]) + "\n"


def write(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def module(path, body, **more):
    """A module with all that belongs to it: its header and its test."""
    floor, stem = path.split("/")[1], pathlib.PurePath(path).stem
    files = {path: LEAD + body, path[:-2] + ".h": HEADER, f"tests/unit/{floor}/{stem}_test.c": LEAD}
    files.update(more)
    return files


def rules(root, files, with_format=False):
    """The findings as `path:rule`."""
    write(root, files)
    return [f"{f.path}:{f.rule}" for f in tidy.find(root, with_format)[0]]


def test_a_tidy_tree_has_no_findings(tmp_path):
    assert rules(tmp_path, module("src/base/x.c", '#include "base/x.h"\n\n' + function_of(10))) == []


@pytest.mark.parametrize("include, found", [
    ("base/y.h", []),
    ("net/x.h", []),
    ("http/y.h", ["src/net/x.c:floor"]),
    ("main/y.h", ["src/net/x.c:floor"]),
    ("y.h", ["src/net/x.c:include"]),
    ("../base/y.h", ["src/net/x.c:include"]),
    ("src/base/y.h", ["src/net/x.c:include"]),
    ("base/missing.h", ["src/net/x.c:include"]),
    ("base/y.def", []),
])
def test_includes_go_down(tmp_path, include, found):
    files = module("src/net/x.c", f'#include "{include}"\n#include <errno.h>\n')
    files.update({f"src/{name}": "" for name in ("base/y.h", "base/y.def", "http/y.h", "main/y.h", "net/y.h")})
    assert rules(tmp_path, files) == found


@pytest.mark.parametrize("line", [
    '// #include "http/y.h"\n',
    '/*\n#include "http/y.h"\n*/\n',
    'static const char *text = "#include \\"http/y.h\\"";\n',
])
def test_an_include_that_is_none(tmp_path, line):
    assert rules(tmp_path, {**module("src/net/x.c", line), "src/http/y.h": ""}) == []


def test_a_spaced_include_is_seen(tmp_path):
    files = {**module("src/net/x.c", '#  include  "http/y.h"\n'), "src/http/y.h": ""}
    assert rules(tmp_path, files) == ["src/net/x.c:floor"]


@pytest.mark.parametrize("test, found", [
    ("tests/unit/io/x_test.c", ["tests/unit/io/x_test.c:floor"]),
    ("tests/unit/net/x_test.c", []),
    ("tests/contract/x_test.c", []),
])
def test_a_unit_test_stays_on_its_floor(tmp_path, test, found):
    assert rules(tmp_path, {test: '#include "net/y.h"\n', "src/net/y.h": ""}) == found


def test_a_test_includes_its_neighbour(tmp_path):
    assert rules(tmp_path, {"tests/sim/a.c": '#include "b.h"\n#include "sim/b.h"\n', "tests/sim/b.h": ""}) == []


def test_include_rings(tmp_path):
    files = {"src/base/a.h": '#include "base/b.h"\n', "src/base/b.h": '#include "base/c.h"\n',
             "src/base/c.h": '#include "base/a.h"\n', "src/base/d.h": '#include "base/a.h"\n'}
    assert rules(tmp_path, files) == ["src/base/c.h:cycle"]
    found = tidy.find(tmp_path, False)[0]
    assert "src/base/a.h -> src/base/b.h -> src/base/c.h -> src/base/a.h" in found[0].text
    assert rules(tmp_path, {"src/base/c.h": ""}) == []


@pytest.mark.parametrize("lines, found", [(70, []), (71, ["src/base/x.c:function-size"])])
def test_function_size(tmp_path, lines, found):
    assert rules(tmp_path, module("src/base/x.c", function_of(lines))) == found


@pytest.mark.parametrize("text, names", [
    ("int x(void)\n{\n    return 0;\n}\n", [("x", 4)]),
    ("static MUST_CHECK int\nx(int a,\n  int b)\n{\n}\n", [("x", 5)]),
    ("__attribute__((cold)) void x(void)\n{\n}\n", [("x", 3)]),
    ("static const struct x table[] = {\n    {1},\n};\n", []),
    ("struct x {\n    int a;\n};\n", []),
    ("enum x\n{\n    A,\n};\n", []),
    ("#define X(a) \\\n    do \\\n{ \\\n} \\\n    while (0)\nint y(void)\n{\n}\n", [("y", 3)]),
    ('int x(void)\n{\n    return f("}\\n{", \'{\', /* }\n} */ 1);\n}\n', [("x", 5)]),
    ("int x(void)\n{\n#if A\n    if (a) {\n#else\n    if (b) {\n#endif\n    }\n}\nint y(void)\n{\n}\n",
     [("x", 9), ("y", 3)]),
    ("// it's {\nint x(void)\n{\n}\n", [("x", 3)]),
    ("int a;\nint x(void)\n{\n}\n", [("x", 3)]),
])
def test_the_scanner_finds_functions(tmp_path, text, names):
    write(tmp_path, {"src/base/x.h": text})
    source = tidy.Source(tmp_path, "src/base/x.h")
    assert [(f.name, f.last - f.head + 1) for f in source.functions] == names


@pytest.mark.parametrize("lines, found", [(800, []), (801, ["src/base/x.h:file-size"])])
def test_file_size(tmp_path, lines, found):
    assert rules(tmp_path, {"src/base/x.h": "int x(void);\n" * lines}) == found


def test_a_source_has_a_header_a_test_and_an_opening(tmp_path):
    assert rules(tmp_path, {"src/base/x.c": "int a;\n"}) == [
        "src/base/x.c:header", "src/base/x.c:opening", "src/base/x.c:test"]


def test_a_part_of_the_demo_worker_has_a_header(tmp_path):
    assert rules(tmp_path, {"worker/y.c": LEAD}) == ["worker/y.c:header"]


@pytest.mark.parametrize("path", ["worker/worker.c", "src/main/main.c"])
def test_a_program_needs_no_header_and_no_unit_test(tmp_path, path):
    assert rules(tmp_path, {path: LEAD + "int main(void)\n{\n    return 0;\n}\n"}) == []


def test_a_test_of_another_name_must_be_there(tmp_path, monkeypatch):
    monkeypatch.setitem(tidy.COVERED_ELSEWHERE, "src/io/x.c", ("tests/contract/x_suite.c", "one suite for all"))
    monkeypatch.setitem(tidy.HEADER_ELSEWHERE, "src/io/x.c", ("src/io/y.h", "an ops struct declared there"))
    files = {"src/io/x.c": LEAD, "src/io/y.h": HEADER}
    assert rules(tmp_path, files) == ["src/io/x.c:test"]
    assert rules(tmp_path, {"tests/contract/x_suite.c": LEAD}) == []


def test_an_exception_for_a_file_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.setitem(tidy.COVERED_ELSEWHERE, "src/io/gone.c", ("tests/contract/x_suite.c", "why"))
    assert "tools/tidy.py:exception" in rules(tmp_path, {"tools/tidy.py": ""})


@pytest.mark.parametrize("call", sorted(tidy.BANNED_CALLS) + sorted(tidy.NUMBER_CALLS))
def test_banned_calls(tmp_path, call):
    assert rules(tmp_path, module("src/io/x.c", f"int a = {call} (b);\n")) == ["src/io/x.c:banned-call"]


@pytest.mark.parametrize("code", [
    "int a = timer_sleep(b);\n",
    "int a = ops->system(b);\n",
    "int a = ops.system(b);\n",
    "/* never strcpy(a, b) */\n",
    'const char *text = "strcpy(a, b)";\n',
    "int a = strtok_count;\n",
])
def test_calls_that_are_none(tmp_path, code):
    assert rules(tmp_path, module("src/io/x.c", code)) == []


def test_banned_calls_in_tests_and_worker(tmp_path):
    files = {"tests/e2e/x.c": "int a = sleep(1);\n", "bench/x.c": "long a = strtol(b, c, 10);\n",
             "worker/main.c": LEAD + "int main(void)\n{\n    sleep(1);\n}\n"}
    assert rules(tmp_path, files) == ["tests/e2e/x.c:banned-call", "worker/main.c:banned-call"]


def test_base_str_may_parse_numbers(tmp_path):
    assert rules(tmp_path, module("src/base/str.c", "long a = strtol(b, c, 10);\n")) == []


@pytest.mark.parametrize("path, code, fires", [
    ("src/io/x.c", "void *a = malloc(1);\n", True),
    ("src/io/x.c", "void x(void)\n{\n    free(a);\n}\n", True),
    ("src/base/x.c", "void *a = malloc(1);\n", False),
    ("src/io/x.c", "void *a = malloc(1); /* start-up only: one a loop */\n", False),
    ("src/io/x.c", "/* start-up only: one a loop */\nvoid *a = malloc(1);\n", False),
    ("src/io/x.c", "void *a = malloc(1); /* not per request: once a scrape */\n", False),
    ("src/io/x.c", "/* start-up only: one a loop */\nint b;\nvoid *a = malloc(1);\n", True),
    ("src/io/x.c", "/* One.\n * start-up only: never again */\nvoid x(void)\n{\n    a();\n    free(b);\n}\n", False),
    ("src/io/x.c", "/* start-up only: this */\nvoid x(void)\n{\n}\n\nvoid y(void)\n{\n    free(b);\n}\n", True),
])
def test_memory_above_floor_0(tmp_path, path, code, fires):
    assert rules(tmp_path, module(path, code)) == ([f"{path}:memory"] if fires else [])


@pytest.mark.parametrize("path, code, fires", [
    ("src/proxy/x.c", 'int a = printf("a");\n', True),
    ("src/base/x.c", 'int a = puts("a");\n', True),
    ("src/proxy/x.c", 'int a = fprintf(stdout, "a");\n', True),
    ("src/proxy/x.c", 'int a = fprintf(stderr, "a");\n', False),
    ("src/proxy/x.c", 'int a = snprintf(b, 1, "a");\n', False),
    ("src/control/x.c", 'int a = printf("a");\n', False),
    ("src/main/x.c", 'int a = fputs("a", stdout);\n', False),
])
def test_standard_output(tmp_path, path, code, fires):
    assert rules(tmp_path, module(path, code)) == ([f"{path}:stdout"] if fires else [])


@pytest.mark.parametrize("floor, fires", [("base", False), ("io", True), ("balance", True), ("proxy", False)])
def test_lower_floors_do_not_log(tmp_path, floor, fires):
    files = {**module(f"src/{floor}/x.c", '#include "base/log.h"\n'), "src/base/log.h": ""}
    assert rules(tmp_path, files) == ([f"src/{floor}/x.c:log"] if fires else [])


@pytest.mark.parametrize("path, code, fires", [
    ("src/net/conn.c", "SSL_CTX *a;\n", True),
    ("src/net/conn.c", "#include <openssl/ssl.h>\n", True),
    ("src/net/tls_conn.c", "#include <openssl/ssl.h>\n", False),
    ("src/net/conn.c", "/* as SSL_read does */\n", False),
    ("src/http/session.c", "#include <nghttp2/nghttp2.h>\n", True),
    ("src/http/h2_session.c", "nghttp2_session *a;\n", False),
    ("src/control/reload.c", "#include <yaml.h>\n", True),
    ("src/control/config_parse.c", "#include <yaml.h>\n", False),
    ("src/net/conn.c", "#include <ares.h>\n", True),
    ("src/net/resolve.c", "#include <ares.h>\n", False),
    ("src/http/fields.c", "#include <shares.h>\n", False),
])
def test_libraries_behind_their_doors(tmp_path, path, code, fires):
    assert rules(tmp_path, module(path, code)) == ([f"{path}:door"] if fires else [])


@pytest.mark.parametrize("path, code, fires", [
    ("src/proxy/exchange.c", "int x(void)\n{\n    return head->minor;\n}\n", True),
    ("src/proxy/exchange_home.c", "h2_session a;\n", True),
    ("src/proxy/flow.c", "struct h1_server a;\n", True),
    ("src/proxy/flow.c", "/* unlike h1_server */\n", False),
    ("src/proxy/rewrite.c", "struct h1_head a;\n", False),
])
def test_the_exchange_knows_no_version(tmp_path, path, code, fires):
    found = rules(tmp_path, module(path, code))
    assert (f"{path}:version" in found) == fires


@pytest.mark.parametrize("body, fires", [
    ("    goto out;\nout:\n    return 0;\n", False),
    ("    goto fail;\nfail:\n    return 0;\n", True),
    ("again:\n    x();\n    goto again;\n", False),
])
def test_gotos(tmp_path, body, fires):
    found = rules(tmp_path, module("src/io/x.c", "int x(void)\n{\n" + body + "}\n"))
    assert found == (["src/io/x.c:goto"] if fires else [])


@pytest.mark.parametrize("name, text, found", [
    ("src/base/x.h", "int a; \n", "space"),
    ("src/base/x.h", "int a;", "space"),
    ("src/base/x.h", "\tint a;\n", "tab"),
    ("src/base/x.h", "/* " + "a" * 118 + "*/\n", "columns"),
    ("src/base/x.h", "/* " + "a" * 115 + "*/\n", None),
    ("src/base/x.def", "/* " + "a" * 200 + "*/\n", None),
    ("src/base/x.def", "X(1) \n", "space"),
    ("tests/conformance/x.py", "a = '" + "a" * 200 + "'\n", None),
    ("tests/e2e/x.py", "a = '" + "a" * 200 + "'\n", "columns"),
    ("dev", "echo \n", "space"),
    ("docs/guide.md", "a  \n", "space"),
    ("src/base/x.h", "/* TODO: more */\n", "open-work"),
    ("src/base/x.h", "/* FIXME */\n", "open-work"),
    ("tests/e2e/x.py", "# XXX\n", "open-work"),
    ("src/base/x.h", "/* TODO(#12): more */\n", None),
    ("src/base/x.h", "char name[] = \"XXXXXX\";\n", None),
    ("tests/fuzz/corpus/x/a.py", "\t \n", None),
])
def test_text(tmp_path, name, text, found):
    assert rules(tmp_path, {name: text}) == ([f"{name}:{found}"] if found else [])


@pytest.mark.skipif(shutil.which("clang-format") is None, reason="clang-format is not installed")
def test_format(tmp_path):
    files = {".clang-format": "BasedOnStyle: LLVM\n", "src/base/x.h": "int  a;\nint  b;\n",
             "src/base/x.def": "X( 1 )\n", "src/base/y.h": "int a;\n"}
    assert rules(tmp_path, files, with_format=True) == ["src/base/x.h:format"]


def run(*arguments):
    command = [sys.executable, tidy.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_program_says_where_and_fails(tmp_path):
    write(tmp_path, {"src/base/x.h": "int a;\n\tint b;\n"})
    result = run("--no-format", tmp_path)
    assert result.returncode == 1
    assert result.stdout.splitlines() == ["src/base/x.h:2: tab: a tab; indent with spaces", "tidy: 1 files, 1 findings"]


def test_the_program_prints_sizes(tmp_path):
    write(tmp_path, {"src/base/x.h": function_of(10) + "\n" + function_of(20, "int y(void)")})
    result = run("--no-format", "--stats", tmp_path)
    assert result.returncode == 0
    assert "functions: 2, median 20 lines, 95th percentile 20, longest 20 (src/base/x.h: y)" in result.stdout
    assert "files: 1, 31 lines, longest 31 (src/base/x.h)" in result.stdout
