"""Authorities and certificates for tests, made with the openssl program."""

import subprocess


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


class Authority:
    """Signs certificates into a directory; `path` is its own."""

    def __init__(self, directory, name="Test Authority"):
        self.directory = directory
        self.path = directory / f"{name.replace(' ', '-')}.pem"
        self.key = self.path.with_suffix(".key")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 3650,
                "-subj", f"/CN={name}", "-keyout", self.key, "-out", self.path)

    def sign(self, name, days=365, alternatives=None):
        """(certificate, key) for a common name; its DNS names are the name unless alternatives are given."""
        safe = name.replace("*", "any").replace(" ", "-")
        path, key, request = (self.directory / f"{safe}{end}" for end in (".pem", ".key", ".csr"))
        extension = self.directory / f"{safe}.ext"
        extension.write_text("subjectAltName=" + ",".join(alternatives or [f"DNS:{name}"]) + "\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.path, "-CAkey", self.key, "-days", days,
                "-extfile", extension, "-out", path)
        return path, key
