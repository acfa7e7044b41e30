#!/usr/bin/python3
"""Holds the tree to the house rules; part of every check.

One line a finding, `path:line: rule: what, and the remedy`, and exit status 1 if there is any. The rules are written
down in CONTRIBUTING.md; the limits and the exceptions stand here, at the top, each with its reason. Standard library
only, so that it runs wherever Python 3.11 does.

    tools/tidy.py [--stats] [--no-format] [ROOT]
"""

import argparse
import collections
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys

MAX_FUNCTION_LINES = 70
MAX_FILE_LINES = 800
MAX_COLUMNS = 120

# Lowest first. A file includes its own floor and lower ones.
FLOORS = ["base", "io", "net", "http", "balance", "proxy", "control", "main"]
# The highest floor that may not write to standard output, and the floors that may not log.
LAST_SILENT_FLOOR = "proxy"
NO_LOG_FLOORS = {"io", "net", "http", "balance"}

BANNED_CALLS = {
    "strcpy": "use str_* or memcpy with a checked length",
    "strcat": "use str_* or memcpy with a checked length",
    "sprintf": "use snprintf",
    "vsprintf": "use vsnprintf",
    "gets": "use fgets",
    "strtok": "use str_* slices",
    "atoi": "use the bounded parsers of base/str",
    "atol": "use the bounded parsers of base/str",
    "sleep": "wait for an event",
    "usleep": "wait for an event",
    "alloca": "use a bounded array or an arena",
    "system": "only the keeper executes programs, and without a shell",
    "popen": "only the keeper executes programs, and without a shell",
}
# Number parsing that accepts signs, spaces and overflow; base/str may build on it.
NUMBER_CALLS = {"strtol", "strtoul", "strtoll", "strtoull"}
MEMORY_CALLS = {
    "malloc", "calloc", "realloc", "reallocarray", "free", "strdup", "strndup", "asprintf", "vasprintf",
    "aligned_alloc", "posix_memalign",
}
MEMORY_MARK = re.compile(r"/\*\s*(?:.*\s)?(?:start-up only|not per request):", re.IGNORECASE | re.DOTALL)

# Libraries stay behind one door each: (what gives a use away, files that may, the door's name).
DOORS = [
    (re.compile(r"\bSSL_\w+|\bopenssl/"), re.compile(r"src/net/tls_"), "net/tls_*"),
    (re.compile(r"nghttp2"), re.compile(r"src/http/h2_"), "http/h2_*"),
    (re.compile(r"\bjansson\.h\b"), re.compile(r"src/(?:control|main)/admin"), "control/admin*, main/admin*"),
    (re.compile(r"\bncurses\.h\b"), re.compile(r"src/main/admin_top"), "main/admin_top"),
    (re.compile(r"\byaml\.h\b"), re.compile(r"src/control/config"), "control/config*"),
    (re.compile(r"\bares(?:_\w+)?\.h\b"), re.compile(r"src/net/resolve"), "net/resolve"),
]

# Whatever is said over TLS or in the clear takes the same way through these: (what they must not know, which files).
BLIND = [
    (re.compile(r"\btls|\bTLS|\bconn_alpn\b", re.IGNORECASE), re.compile(r"src/proxy/(exchange|flow)\.[ch]$")),
]

# What must not know which version of HTTP is spoken: (files, what gives it away).
NEUTRAL = [
    (re.compile(r"src/proxy/(?:exchange\w*|flow|ending|own_answer|patience)\.[ch]"),
     re.compile(r"\bh[12]_\w+|(?:->|\.)(?:major|minor)\b")),
]

