"""What the documents name in running text is there: commands with their options, settings, metrics, fields, files.

test_docs.py runs the commands of console blocks; what stands between backticks elsewhere is looked up here. A word of
another program's (nginx, HAProxy) is looked up nowhere: the left cells of docs/migration.md.
"""

import json
import pathlib
import re
import signal
import subprocess

import pytest

SELF = pathlib.Path(__file__).resolve()
ROOT = SELF.parents[2]
DOCUMENTS = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md")),
             *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?ms)^```.*?^```$")
UNIT = (ROOT / "packaging/ballast.service").read_text()
# Names that are no setting though they look like one, and made-up ones that show a form.
OUTSIDE = {".c", ".h", "api.example.com", "event: event", "event: status", "kernel.perf_event_paranoid", "testssl.sh"}
FORMS = {"idle_timeout_ms", "module_verb_object", "ret_x", "x_fn"}
OURS = "src worker dashboard/src tests tools bench packaging .ci".split()


def text_of(path):
    text = path.read_text()
    if path.name == "migration.md":
        text = re.sub(r"(?m)^\|[^|]*\|", "|", text)
    return text


def spans():
    """(document, text) of everything between backticks, and of each line of blocks whose language is not named."""
    for path in DOCUMENTS:
        text = text_of(path)
        for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", BLOCK.sub("", text)):
            yield path.name, " ".join(span.split())
        for block in re.findall(r"(?ms)^```(?:sh|console)?\n(.*?)^```$", text):
            for line in block.splitlines():
                yield path.name, line.removeprefix("$ ").split(" #")[0].strip()


SPANS = sorted(set(spans()))


@pytest.fixture(scope="module")
def said(ballast_path):
    """said(*words): what a command prints."""
    def ask(*words, program=ballast_path):
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=20, check=True,
                              stdin=subprocess.DEVNULL).stdout
    return ask


@pytest.fixture(scope="module")
def schema_paths(said):
    """{path of a setting: its words, where they are all that it takes}; NAME and [] stand for any."""
    found = {}

    def walk(node, path):
        kinds = [kind for kind in node.get("anyOf", node.get("allOf", [])) if "$ref" not in kind]
        for kind in kinds:
            walk(kind, path)
        if kinds and all("enum" in kind for kind in kinds):
            found[path] = {str(word) for kind in kinds for word in kind["enum"]}
        for key, inner in node.get("properties", {}).items():
            place = (*path, key)
            found.setdefault(place, set())
            walk(inner, place)
        if isinstance(node.get("additionalProperties"), dict):
            walk(node["additionalProperties"], (*path, "*"))
        if isinstance(node.get("items"), dict):
            walk(node["items"], path)
    walk(json.loads(said("check", "--schema")), ())
    assert len(found) > 100
    return found


@pytest.fixture(scope="module")
def source_words():
    """Every identifier of the sources."""
    kinds = {".c", ".h", ".def", ".py", ".js", ".yaml", ".build", ".service"}
    return {word for folder in OURS for path in (ROOT / folder).rglob("*") if path.suffix in kinds and path != SELF
            for word in re.findall(r"\w+", path.read_text(errors="replace"))}


def setting(paths, name):
    """The settings that a name can mean: `timeouts.drain`, `.client_idle`, `tls.hsts`, `pools.web.health.interval`."""
    parts = [part.removesuffix("[]") for part in name.lstrip(".").split(".")]
    return [path for path in paths if len(path) >= len(parts)
            and all(have in (part, "*") for have, part in zip(path[-len(parts):], parts))]


def is_setting(paths, name, value=""):
    """Whether there is such a setting, and it takes that value, where it takes words alone."""
    found = setting(paths, name)
    words = set().union(*(paths[path] for path in found))
    return bool(found) and (not words or set(re.split(r"\|", value or next(iter(words)))) <= words)


# ---- commands ----

def options_of(words):
    return [word.strip("[].") for word in words if re.match(r"\[?-", word) and word not in ("-", "--")]


