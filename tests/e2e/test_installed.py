"""What `./dev install` puts beside the programs: completions in their shells, manual pages, the unit file."""

import os
import pathlib
import pty
import re
import select
import subprocess
import time

import pytest

from harness.waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.alone  # Meson has one log, and what it uninstalls is what was installed last


def run(*command, **options):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False, **options)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module", autouse=True)
def a_real_installation_stays_known(ballast_path):
    """Meson has one log of what it installed: what a developer has installed is in it still when this is over."""
    log = ballast_path.parent / "meson-logs/install-log.txt"
    before = log.read_bytes() if log.exists() else None
    yield
    if before is not None:
        log.write_bytes(before)
    elif log.exists():
        log.unlink()


@pytest.fixture(scope="module")
def installed(ballast_path, tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    run("meson", "install", "-C", ballast_path.parent, "--no-rebuild", "--destdir", folder)
    prefix = folder / "usr/local"
    return prefix if prefix.exists() else folder / "usr"


def test_uninstall_leaves_nothing(ballast_path, tmp_path):
    """Meson's log is that of the last installation: this one's."""
    run("meson", "install", "-C", ballast_path.parent, "--no-rebuild", "--destdir", tmp_path)
    names = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"ballast", "ballast-worker", "_ballast", "ballast.fish", "ballast.8", "ballast.yaml.5"} <= names
    run("ninja", "-C", ballast_path.parent, "uninstall")
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def bash(installed, line):
    words = line.split(" ")
    return run("bash", "--norc", "-c", f"source {installed}/share/bash-completion/completions/ballast; "
               f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
               "_ballast; printf '%s\\n' \"${COMPREPLY[@]}\"").split()


def fish(installed, line):
    said = run("fish", "--no-config", "-c", f"source {installed}/share/fish/vendor_completions.d/ballast.fish; "
               f"complete -C '{line}'")
    return [row.split("\t")[0] for row in said.splitlines()]


def read_until(terminal, mark):
    said = b""
    end = time.monotonic() + 20
    while mark not in said:
        assert time.monotonic() < end, said
        if select.select([terminal], [], [], 0.1)[0]:
            said += os.read(terminal, 65536)
    return said


