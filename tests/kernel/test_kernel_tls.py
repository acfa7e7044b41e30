"""TLS in the kernel, in a virtual machine whose kernel has it: the checks of init.sh, one test for each.

Run by `./dev test --kernel`, which fetches the kernel. Emulated, it takes minutes, so long answers are not very long:
BALLAST_KERNEL_TEST_BYTES says how long.
"""

import os
import pathlib
import re
import shutil
import sys

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).parent
KERNEL = TREE / "build" / "kernel"
BUILD = TREE / os.environ.get("BALLAST_BUILD", "build/release")
LIMIT_S = int(os.environ.get("BALLAST_KERNEL_TEST_SECONDS", "1800"))
LONG = int(os.environ.get("BALLAST_KERNEL_TEST_BYTES", str(16 << 20)))

sys.path.insert(0, str(TREE / "tests" / "e2e"))

import machine  # noqa: E402
from harness.certificates import Authority  # noqa: E402

MODULES = ("tls", "ctr", "gcm", "ghash_generic", "ccm", "chacha20poly1305", "chacha_generic", "poly1305_generic",
           "aesni_intel")
NAMES = re.findall(r'^ *check "([^"]+)"', (HERE / "init.sh").read_text(), re.M)

pytestmark = [
    pytest.mark.skipif(not shutil.which("qemu-system-x86_64"), reason="there is no qemu-system-x86_64"),
    pytest.mark.skipif(not list(KERNEL.glob("boot/vmlinuz-*")), reason="no kernel was fetched: ./dev test --kernel"),
]


@pytest.fixture(scope="module")
def console(tmp_path_factory):
    folder = tmp_path_factory.mktemp("machine")
    authority = Authority(folder)
    certificate, key = authority.sign("test.example")
    init = (HERE / "init.sh").read_text().replace('"$LONG"', str(LONG))
    files = machine.programs(BUILD / "ballast", BUILD / "ballast-worker", "/usr/bin/curl", "/usr/bin/openssl",
                             "/usr/bin/busybox")
    files |= machine.modules(KERNEL, *MODULES)
    files |= {"/init": (machine.PROGRAM, init.encode())}
    for name, path in {"/authority.pem": authority.path, "/certificate.pem": certificate, "/key.pem": key,
                       "/ballast.yaml": HERE / "ballast.yaml"}.items():
        files[name] = (machine.DATA, path.read_bytes())
    return machine.run(KERNEL, files, folder, LIMIT_S)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("mode", ("auto", "off"))
def test_kernel_tls_check_passes(console, mode, name):
    if mode == "off" and name.startswith("doctor"):
        mode = "auto"
    assert re.search(rf"^ok {mode} {re.escape(name)}$", console, re.M), console[-4000:]


def test_kernel_tls_the_kernel_has_counted_too(console):
    assert int(re.search(r"^TlsTxSw\s+(\d+)", console, re.M)[1]) > 10
    assert re.search(r"^finished$", console, re.M)