def judge_ballast(words, said):
    known = {part.split()[1]: part for part in re.split(r"^(?=  ballast )", said("help"), flags=re.MULTILINE)[1:]}
    assert words[1] in known, "no such command"
    for option in options_of(words[2:]):
        assert re.search(rf"(^|[ ,]){re.escape(option)}\b", known[words[1]]), f"no option {option}"
    if words[1] in ("help", "version") or {"--schema", "--reference", "--openapi", "--defaults", "--man"} & {*words}:
        assert said(*words[1:])
    if words[1] == "worker" and len(words) > 2 and words[2].islower():
        assert re.search(rf"\b{words[2]}\b", known["worker"]), f"no order {words[2]}"


def scripts():
    """What the programs beside ballast are made of, so what options they have."""
    folders = [ROOT / folder for folder in ("bench", "tools", "tests/sim", "tests/fuzz")]
    texts = [path.read_text() for folder in folders for path in folder.iterdir() if path.suffix in (".py", ".c")]
    return "".join(texts) + (ROOT / "dev").read_text()


def has_option(text, option):
    return re.search(rf"(?<![\w-]){option}\b|\"{option[2:]}\"", text)


def judge_dev(words, said):
    usage, known = said("help", program=ROOT / "dev"), scripts()
    assert re.search(rf"^  {words[1]}\b", usage, re.MULTILINE), "no such command"
    for option in options_of(words[2:]):
        assert has_option(known, option), f"no option {option}"


def judge_kill(words, said):
    """Signals that `ballast help` names."""
    for word in words[1:]:
        if word.startswith("-"):
            assert hasattr(signal, "SIG" + word[1:]) and re.search(rf"\b{word[1:]}\b", said("help")), word


def judge_systemctl(words, _):
    for unit in [word for word in words[2:] if not word.startswith("-")]:
        name = unit if "." in unit else unit + ".service"
        assert (ROOT / "packaging" / name).is_file(), f"no unit {name}"
    assert words[1] != "reload" or "ExecReload=" in UNIT


def judge_journalctl(words, _):
    fields = "".join(path.read_text() for path in (ROOT / "src/base").glob("*.c"))
    for word in words[1:]:
        name = re.match("(BALLAST_[A-Z_]+)=", word)
        assert not name or name[1] in fields or name[1].removeprefix("BALLAST_").lower() in fields, f"no field {word}"


