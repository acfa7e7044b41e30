#!/usr/bin/python3
"""Turns files into C: `tools/embed.py OUT FILE...` writes a table of struct admin_file.

Called by the build for the dashboard's built files: each with its bytes and its ETag; names lose their `.gz`.
"""

import hashlib
import pathlib
import sys


def array_of(name, data):
    lines = [", ".join(str(byte) for byte in data[at:at + 24]) for at in range(0, len(data), 24)]
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def embed(paths):
    text = '#include "control/admin_page.h"\n\n'
    rows = []
    for at, path in enumerate(paths):
        data = path.read_bytes()
        tag = hashlib.sha256(data).hexdigest()[:16]
        text += array_of(f"bytes_{at}", data)
        rows.append(f'{{"{path.name.removesuffix(".gz")}", "\\"{tag}\\"", bytes_{at}, sizeof(bytes_{at})}}')
    text += "const struct admin_file admin_files[] = {" + ", ".join(rows) + "};\n"
    return text + f"const size_t admin_file_count = {len(rows)};\n"


def main(arguments):
    out, *paths = map(pathlib.Path, arguments)
    out.write_text(embed(paths))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