# Modules that a test of another name covers: file -> (the test, why there).
COVERED_ELSEWHERE = {
    "src/io/io.c": ("tests/contract/io_suite.c", "one suite for every backend; io.c is what they share"),
    "src/io/io_epoll.c": ("tests/contract/io_suite.c", "the contract is the module's whole meaning"),
    "src/control/admin.c": ("tests/e2e/test_admin.py", "who may ask what, of a whole server"),
    "src/control/admin_explain.c": ("tests/e2e/test_admin.py", "its answer is compared with what requests get"),
    "src/control/admin_http.c": ("tests/e2e/test_admin_http.py", "sockets, clients that leave, a server that stops"),
    "src/control/admin_live.c": ("tests/e2e/test_admin.py", "what happens in a whole server, as it happens"),
    "src/control/admin_page.c": ("tests/e2e/test_admin_http.py", "bytes over HTTP"),
    "src/control/admin_pools.c": ("tests/e2e/test_admin.py", "each answer is compared with its schema"),
    "src/control/admin_workers.c": ("tests/e2e/test_workers.py", "orders to a server, and what its workers get"),
    "src/control/admin_traffic.c": ("tests/e2e/test_admin.py", "asked of reactors that run"),
    "src/main/admin_client.c": ("tests/e2e/test_admin_commands.py", "asks a balancer that runs"),
    "src/main/admin_status.c": ("tests/e2e/test_admin_commands.py", "what it prints of a balancer that runs"),
    "src/main/admin_top.c": ("tests/e2e/test_admin_top.py", "seen through a terminal"),
    "src/control/config_tls.c": ("tests/e2e/test_tls.py", "what ballast check says of files of certificates"),
    "src/main/unix_file.c": ("tests/e2e/test_unix_listener.py", "a socket with its mode, in a file system"),
    "src/net/hand_over.c": ("tests/unit/net/proxied_test.c", "what comes behind a header; telling_test.c too"),
    "src/control/config_proxied.c": ("tests/e2e/test_proxy_protocol.py", "the rules as listeners have them"),
    "src/control/reload.c": ("tests/e2e/test_reload.py", "one configuration after another, on a balancer that runs"),
    "src/control/reload_ready.c": ("tests/e2e/test_reload.py", "made ready for reactors that run"),
    "src/control/reload_changes.c": ("tests/e2e/test_workers.py", "workers that come and go on a balancer that runs"),
    "src/control/admin_reload.c": ("tests/e2e/test_reload.py", "asked for and told of by the API"),
    "src/control/config_slot.c": ("tests/e2e/test_reload.py", "filled by one process and read by another"),
    "src/main/keeper_reload.c": ("tests/e2e/test_reload.py", "what the keeper does for a reload"),
    "src/main/keeper_upgrade.c": ("tests/e2e/test_upgrade.py", "processes that become others"),
    "src/main/admin_upgrade.c": ("tests/e2e/test_upgrade.py", "`ballast upgrade`, of a running balancer"),
    "src/main/admin_worker.c": ("tests/e2e/test_workers.py", "the command, on a balancer that runs"),
    "src/control/upgrade.c": ("tests/e2e/test_upgrade.py", "two servers and their keeper"),
    "src/main/keeper_sockets.c": ("tests/e2e/test_reload.py", "listeners that open, stay and close"),
    "src/main/admin_reload.c": ("tests/e2e/test_reload.py", "the command, on a balancer that runs"),
    "src/control/config_file.c": ("tests/unit/control/config_source_test.c", "files read, too large, not there"),
    "src/net/tls_none.c": ("tests/unit/net/tls_room_test.c", "nothing but refusals, of a build without the library"),
    "src/net/tls_staple_bare.c": ("tests/e2e/test_tls_clients.py", "an answer's outside, where OCSP is unknown"),
    "src/main/admin_socket.c": ("tests/e2e/test_admin_http.py", "a socket with its mode, in a file system"),
    "src/proxy/exchange_view.c": ("tests/unit/proxy/reactor_test.c", "seen by an order to a reactor"),
    "src/proxy/reactor_change.c": ("tests/unit/proxy/reactor_test.c", "a reactor that turns to other rules"),
    "src/proxy/reactor_doors.c": ("tests/unit/proxy/reactor_test.c", "seen by clients of a reactor"),
    "src/http/client_door.c": ("tests/unit/http/h2_server_test.c", "what is behind the door shows which one it was"),
    "src/http/worker_door.c": ("tests/unit/http/h2_client_test.c", "what comes of it shows which one it was"),
    "src/http/h2_room.c": ("tests/unit/http/h2_server_test.c", "its memory is what sessions use, refused there"),
    "src/http/h2_session.c": ("tests/unit/http/h2_server_test.c", "frames in, frames out: nothing else is seen"),
    "src/http/h2_stream.c": ("tests/unit/http/h2_server_test.c", "a stream is nothing without its session"),
    "src/control/span_export.c": ("tests/e2e/test_tracing.py", "a collector that is there, busy, away, back"),
    "src/control/server.c": ("tests/e2e/test_keeper.py", "threads, sockets and signals of a whole process"),
    "src/main/options_table.c": ("tests/unit/main/options_test.c", "tables: their parser's tests read them"),
    "src/control/admin_story.c": ("tests/e2e/test_why.py", "what a record says, against what the test caused"),
    "src/control/config_man.c": ("tests/unit/control/roff_test.c", "its text is what roff made of the table"),
    "src/main/keeper.c": ("tests/e2e/test_keeper.py", "its subject is processes that die"),
    "src/main/demo.c": ("tests/e2e/test_keeper.py", "a whole process tree"),
}