def judge_curl(words, said):
    routes = json.loads(said("check", "--openapi"))["paths"]
    for word in words[1:]:
        path = re.fullmatch(r"(?:https?://[^/]+)?(/v1/[^?]*)(?:\?.*)?", word)
        assert not path or any(re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", route), path[1]) for route in routes), word


def judge_file(words, _):
    """A script of the repository, and options that stand in it."""
    file = ROOT / words[0]
    assert file.is_file(), "no such file"
    for option in options_of(words[1:]):
        assert f'"{option}"' in file.read_text(), f"no option {option}"


def judge_sim(words, _):
    known = "".join(path.read_text() for path in (ROOT / "tests/sim").glob("*.c"))
    for option in options_of(words[1:]):
        assert option == "--help" or has_option(known, option), f"no option {option}"


def judge_paths(words, _):
    """Others' programs: what they are given of ours is there."""
    for word in words[1:]:
        if re.match(r"(packaging|tests|tools|bench)/", word):
            assert list(ROOT.glob(word.split("::")[0])), f"no {word}"


COMMANDS = {"ballast": judge_ballast, "./dev": judge_dev, "kill": judge_kill, "systemctl": judge_systemctl,
            "journalctl": judge_journalctl, "curl": judge_curl, "ballast-sim": judge_sim, "podman": judge_paths,
            "pytest": judge_paths, "dpkg": judge_paths}


def command_of(span):
    """The words of a command, without what stands before it; None when the text is none."""
    words = span.split()
    while words and (words[0] == "sudo" or re.fullmatch(r"[A-Z_]+=\S*", words[0])):
        words.pop(0)
    if len(words) < 2:
        return None
    words[0] = words[0].removeprefix("build/release/")
    return words if words[0] in COMMANDS or re.match(r"(tools|bench)/.*\.py", words[0]) else None


def test_commands_and_their_options_exist(said):
    judged = 0
    for document, span in SPANS:
        words = command_of(span)
        # A title or a sentence is none: `ballast listens ...`.
        if words and (words[0] != "ballast" or words[1].islower()):
            try:
                COMMANDS.get(words[0], judge_file)(words, said)
            except AssertionError as error:
                raise AssertionError(f"{document}: `{span}`: {error}") from None
            judged += 1
    assert judged > 80


def test_options_named_alone_exist(said):
    """`--keep` is an option of some command of ours."""
    known = said("help") + scripts()
    alone = [(document, option) for document, span in SPANS for option in re.findall(r"^\[?(--[a-z][a-z-]*)", span)]
    assert len(alone) > 10 and not [place for place in alone if not has_option(known, place[1])]


# ---- names ----

def test_settings_exist(schema_paths, said):
    """`a.b.c` is a setting, else a file of ours or an attribute of a span; `key: value` takes that word."""
    files = {path.name for folder in (*OURS, "docs") for path in (ROOT / folder).glob("**/*")}
    files |= {path.name for path in ROOT.iterdir()}
    attributes = "".join(path.read_text() for path in (ROOT / "src/control").glob("otlp*.c"))
    objects = said("check", "--openapi")
    unknown, judged = [], 0
    for document, span in SPANS:
        name = re.fullmatch(r"(\.?[a-z][a-z0-9_]*(?:\[\])?(?:\.[A-Za-z]\w*(?:\[\])?)*)(?:: +([a-z0-9|]+))?", span)
        if not name or "." not in name[1] and not name[2] or span in OUTSIDE:
            continue
        judged += 1
        if not (is_setting(schema_paths, name[1], name[2]) or name[1] in files or f'"{name[1]}"' in attributes
                or name[2] and f'"{name[1]}"' in objects):
            unknown.append((document, span))
    assert judged > 80 and not unknown


def test_series_exist(source_words):
    text = (ROOT / "src/control/metric.def").read_text() + (ROOT / "src/control/metric_text.c").read_text()
    alerts = (ROOT / "packaging/prometheus/ballast.rules.yaml").read_text()
    judged = 0
    for document, span in SPANS:
        for name, any_of in re.findall(r"\b((?:ballast|requests)_[a-z0-9_]*[a-z0-9_])(\*?)", span):
            name = re.sub(r"_(bucket|sum|count)$", "", name)
            end = "" if any_of else r"\b"
            assert re.search(rf"\b{name}{end}", text) or name in source_words, f"{document}: `{span}`"
            judged += 1
        for name in re.findall(r"^Ballast[A-Z]\w+$", span):
            assert f"alert: {name}\n" in alerts, f"{document}: `{span}`"
    assert judged > 80


def test_names_with_an_underscore_exist(schema_paths, source_words):
    """Reasons, fields, functions: a name of several words stands in the sources as it stands in the documents."""
    known = source_words | {part for path in schema_paths for part in path}
    judged = [(document, span) for document, span in SPANS if re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", span)]
    assert len(judged) > 200 and not [place for place in judged if place[1] not in known | FORMS]


def test_files_and_routes_exist(said):
    routes = json.loads(said("check", "--openapi"))["paths"]
    judged = 0
    for document, span in SPANS:
        route = re.fullmatch(r"(GET|POST|PATCH|PUT|DELETE) (/v1/\S+?)(\?\S+)?", span)
        if route:
            found = [value for path, value in routes.items()
                     if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), route[2])]
            assert found and route[1].lower() in found[0], f"{document}: `{span}`"
            judged += 1
        if re.match(r"(docs|tests|tools|bench|packaging|src|worker|dashboard)/[\w./*-]*$", span):
            assert list(ROOT.glob(span.rstrip("/"))) or span == "dashboard/dist", f"{document}: `{span}`"
            judged += 1
    assert judged > 40
