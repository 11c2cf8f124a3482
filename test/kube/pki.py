"""The certificates of one cluster: two authorities, a key pair and a kubeconfig per component."""

import base64
import json
import os
import subprocess

from space import RigError, environment

DAYS = "30"
# OpenSSL's own configuration would make every certificate an authority.
CONFIG = "[req]\ndistinguished_name=dn\n[dn]\n"
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Pki:
    def __init__(self, directory):
        self.directory = directory
        os.mkdir(directory, mode=0o700)
        with open(self.path("openssl.cnf"), "w", encoding="ascii") as f:
            f.write(CONFIG)

    def path(self, name):
        return os.path.join(self.directory, name)

    def openssl(self, *argv):
        done = subprocess.run(["openssl", *argv], env=environment(), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise RigError(f"openssl {argv[0]}: {done.stderr.strip()}")

    def request(self, name, subject, extensions, *more):
        added = [word for e in extensions if e for word in ("-addext", e)]
        self.openssl("req", "-x509", "-config", self.path("openssl.cnf"), "-days", DAYS, *CURVE,
                     "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.crt"),
                     "-subj", subject, *added, *more)

    def authority(self, name):
        self.request(name, f"/CN={name}", ["basicConstraints=critical,CA:TRUE",
                                           "keyUsage=critical,keyCertSign,digitalSignature"])

    def certificate(self, name, subject, usage="clientAuth", names="", authority="ca"):
        """`names`: as subjectAltName has them, DNS:... and IP:..., by comma."""
        self.request(name, subject,
                     ["basicConstraints=CA:FALSE", "keyUsage=critical,digitalSignature",
                      f"extendedKeyUsage={usage}", names and f"subjectAltName={names}"],
                     "-CA", self.path(f"{authority}.crt"), "-CAkey",
                     self.path(f"{authority}.key"))

    def key_pair(self, name):
        """NAME.key and NAME.pub, without a certificate."""
        self.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-out", self.path(f"{name}.key"))
        self.openssl("pkey", "-in", self.path(f"{name}.key"), "-pubout", "-out",
                     self.path(f"{name}.pub"))

    def text(self, name):
        with open(self.path(name), "rb") as f:
            return base64.b64encode(f.read()).decode()

    def kubeconfig(self, name, server):
        """JSON is YAML too. The certificates are inside: one file is all a component needs."""
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {
                "server": server, "certificate-authority-data": self.text("ca.crt")}}],
            "users": [{"name": "it", "user": {
                "client-certificate-data": self.text(f"{name}.crt"),
                "client-key-data": self.text(f"{name}.key")}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        with open(self.path(f"{name}.conf"), "w", encoding="ascii") as f:
            json.dump(config, f)