# Sources that share a header of another name: file -> (the header, why).
HEADER_ELSEWHERE = {
    "src/net/transport_plain.c": ("src/net/transport.h", "exports one ops struct, declared where all transports are"),
    "src/http/h2_stream.c": ("src/http/h2_session.h", "streams and their session are one module in two files"),
    "src/balance/pick_round_robin.c": ("src/balance/pick.h", "exports one ops struct, declared where all policies are"),
}

# Raw messages are written as they stand on the wire, however long their lines.
LONG_LINES = re.compile(r"tests/conformance/|.*\.def$|.*\.md$|LICENSE$")
# This file and its tests must spell what they look for.
SPELLS_RULES = {"tools/tidy.py", "tools/test_tidy.py"}

TREES = ["src", "worker", "tests", "bench", "tools", "docs", "packaging"]
# Whatever a fuzzer found goes in here.
INPUTS = "tests/fuzz/corpus"
SKIPPED_FOLDERS = {"__pycache__", "node_modules"}
ROOT_FILES = ["dev", ".ci/run", "meson.build", "meson_options.txt", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md",
              "CHANGELOG.md", ".clang-format", ".editorconfig"]
C_SUFFIXES = {".c", ".h", ".def"}
TEXT_SUFFIXES = C_SUFFIXES | {".py", ".sh", ".build", ".md", ".yaml", ".yml"}
# Words that are followed by a parenthesis in a function's head without being its name.
NOT_A_NAME = {"__attribute__", "__attribute", "_Alignas", "alignas", "__declspec", "typeof", "__typeof__"}

Finding = collections.namedtuple("Finding", "path line rule text")
Function = collections.namedtuple("Function", "path name head first last")  # 0-based lines; head: its first line

LEXEME = re.compile(
    r"""(?P<comment>/\*.*?(?:\*/|\Z)|//(?:[^\\\n]|\\.)*)   # a // comment goes on over an escaped line end
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')""",
    re.DOTALL | re.VERBOSE)
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')
CALL = re.compile(r"(?<![\w.])(?<!->)([A-Za-z_]\w*)\s*\(")
FORMAT_WARNING = re.compile(r"^(.+?):(\d+):\d+: (?:error|warning): code should be clang-formatted", re.MULTILINE)
OPEN_WORK = re.compile(r"\b(TODO|FIXME|XXX)\b(?!\(#\d+\))")


def blank(text):
    """The same text with everything but line ends turned to spaces, so that lines and columns stay."""
    return re.sub(r"[^\n]", " ", text)


