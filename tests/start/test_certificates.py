"""Certificates that an operator brings: for serving, and for callers."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.conftest import read_kubeconfig, start_kcp, stop_kcp

if TYPE_CHECKING:
    from pathlib import Path

REVIEWS = "/clusters/root/apis/authentication.k8s.io/v1/selfsubjectreviews"
REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}


class Authority:
    """A certificate authority of the test."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = directory / f"{name}.crt"
        self.file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    def issue(self, user: str, *groups: str, server: bool = False) -> tuple[Path, Path]:
        """Return the files of a certificate and its key."""
        names = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*names, x509.NameAttribute(NameOID.COMMON_NAME, user)])
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = self._builder(subject, key).add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if server:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        files = (self._directory / f"{user}.crt", self._directory / f"{user}.key")
        files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return files


@pytest.mark.parametrize("http2", [False, True])
def test_a_client_certificate_says_who_calls_and_a_foreign_one_is_401(tmp_path: Path, http2: bool) -> None:
    ours, foreign = Authority(tmp_path, "ours"), Authority(tmp_path, "foreign")
    process, url = start_kcp(tmp_path / "root", "--client-ca-file", str(ours.file))
    admin = read_kubeconfig(tmp_path / "root" / "admin.kubeconfig")["users"]["kcp-admin"]["token"]

    def client(identity: tuple[Path, Path] | None) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(tmp_path / "root" / "ca.crt"))
        if identity is not None:
            context.load_cert_chain(*identity)
        return httpx.Client(base_url=url, verify=context, http2=http2, timeout=30)

    try:
        with client(ours.issue("alice", "system:masters", "developers")) as alice:
            user = alice.post(REVIEWS, json=REVIEW).json()["status"]["userInfo"]
            assert user["username"] == "alice"
            assert {"system:masters", "developers", "system:authenticated"} <= set(user["groups"])
        with client(foreign.issue("mallory", "system:masters")) as mallory:
            assert mallory.post(REVIEWS, json=REVIEW).status_code == 401
            assert mallory.get("/healthz").status_code == 401
            token = {"authorization": f"Bearer {admin}"}
            user = mallory.post(REVIEWS, json=REVIEW, headers=token).json()["status"]["userInfo"]
            assert user["username"] == "kcp-admin"
        with client(None) as nobody:
            assert nobody.get("/healthz").status_code == 200
    finally:
        assert stop_kcp(process) == 0


def test_a_given_serving_certificate_is_shown_and_trusted_by_the_kubeconfig(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("server", server=True)
    root = tmp_path / "root"
    process, url = start_kcp(root, "--tls-cert-file", str(certificate), "--tls-private-key-file", str(key))
    try:
        port = url.rpartition(":")[2]
        with httpx.Client(verify=ssl.create_default_context(cafile=str(authority.file))) as client:
            assert client.get(f"https://localhost:{port}/healthz").text == "ok"
        entry = read_kubeconfig(root / "admin.kubeconfig")["clusters"]["base"]
        assert base64.b64decode(entry["certificate-authority-data"]) == certificate.read_bytes()
        assert not (root / "ca.key").exists()
    finally:
        assert stop_kcp(process) == 0
