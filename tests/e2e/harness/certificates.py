"""Authorities and certificates for tests, made with the openssl program."""

import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """Signs certificates into a directory; `path` is its own."""

    def __init__(self, directory, name="Test Authority", own=None):
        self.directory = directory
        self.path, self.key = own or (directory / f"{name.replace(' ', '-')}{end}" for end in (".pem", ".key"))
        if own:
            return
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 3650,
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.path)

    def below(self, name):
        """An authority whose certificate this one has signed."""
        return Authority(self.directory, name, self.sign(name, extensions="basicConstraints=critical,CA:TRUE\n"))

    def sign(self, name, days=365, alternatives=None, extensions="", kind="ec"):
        """(certificate, key) for a common name; its DNS names are the name unless alternatives are given."""
        safe = name.replace("*", "any").replace(" ", "-") + {"ec": "", "rsa": "-rsa"}[kind]
        key_kind = {"ec": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("rsa:2048",)}[kind]
        path, key, request = (self.directory / f"{safe}{end}" for end in (".pem", ".key", ".csr"))
        extension = self.directory / f"{safe}.ext"
        extension.write_text("subjectAltName=" + ",".join(alternatives or [f"DNS:{name}"]) + "\n" + extensions)
        openssl("req", "-newkey", *key_kind, "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-days", days,
                "-extfile", extension, "-out", path)
        return path, key

    def issued(self, *revoked):
        """A directory for `openssl ca` and `openssl ocsp` that knows these certificates as revoked."""
        base = self.directory / f"{self.path.stem}-{len(revoked)}"
        base.mkdir(exist_ok=True)
        (base / "index.txt").write_text("")
        (base / "crlnumber").write_text("01\n")
        (base / "openssl.cnf").write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={base}/index.txt\n"
                                          f"crlnumber={base}/crlnumber\ndefault_md=sha256\ndefault_crl_days=30\n"
                                          "rand_serial=yes\npolicy=any\n[any]\ncommonName=supplied\n")
        for certificate in revoked:
            self.ca(base, "-revoke", certificate)
        return base

    def ca(self, base, *arguments):
        openssl("ca", "-config", base / "openssl.cnf", "-keyfile", self.key, "-cert", self.path, *arguments)

    def sign_between(self, name, start, end):
        """As sign, with its times: YYYYMMDDHHMMSSZ."""
        path, key = self.sign(name)
        self.ca(self.issued(), "-batch", "-notext", "-startdate", start, "-enddate", end, "-outdir",
                self.directory, "-in", path.with_suffix(".csr"), "-out", path)
        return path, key

    def revocations(self, *revoked, end=None):
        """The list (CRL) of these certificates; end: YYYYMMDDHHMMSSZ."""
        base = self.issued(*revoked)
        path = base / f"crl-{end}.pem"
        self.ca(base, "-gencrl", "-out", path, *(("-crl_nextupdate", end) if end else ()))
        return path

    def staple(self, certificate):
        """An OCSP answer for this certificate, in DER."""
        base = self.issued()
        serial = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-serial"], check=True,
                                capture_output=True, text=True).stdout.strip().removeprefix("serial=")
        (base / "index.txt").write_text(f"V\t491231235959Z\t\t{serial}\tunknown\t/CN=stapled\n")
        openssl("ocsp", "-issuer", self.path, "-cert", certificate, "-no_nonce", "-reqout", base / "request.der")
        openssl("ocsp", "-index", base / "index.txt", "-CA", self.path, "-rsigner", self.path, "-rkey", self.key,
                "-ndays", 7, "-reqin", base / "request.der", "-respout", certificate.with_suffix(".der"))
        return certificate.with_suffix(".der")