def strip_comments_and_strings(text):
    def replace(match):
        if match.group("comment"):
            return blank(match.group())
        quote = match.group()[0]
        return quote + blank(match.group()[1:-1]) + quote
    return LEXEME.sub(replace, text)


def strip_directives(code):
    """Blanks preprocessor lines with their continuations: a macro's braces are nobody's function."""
    return re.sub(r"^[ \t]*#(?:[^\\\n]|\\.|\\\n)*", lambda m: blank(m.group()), code, flags=re.MULTILINE | re.DOTALL)


class Source:
    """One file, read once and looked at in several ways."""

    def __init__(self, root, path):
        self.path = path
        self.text = (root / path).read_bytes().decode("utf-8", "replace")
        self.lines = self.text.split("\n")
        if self.lines and self.lines[-1] == "":
            self.lines.pop()
        self.is_c = pathlib.PurePath(path).suffix in C_SUFFIXES
        self.code = strip_comments_and_strings(self.text) if self.is_c else ""
        self.code_lines = self.code.split("\n")
        self.body_lines = strip_directives(self.code).split("\n")
        self.includes = self.find_includes()
        self.functions = self.find_functions()

    @property
    def floor(self):
        parts = self.path.split("/")
        if parts[0] == "src" and len(parts) > 2 and parts[1] in FLOORS:
            return parts[1]
        return None

    def find_includes(self):
        """(line, name, quoted); the name is read from the raw line, because strings are blanked in the code."""
        found = []
        for at, code in enumerate(self.code_lines):
            if "include" not in code or not code.lstrip().startswith("#"):
                continue
            match = INCLUDE.match(self.lines[at])
            if match:
                found.append((at, match.group(1) or match.group(2), match.group(1) is not None))
        return found

    def find_functions(self):
        """By house style a body is what stands between a `{` and a `}` in column 0."""
        found = []
        first = None
        for at, line in enumerate(self.body_lines):
            if first is None and line.rstrip() == "{":
                first = at
            elif first is not None and line.startswith("}"):
                head, name = self.function_head(first)
                if name:
                    found.append(Function(self.path, name, head, first, at))
                first = None
        return found

    def function_head(self, brace):
        head = brace
        while head > 0 and self.body_lines[head - 1].strip() and not re.search(r"[;}]\s*$", self.body_lines[head - 1]):
            head -= 1
        for match in re.finditer(r"([A-Za-z_]\w*)\s*\(", " ".join(self.body_lines[head:brace])):
            if match.group(1) not in NOT_A_NAME:
                return head, match.group(1)
        return head, None

    def function_at(self, line):
        return next((f for f in self.functions if f.head <= line <= f.last), None)

    def comment_above(self, line):
        """The comment that ends on the line above; empty if there is none."""
        end = line
        while line > 0 and self.lines[line - 1].strip() and not self.code_lines[line - 1].strip():
            line -= 1
        return "\n".join(self.lines[line:end])


