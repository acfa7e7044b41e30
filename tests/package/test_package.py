"""The Debian package in a bare Debian: installed, serving by its unit file's command, upgraded, removed, purged. Then
the container recipe in the same folder, as far as that goes without a container engine.

Run by `./dev package --test`: it needs root, for a chroot and a network namespace of the test's own.
"""

import json
import os
import pathlib
import re
import select
import shlex
import shutil
import signal
import subprocess
import time

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
DEB = TREE / "build" / "package"
# What every installation and removal of any package leaves its traces in.
BOOKKEEPING = re.compile(r"/(var/lib/(dpkg|systemd)|var/log/(dpkg|alternatives)|var/cache|run|tmp|dev|proc"
                         r"|etc/(passwd|group|shadow|gshadow|subuid|subgid|ld\.so\.cache))")

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a chroot needs root")


def run(*command, check=True, timeout=300, **options):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False, **options)
    assert not check or done.returncode == 0, f"{shlex.join(map(str, command))}:\n{done.stdout[-3000:]}"
    return done.stdout


def build(*arguments):
    said = run(TREE / "dev", "package", *arguments)
    return TREE / next(word for word in said.split() if word.endswith(".deb") and "dbgsym" not in word)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The present version and a later one."""
    kept = []
    for arguments in ((), ("--version", "99.1")):
        path = build(*arguments)
        kept.append(pathlib.Path(shutil.copy(path, tmp_path_factory.mktemp("deb"))))
    return kept


@pytest.fixture(scope="module")
def root(tmp_path_factory, packages):
    """A bare Debian 12 with what the package depends on."""
    folder = tmp_path_factory.mktemp("debian") / "root"
    depends = run("dpkg-deb", "-f", packages[0], "Depends")
    names = sorted({re.match(r"\s*([a-z0-9.+-]+)", word)[1] for word in depends.split(",")} - {"libc6"})
    run("debootstrap", "--variant=minbase", f"--include={','.join(names)}", "bookworm", folder)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def network():
    """A network namespace with nothing but a loopback; ends with the test."""
    holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE)
    inside = ["nsenter", "-t", str(holder.pid), "-n"]
    wait_for(lambda: os.readlink(f"/proc/{holder.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
    run(*inside, "ip", "link", "set", "lo", "up")
    yield inside
    holder.stdin.close()
    holder.wait(10)


def wait_for(predicate, timeout=20):
    end = time.monotonic() + timeout
    while not predicate():
        assert time.monotonic() < end, "it did not happen in time"
        select.select([], [], [], 0.05)


def files(root):
    found = run("find", root, "-xdev", "-not", "-type", "d", "-printf", "/%P\n").splitlines()
    return {path for path in found if not BOOKKEEPING.match(path)}


def unit(root):
    text = (root / "lib/systemd/system/ballast.service").read_text()
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def test_it_is_built_and_laid_out_for_debian(packages):
    """Optimised when it is linked, as `./dev build` does, and each file where Debian looks for it."""
    said = (TREE / "build/package.log").read_text()
    assert re.search(r" -o ballast .* -flto=auto( |$)", said, re.MULTILINE)
    assert " -flto -ffat-lto-objects " in said and " -O3 " in said and " -O2 " not in said
    held = run("dpkg-deb", "-c", packages[0])
    for path in ("zsh/vendor-completions/_ballast", "fish/vendor_completions.d/ballast.fish", "man/man8/ballast.8.gz",
                 "bash-completion/completions/ballast", "man/man5/ballast.yaml.5.gz"):
        assert f"./usr/share/{path}" in held, path


def test_the_image_holds_the_libraries(packages):
    """What the package depends on, the container recipe installs too."""
    depends = run("dpkg-deb", "-f", packages[0], "Depends")
    needed = set(re.findall(r"\blib[a-z0-9.+-]+", depends)) - {"libc6", "libtinfo6"}  # in every image; of libncursesw6
    (install,) = [words for word, words in image() if word == "RUN"]
    assert needed == set(re.findall(r" (lib[a-z0-9.+-]+)(?= )", install))


def stages():
    """[[(instruction, its words)]] of the container recipe."""
    found = []
    for line in (TREE / "packaging/Containerfile").read_text().splitlines():
        word, _, words = line.partition(" ")
        if word == "FROM":
            found.append([])
        if word and word != "#":
            found[-1].append((word, words))
    return found


def image():
    """The last stage: what is kept."""
    return stages()[-1]


def test_the_recipe_builds_from_sources_alone():
    """`./dev build` in the first stage finds what it needs, and no build of another place: it would go on with that."""
    assert [stage[0][1].split()[0] for stage in stages()] == ["debian:12-slim", "debian:12-slim"]
    left_out = (TREE / ".dockerignore").read_text().splitlines()
    assert {"build", ".git"} <= set(left_out)
    copied = {path.split("/")[0] for path in run("git", "-C", TREE, "ls-files").splitlines()}
    assert {"dev", "meson.build", "src", "worker", "packaging"} <= copied - set(left_out)
    control = (TREE / "packaging/debian/control").read_text()
    needed = {word.strip() for word in re.search("Build-Depends: (.*)", control)[1].split(",")}
    listed = re.search(r"BUILD_PACKAGES='(.*?)'", (TREE / "dev").read_text(), re.DOTALL)[1]
    assert {word for word in needed if "debhelper" not in word} <= set(re.findall(r"(?m)^([a-z0-9.+-]+)", listed))


def children(pid):
    return pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_life_of_the_package(root, packages, network):
    chroot = ["chroot", root]
    before = files(root)
    (root / "tmp" / "one.deb").write_bytes(packages[0].read_bytes())
    (root / "tmp" / "two.deb").write_bytes(packages[1].read_bytes())
    run(*chroot, "dpkg", "-i", "/tmp/one.deb")
    assert (root / "usr/bin/ballast").exists() and (root / "etc/ballast/ballast.yaml").exists()
    run(*chroot, "ballast", "check", "-c", "/etc/ballast/ballast.yaml")

    # As its unit file says, with the one capability it asks for.
    service = unit(root)
    assert (service["Type"], service["User"], service["AmbientCapabilities"]) == ("notify", "ballast",
                                                                                  "CAP_NET_BIND_SERVICE")
    run(*chroot, *shlex.split(service["ExecStartPre"]))
    as_user = ["setpriv", "--reuid=ballast", "--regid=ballast", "--clear-groups", "--no-new-privs",
               "--inh-caps=-all,+net_bind_service", "--ambient-caps=-all,+net_bind_service",
               "--bounding-set=-all,+net_bind_service"]
    workers = subprocess.Popen([*network, *chroot, "ballast-worker", "--port=3001", "--port=3002", "--port=3003"],
                               stdout=subprocess.DEVNULL)
    ballast = subprocess.Popen([*network, *chroot, *as_user, *shlex.split(service["ExecStart"])],
                               stderr=subprocess.DEVNULL)

    def ask(path="/"):
        return run(*network, "curl", "-s", "-m", "5", f"http://127.0.0.1{path}", check=False)
    try:
        wait_for(lambda: len(re.findall(r"^worker_300[123]_alive 1$", ask("/metrics"), re.MULTILINE)) == 3)
        assert {ask() for _ in range(3)} == {f"worker {port} on port {port}: GET /\n" for port in (3001, 3002, 3003)}
        # Another version, while it serves.
        run(*chroot, "dpkg", "-i", "/tmp/two.deb")
        assert "Version: 99.1" in run(*chroot, "dpkg", "-s", "ballast")
        assert "on port 300" in ask()
        server = children(ballast.pid)
        ballast.send_signal(signal.SIGUSR2)
        wait_for(lambda: len(now := children(ballast.pid)) == 1 and now != server)
        assert "on port 300" in ask()
        ballast.terminate()
        assert ballast.wait(20) == 0
    finally:
        for process in (ballast, workers):
            process.kill()
            process.wait(10)
    log = root / "var/log/ballast/access.log"
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [200] * 5

    for deb in ("one.deb", "two.deb"):
        (root / "tmp" / deb).unlink()
    run(*chroot, "dpkg", "-r", "ballast")
    # Its configuration, that it starts with the machine among it, and its logs.
    assert files(root) - before == {"/etc/ballast/ballast.yaml", "/etc/logrotate.d/ballast",
                                    "/etc/systemd/system/multi-user.target.wants/ballast.service",
                                    "/var/log/ballast/access.log"}
    run(*chroot, "dpkg", "-P", "ballast")
    assert files(root) - before == set()
    assert "ballast" not in (root / "etc/passwd").read_text()


def test_the_image_serves(root, packages, network, tmp_path):
    """The folder is a bare Debian with the libraries that the recipe installs: with what the recipe copies it is the
    image. The program is process 1 there, is root, and has a /proc."""
    (build_line,) = [words for word, words in stages()[0] if word == "RUN"]
    build, install = build_line.split(" && ")
    assert build == "./dev build" and ("COPY", "--from=build /out/ /") in image()
    if not (TREE / "build/release/ballast").is_file():  # else it is what the other layers have just built and try
        run("sh", "-c", build, cwd=TREE, timeout=1200)
    run("sh", "-c", install.replace("/out", str(tmp_path / "out")), cwd=TREE)
    shutil.copytree(tmp_path / "out", root, dirs_exist_ok=True, symlinks=True)
    (root / "etc/ballast").mkdir(exist_ok=True)
    shipped = (TREE / "packaging/ballast.yaml").read_text()
    (root / "etc/ballast/ballast.yaml").write_text(re.sub("(?m)^access_log:.*", 'access_log: { path: "-" }', shipped))
    lines = dict(image())
    command = json.loads(lines["ENTRYPOINT"]) + json.loads(lines["CMD"])
    inside = [*network, "unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c",
              'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', root]
    workers = subprocess.Popen([*network, "chroot", root, "/usr/local/bin/ballast-worker", "--port=3001"],
                               stdout=subprocess.DEVNULL)
    with (tmp_path / "said").open("w") as said:
        container = subprocess.Popen([*map(str, inside), *command], stdout=said, stderr=subprocess.STDOUT)
    try:
        def ask(path):
            return run(*network, "curl", "-s", "-m", "5", f"http://127.0.0.1:{lines['EXPOSE']}{path}", check=False)
        wait_for(lambda: "worker_3001_alive 1" in ask("/metrics"))
        assert ask("/") == "worker 3001 on port 3001: GET /\n"
        os.kill(int(children(container.pid)[0]), signal.SIGTERM)
        assert container.wait(20) == 0
    finally:
        for process in (container, workers):
            process.kill()
            process.wait(10)
    assert " target=/ path=/ protocol=HTTP/1.1 status=200 by=worker " in (tmp_path / "said").read_text()
