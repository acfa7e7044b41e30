#!/usr/bin/python3
"""Keeps the tables in docs/ that come from the .def files: `tools/doc_tables.py` says which are out of date,
`tools/doc_tables.py --write` writes them."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]


def rows(path, name, columns):
    """The arguments of each NAME(...) in a .def file, quotes taken off."""
    text = (ROOT / path).read_text()
    one = r'\s*(?:"([^"]*)"|(\w+))\s*'
    pattern = rf"^{name}\({','.join([one] * columns)}\)"
    found = re.findall(pattern, text, re.M)
    return [[quoted or bare for quoted, bare in zip(row[::2], row[1::2])] for row in found]


def reasons():
    yield "| reason | status | whose fault | what the client is told |"
    yield "|---|---|---|---|"
    for _, reason, status, fault, _, _, sentence in rows("src/base/err.def", "ERR", 7):
        yield f"| `{reason}` | {status} | {fault.lower()} | {sentence} |"


def access_fields():
    yield "| field | means |"
    yield "|---|---|"
    for _, name, _, _, text in rows("src/proxy/access_field.def", "FIELD", 5):
        yield f"| `{name}` | {text} |"


def series():
    yield "| series | type | means |"
    yield "|---|---|---|"
    for _, name, kind, text in rows("src/control/metric.def", "METRIC", 4):
        yield f"| `{name}` | {kind} | {text} |"


def hazards():
    yield "| code | why | what to do |"
    yield "|---|---|---|"
    for _, code, reason, fix in rows("src/control/hazard.def", "HAZARD", 4):
        yield f"| `{code}` | {reason} | {fix} |"


SIDES = {
    "WE_REFUSE": "Ballast refuses",
    "THEY_REFUSE": "http_parser refuses",
    "KEEP_ALIVE": "does the connection go on",
    "BODY_WE_REFUSE": "Ballast refuses the body",
    "BODY_THEY_REFUSE": "http_parser refuses the body",
}


def differences():
    yield "| who | with | where | clause |"
    yield "|---|---|---|---|"
    for side, code, _, clause, reason in rows("tests/fuzz/h1_diff.def", "DIFF", 5):
        refusal = "" if code == "0" else f"`{code}`"
        yield f"| {SIDES[side]} | {refusal} | {reason} | {clause} |"


def admin_routes():
    yield "| method | path | access | answer | what |"
    yield "|---|---|---|---|---|"
    for method, path, access, _, answer, summary in rows("src/control/admin.def", "ADMIN_ROUTE", 6):
        shown = f"[{answer}](#{answer.lower()})" if answer else ""
        yield f"| {method} | `{path}` | {access.lower()} | {shown} | {summary} |"


INPUT_PLACES = {"QUERY": "query", "BODY": "body", "MUST": "body, has to be given", "MAY": "body, which may be left out"}


def input_type(kind, of):
    if kind == "INTEGER":
        least, _, most = of.partition("|")
        return f"integer, {least} to {most}" if most else f"integer from {least} on"
    return field_type(kind, of)


def admin_inputs():
    routes = {row[3]: row[:2] for row in rows("src/control/admin.def", "ADMIN_ROUTE", 6)}
    yield "| route | in its | name | type | without it | what |"
    yield "|---|---|---|---|---|---|"
    for function, place, name, kind, of, otherwise, text in rows("src/control/admin_input.def", "ADMIN_INPUT", 7):
        method, path = routes[function]
        shown = f"`{otherwise}`" if otherwise else ""
        yield f"| {method} `{path}` | {INPUT_PLACES[place]} | `{name}` | {input_type(kind, of)} | {shown} | {text} |"


def field_type(kind, of):
    if kind == "OBJECT":
        return f"[{of}](#{of.lower()})"
    if kind == "LIST":
        return f"list of [{of}](#{of.lower()})"
    if kind == "STRING" and of:
        return ", ".join(f"`{word}`" for word in of.split("|"))
    return "map of integers" if kind == "MAP" else kind.lower()


def admin_objects():
    fields = rows("src/control/admin_object.def", "FIELD", 5)
    for name, sentence in rows("src/control/admin_object.def", "OBJECT", 2):
        yield f"### {name}"
        yield ""
        yield sentence
        yield ""
        yield "| field | type | means |"
        yield "|---|---|---|"
        for owner, field, kind, of, text in fields:
            if owner == name:
                yield f"| `{field}` | {field_type(kind, of)} | {text} |"
        yield ""


TABLES = {("docs/admin-api.md", "routes"): admin_routes, ("docs/admin-api.md", "inputs"): admin_inputs,
          ("docs/admin-api.md", "objects"): admin_objects,
          ("docs/access-log.md", "fields"): access_fields, ("docs/access-log.md", "reasons"): reasons,
          ("docs/metrics.md", "series"): series, ("docs/fuzzing.md", "differences"): differences,
          ("docs/install.md", "hazards"): hazards}


def current(text, marker, lines):
    """The text with its table as it should be."""
    begin, end = f"<!-- {marker} -->\n", f"<!-- /{marker} -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return head + begin + "".join(line + "\n" for line in lines) + end + tail


def main(arguments):
    stale = []
    for (path, marker), lines in TABLES.items():
        text = (ROOT / path).read_text()
        wanted = current(text, marker, list(lines()))
        if wanted != text:
            stale.append(path)
            if "--write" in arguments:
                (ROOT / path).write_text(wanted)
    for path in stale:
        print(f"{path}: {'written' if '--write' in arguments else 'out of date: run tools/doc_tables.py --write'}")
    return 1 if stale and "--write" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