class Tree:
    """The files under one root, and what was found in them."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.findings = []
        self.sources = [Source(self.root, path) for path in self.list_files()]
        self.by_path = {source.path: source for source in self.sources}

    def list_files(self):
        found = [name for name in ROOT_FILES if (self.root / name).is_file()]
        for tree in TREES:
            for folder, folders, names in os.walk(self.root / tree):
                folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in SKIPPED_FOLDERS)
                relative = pathlib.Path(folder).relative_to(self.root)
                found += [str(relative / n) for n in sorted(names)
                          if pathlib.PurePath(n).suffix in TEXT_SUFFIXES and not str(relative).startswith(INPUTS)]
        return found

    def exists(self, path):
        return (self.root / path).is_file()

    def note(self, path, line, rule, text):
        self.findings.append(Finding(path, line + 1, rule, text))

    def c_sources(self, *trees):
        return [s for s in self.sources if s.is_c and s.path.split("/")[0] in trees]


def floor_of(include):
    head = include.split("/")[0]
    return FLOORS.index(head) if head in FLOORS and "/" in include else None


def check_includes(tree):
    for source in tree.c_sources("src", "worker", "tests", "bench"):
        limit = allowed_floor(source.path)
        for at, name, quoted in source.includes:
            if not quoted:
                continue
            if resolve_include(tree, source, name) is None:
                tree.note(source.path, at, "include",
                          f'"{name}" is not found; write the path from src/, "floor/file.h"')
                continue
            floor = floor_of(name)
            if floor is not None and limit is not None and floor > limit:
                tree.note(source.path, at, "floor",
                          f'"{name}" is a higher floor than {FLOORS[limit]}; let the higher floor call down instead')


def allowed_floor(path):
    """The highest floor that a file may include; None: any."""
    parts = path.split("/")
    if parts[0] == "src" and parts[1] in FLOORS:
        return FLOORS.index(parts[1])
    if parts[:2] == ["tests", "unit"] and parts[2] in FLOORS:
        return FLOORS.index(parts[2])
    return None


def resolve_include(tree, source, name):
    """The file that a quoted include names, or None. From src/ a floor's file only; elsewhere also a neighbour."""
    if floor_of(name) is not None and tree.exists("src/" + name):
        return "src/" + name
    if source.path.startswith("src/"):
        return None
    beside = os.path.normpath(os.path.join(os.path.dirname(source.path), name))
    for path in (name, "tests/" + name, beside):
        if tree.exists(path):
            return path
    return None


def check_cycles(tree):
    graph = {}
    for source in tree.c_sources("src", "worker", "tests", "bench"):
        targets = [(resolve_include(tree, source, name), at) for at, name, quoted in source.includes if quoted]
        graph[source.path] = [(path, at) for path, at in targets if path]
    state = {}

    def visit(path, trail):
        state[path] = "open"
        for target, at in graph.get(path, []):
            if state.get(target) == "open":
                ring = " -> ".join(trail[trail.index(target):] + [target])
                tree.note(path, at, "cycle", f"includes run in a ring: {ring}; move what both need down")
            elif target not in state:
                visit(target, trail + [target])
        state[path] = "done"

    for path in graph:
        if path not in state:
            visit(path, [path])


def check_sizes(tree):
    for source in tree.sources:
        suffix = pathlib.PurePath(source.path).suffix
        is_table = source.path.startswith(("tests/conformance/", "docs/")) or suffix == ".md"
        if len(source.lines) > MAX_FILE_LINES and not is_table:
            tree.note(source.path, MAX_FILE_LINES, "file-size",
                      f"{len(source.lines)} lines, at most {MAX_FILE_LINES}; split it by purpose")
        for function in source.functions:
            lines = function.last - function.head + 1
            if lines > MAX_FUNCTION_LINES:
                tree.note(source.path, function.head, "function-size",
                          f"{function.name} has {lines} lines, at most {MAX_FUNCTION_LINES}; give its parts names")


def check_pairs(tree):
    """Each .c has its .h and its test, and says first what it is for; a program has the end-to-end tests."""
    for source in tree.c_sources("src", "worker"):
        if not source.path.endswith(".c"):
            continue
        if not source.text.lstrip().startswith("/*"):
            tree.note(source.path, 0, "opening",
                      "starts without a comment; say what the file owns, who calls it and why")
        is_program = any(f.name == "main" for f in source.functions)
        header = HEADER_ELSEWHERE.get(source.path, (source.path[:-2] + ".h",))[0]
        if not is_program and not tree.exists(header):
            tree.note(source.path, 0, "header", f"{header} is missing; write the contract down there")
        if source.floor and not is_program:
            check_test_of(tree, source)
    for table, name in ((COVERED_ELSEWHERE, "COVERED_ELSEWHERE"), (HEADER_ELSEWHERE, "HEADER_ELSEWHERE")):
        for path in table:
            if tree.exists("tools/tidy.py") and not tree.exists(path):
                tree.note("tools/tidy.py", 0, "exception", f"{name} names {path}, which is gone; drop the entry")


