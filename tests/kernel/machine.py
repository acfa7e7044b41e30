"""A virtual machine with Debian's kernel and a few of this machine's programs, whose init is a script: for what needs a
kernel that this machine has not. Emulated, so that it needs no right to virtualise; nothing of this machine is touched.
"""

import contextlib
import pathlib
import re
import subprocess

DIRECTORY, PROGRAM, DATA = 0o040755, 0o100755, 0o100644


def archive(files):
    """The files of an initramfs, {path: (mode, bytes)}, as the kernel unpacks them (cpio, "newc")."""
    folders = {str(parent) for path in files for parent in pathlib.PurePosixPath(path).parents} - {"/", "."}
    entries = [(folder, DIRECTORY, b"") for folder in sorted(folders)]
    entries += [(path, *files[path]) for path in sorted(files)] + [("/TRAILER!!!", 0, b"")]
    out = bytearray()
    for number, (path, mode, data) in enumerate(entries, 1):
        name = path.lstrip("/").encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0)
        for part in (b"070701" + b"".join(b"%08X" % field for field in fields) + name, data):
            out += part
            out += b"\0" * (-len(out) % 4)
    return bytes(out)


def libraries(program):
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout  # static: none
    return re.findall(r"(/\S+) \(0x", said)


def programs(*paths):
    """Each as /bin/NAME, with its libraries where they are here."""
    files = {}
    for path in map(pathlib.Path, paths):
        files[f"/bin/{path.name}"] = (PROGRAM, path.read_bytes())
        for library in libraries(path):
            files[library] = (PROGRAM, pathlib.Path(library).read_bytes())
    return files


def modules(kernel, *names):
    """What those modules need, then they, as /modules/NN.ko: to be loaded in that order."""
    known = {path.stem.replace("-", "_"): path for path in (kernel / "lib" / "modules").rglob("*.ko")}
    order = []

    def add(name):
        data = known[name].read_bytes()
        for needed in re.search(rb"(?:^|\0)depends=([^\0]*)\0", data)[1].decode().split(","):
            if needed:
                add(needed.replace("-", "_"))
        if name not in order:
            order.append(name)
    for name in names:
        add(name)
    return {f"/modules/{place:02}.ko": (DATA, known[name].read_bytes()) for place, name in enumerate(order)}


def run(kernel, files, folder, limit_s):
    """Boots it with these files, of which /init runs. What its console said until it was off or had no time left."""
    image = folder / "initramfs"
    console = folder / "console"
    image.write_bytes(archive(files))
    start = next((kernel / "boot").glob("vmlinuz-*"))
    command = ["qemu-system-x86_64", "-M", "pc", "-cpu", "max", "-accel", "tcg", "-m", "768", "-smp", "1",
               "-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{console}",
               "-kernel", start, "-initrd", image,
               "-append", "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check tsc=reliable"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdin=subprocess.DEVNULL, timeout=limit_s, check=True)
    return console.read_text(errors="replace").replace("\r", "")