def zsh(installed, line):
    """It completes at a terminal only: what a Tab would insert or list is printed instead."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], {**os.environ, "TERM": "dumb"})
    os.write(terminal, f"PROMPT=; stty cols 250; fpath=({installed}/share/zsh/site-functions $fpath); "
             "autoload -U compinit; compinit -u -D; tab() {{ zle list-choices; zle -R; print tab-done; }}; "
             "zle -N tab; bindkey '^I' tab; print read''y\n".encode())
    read_until(terminal, b"ready")
    os.write(terminal, line.encode() + b"\t")
    said = read_until(terminal, b"tab-done").decode()
    os.close(terminal)
    os.waitpid(pid, 0)
    return re.sub(r"\x1b\[[0-9?]*\w", "", said.replace(line, "")).split()


@pytest.mark.parametrize("complete", [bash, fish, zsh], ids=lambda shell: shell.__name__)
def test_completion(installed, tmp_path, complete):
    (tmp_path / "mine-one.yaml").touch()
    (tmp_path / "mine-two.yaml").touch()
    assert {"run", "check", "why", "reload"} <= set(complete(installed, "ballast "))
    offered = complete(installed, "ballast run --l")
    assert {"--listen", "--log-level"} <= set(offered) and "--json" not in offered
    assert {"--plan", "--apply"} <= set(complete(installed, "ballast reload --"))
    for option in ("-c", "--config"):
        files = {os.path.basename(word) for word in complete(installed, f"ballast check {option} {tmp_path}/mine-")}
        assert {"mine-one.yaml", "mine-two.yaml"} <= files, option


@pytest.mark.parametrize("page", ["man8/ballast.8", "man5/ballast.yaml.5"])
def test_manual_pages(installed, page):
    """Two judges: neither has a warning, but that the pages have no date."""
    path = installed / "share/man" / page
    assert run("groff", "-man", "-ww", "-Tutf8", "-z", path) == ""
    judged = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", str(path)], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True, timeout=60, check=False).stdout
    assert [line for line in judged.splitlines() if "missing date" not in line] == []
    assert "SEE ALSO" in re.sub(".\b", "", run("mandoc", "-T", "utf8", path))


def test_the_unit_file_is_one(installed, tmp_path):
    """systemd knows every setting in it, and finds the programs that it names."""
    unit = tmp_path / "ballast.service"
    prefix = "/usr/local" if installed.name == "local" else "/usr"
    text = (installed / "lib/systemd/system/ballast.service").read_text()
    assert f"ExecStart={prefix}/bin/ballast run" in text
    unit.write_text(re.sub("^Documentation=.*$", "", text.replace(f"{prefix}/bin/", f"{installed}/bin/"), flags=re.M))
    assert run("systemd-analyze", "verify", "--man=no", unit) == ""


def test_the_socket_unit_is_one(installed, tmp_path):
    """It stands beside the service, and has the name that the documentation has."""
    units = installed / "lib/systemd/system"
    prefix = "/usr/local" if installed.name == "local" else "/usr"
    for name in ("ballast.socket", "ballast.service"):
        text = (units / name).read_text().replace(f"{prefix}/bin/", f"{installed}/bin/")
        (tmp_path / name).write_text(re.sub("^Documentation=.*$", "", text, flags=re.M))
    assert run("systemd-analyze", "verify", "--man=no", tmp_path / "ballast.socket") == ""
    assert "\nFileDescriptorName=web\n" in (units / "ballast.socket").read_text()
    assert "- fd:web " in (ROOT / "docs/listeners.md").read_text()


def calls_of(group):
    """The system calls that systemd means by a name, groups in groups too."""
    if not group.startswith("@"):
        return {group}
    names = [line.strip() for line in run("systemd-analyze", "syscall-filter", group).splitlines()[1:]]
    return set().union(*(calls_of(name) for name in names if name and not name.startswith("#")))


def test_the_unit_allows_what_the_server_may_do(installed):
    """Its filter is around the server's own, and lets it set that up."""
    text = (installed / "lib/systemd/system/ballast.service").read_text()
    allowed = set().union(*map(calls_of, re.search("^SystemCallFilter=(.*)$", text, re.MULTILINE)[1].split()))
    own = set(re.findall(r"^ALLOWED\w*\((\w+)", (ROOT / "src/main/sandbox.def").read_text(), re.MULTILINE))
    assert len(own) > 40
    confine = {"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self", "seccomp", "prctl"}
    keeper = {"execve", "clone", "clone3", "fork", "wait4", "kill", "setrlimit", "prlimit64", "memfd_create"}
    assert own | confine | keeper <= allowed, (own | confine | keeper) - allowed


@pytest.mark.skipif(os.geteuid() != 0, reason="logrotate changes owners")
def test_the_rotation_rules(balance, demo, tmp_path):
    """logrotate by the package's rules, under a real balancer: systemctl's signal is sent by kill here."""
    folder = tmp_path / "logs"
    folder.mkdir(mode=0o750)
    balancer = balance(demo(), access_log={"path": str(folder / "access.log"), "format": "{status}"})
    text = (ROOT / "packaging/ballast.logrotate").read_text()
    signal = "systemctl kill --kill-whom=main --signal=USR1 ballast.service"
    assert signal in text
    rules = tmp_path / "rules"
    rules.write_text(text.replace("/var/log/ballast", str(folder)).replace("ballast ballast", "root root")
                     .replace(signal, f"kill -USR1 {balancer.pid}"))
    rules.chmod(0o644)

    def lines(name):
        return (folder / name).read_text().split() if (folder / name).exists() else []
    for name in ("access.log.1", "access.log.2.gz"):
        assert balancer.get("/").status == 200
        wait_for(lambda: lines("access.log") == ["200"])
        run("/usr/sbin/logrotate", "-f", "-s", tmp_path / "state", rules)
        assert (folder / name).exists() and lines("access.log.1") == ["200"]
    assert balancer.get("/").status == 200
    wait_for(lambda: lines("access.log") == ["200"])