def check_test_of(tree, source):
    usual = f"tests/unit/{source.floor}/{pathlib.PurePath(source.path).stem}_test.c"
    if tree.exists(usual):
        return
    test = COVERED_ELSEWHERE.get(source.path, (None,))[0]
    if test is None:
        tree.note(source.path, 0, "test", f"no {usual}; write it, or list in tools/tidy.py which test covers it")
    elif not tree.exists(test):
        tree.note(source.path, 0, "test", f"{test}, which should cover it, is missing")


def check_calls(tree):
    for source in tree.c_sources("src", "worker", "tests", "bench"):
        for at, line in enumerate(source.code_lines):
            for match in CALL.finditer(line):
                check_call(tree, source, at, match.group(1))


def check_call(tree, source, at, name):
    if name in BANNED_CALLS:
        tree.note(source.path, at, "banned-call", f"{name}(); {BANNED_CALLS[name]}")
    elif name in NUMBER_CALLS and source.path.startswith(("src/", "worker/")) and source.path != "src/base/str.c":
        tree.note(source.path, at, "banned-call", f"{name}(); use the bounded parsers of base/str")
    elif name in MEMORY_CALLS and source.floor not in (None, "base") and not is_marked_start_up(source, at):
        tree.note(source.path, at, "memory", f"{name}() above floor 0; use a slab or an arena, or say in a comment on "
                  "the line, above it or above the function: /* start-up only: why */ or /* not per request: why */")
    elif name in ("printf", "vprintf", "puts", "putchar") and is_silent(source):
        tree.note(source.path, at, "stdout", f"{name}() below control/; hand the text to the caller")


def is_marked_start_up(source, at):
    if MEMORY_MARK.search(source.lines[at]) or MEMORY_MARK.search(source.comment_above(at)):
        return True
    function = source.function_at(at)
    return function is not None and MEMORY_MARK.search(source.comment_above(function.head)) is not None


def is_silent(source):
    return source.floor is not None and FLOORS.index(source.floor) <= FLOORS.index(LAST_SILENT_FLOOR)


def check_output(tree):
    for source in tree.c_sources("src"):
        if not is_silent(source):
            continue
        for at, line in enumerate(source.code_lines):
            if re.search(r"\bstdout\b", line):
                tree.note(source.path, at, "stdout", "standard output below control/; hand the text to the caller")
        for at, name, _ in source.includes:
            if name == "base/log.h" and source.floor in NO_LOG_FLOORS:
                tree.note(source.path, at, "log",
                          f"floor {source.floor} does not log; return a code and let proxy/ say it")


def check_doors(tree):
    for source in tree.c_sources("src", "worker"):
        includes = {at: name for at, name, _ in source.includes}
        for at, code in enumerate(source.code_lines):
            text = includes.get(at, code)
            for mark, door, name in DOORS:
                match = mark.search(text)
                if match and not door.match(source.path):
                    tree.note(source.path, at, "door", f"{match.group()} outside {name}; go through that module")


def check_blind(tree):
    for source in tree.c_sources("src"):
        for mark, files in BLIND:
            for at, code in enumerate(source.code_lines if files.match(source.path) else []):
                if match := mark.search(code):
                    tree.note(source.path, at, "blind", f"{match.group()}; this file may not know the transport")


def check_neutral(tree):
    for source in tree.c_sources("src"):
        for files, mark in NEUTRAL:
            if not files.fullmatch(source.path):
                continue
            for at, code in enumerate(source.code_lines):
                for match in mark.finditer(code):
                    tree.note(source.path, at, "version",
                              f"{match.group()}: what differs between versions stands behind http/session.h")


def check_gotos(tree):
    for source in tree.c_sources("src", "worker"):
        for function in source.functions:
            lines = source.body_lines[function.first:function.last]
            labels = {m.group(1): n for n, line in enumerate(lines) if (m := re.match(r"\s*(\w+):\s*$", line))}
            for n, line in enumerate(lines):
                for target in re.findall(r"\bgoto\s+(\w+)", line):
                    if target != "out" and labels.get(target, n) > n:
                        tree.note(source.path, function.first + n, "goto",
                                  f"forward goto {target}; only one label, `out`, may be jumped forward to")


def check_text(tree):
    for source in tree.sources:
        for at, line in enumerate(source.lines):
            if line != line.rstrip():
                tree.note(source.path, at, "space", "trailing white space; drop it (./dev format)")
            if "\t" in line:
                tree.note(source.path, at, "tab", "a tab; indent with spaces")
            if len(line) > MAX_COLUMNS and not LONG_LINES.match(source.path):
                tree.note(source.path, at, "columns", f"{len(line)} columns, at most {MAX_COLUMNS}; break the line")
            match = OPEN_WORK.search(line) if source.path not in SPELLS_RULES else None
            if match:
                tree.note(source.path, at, "open-work", f"{match.group(1)} without an issue; write TODO(#12), or do it")
        if source.text and not source.text.endswith("\n"):
            tree.note(source.path, len(source.lines) - 1, "space", "no line end at the end of the file; add it")


def check_format(tree):
    """What clang-format would change, one finding a file; tables (.def) are laid out by hand."""
    program = shutil.which("clang-format")
    paths = [s.path for s in tree.sources if s.is_c and not s.path.endswith(".def")]
    if program is None or not paths or not tree.exists(".clang-format"):
        return
    shares = [paths[n::2] for n in range(2) if paths[n::2]]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        outputs = list(pool.map(lambda share: run_format(program, tree.root, share), shares))
    seen = set()
    for path, line in FORMAT_WARNING.findall("".join(outputs)):
        if path not in seen:
            seen.add(path)
            tree.note(path, int(line) - 1, "format", "not as clang-format writes it; run ./dev format")


def run_format(program, root, paths):
    return subprocess.run([program, "--dry-run", *paths], cwd=root, capture_output=True, text=True, check=False).stderr


CHECKS = [check_includes, check_cycles, check_sizes, check_pairs, check_calls, check_output, check_doors, check_blind,
          check_neutral, check_gotos, check_text]


def find(root, with_format=True):
    """(findings, tree) of the tree under root."""
    tree = Tree(root)
    for check in CHECKS + ([check_format] if with_format else []):
        check(tree)
    return sorted(set(tree.findings)), tree


def print_stats(tree):
    sources = tree.c_sources("src", "worker")
    sizes = sorted((f.last - f.head + 1, f"{f.path}: {f.name}") for s in sources for f in s.functions)
    files = sorted((len(s.lines), s.path) for s in sources)
    if sizes:
        lines = [n for n, _ in sizes]
        at = max(0, -(-len(lines) * 95 // 100) - 1)
        print(f"functions: {len(lines)}, median {lines[len(lines) // 2]} lines, 95th percentile {lines[at]}, "
              f"longest {sizes[-1][0]} ({sizes[-1][1]})")
    if files:
        print(f"files: {len(files)}, {sum(n for n, _ in files)} lines, longest {files[-1][0]} ({files[-1][1]})")


def main(arguments):
    parser = argparse.ArgumentParser(description="Holds the tree to the house rules.")
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).resolve().parent.parent, type=pathlib.Path)
    parser.add_argument("--stats", action="store_true", help="print how long functions and files are")
    parser.add_argument("--no-format", action="store_true", help="leave clang-format out")
    options = parser.parse_args(arguments)
    findings, tree = find(options.root, not options.no_format)
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.rule}: {finding.text}")
    if options.stats:
        print_stats(tree)
    print(f"tidy: {len(tree.sources)} files, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
