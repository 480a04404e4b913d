"""Writes the certificates beside it: `python3 make.py` with the package cryptography."""

import datetime
import ipaddress
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HERE = pathlib.Path(__file__).parent
FROM, UNTIL = datetime.datetime(2020, 1, 1), datetime.datetime(2099, 1, 1)


def name(common, organization="klamm"):
    parts = [(NameOID.ORGANIZATION_NAME, organization)] if organization else []
    parts += [(NameOID.COMMON_NAME, common)] if common else []
    return x509.Name([x509.NameAttribute(oid, text) for oid, text in parts])


def certificate(subject, key, issuer, issuer_key, extensions, until=UNTIL):
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(FROM).not_valid_after(until)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def save(stem, made, key=None):
    pem = serialization.Encoding.PEM
    (HERE / f"{stem}.pem").write_bytes(made.public_bytes(pem))
    if key:
        form = serialization.PrivateFormat.PKCS8
        text = key.private_bytes(pem, form, serialization.NoEncryption())
        (HERE / f"{stem}.key").write_bytes(text)


def authority(stem):
    key = ec.generate_private_key(ec.SECP256R1())
    made = certificate(name(stem), key, name(stem), key, [x509.BasicConstraints(True, None)])
    save(stem, made)
    return name(stem), key


def leaf(stem, by, subject, alternatives, usage, until=UNTIL):
    key = ec.generate_private_key(ec.SECP256R1())
    extensions = [x509.ExtendedKeyUsage([usage])]
    if alternatives:
        extensions.append(x509.SubjectAlternativeName(alternatives))
    save(stem, certificate(subject, key, *by, extensions, until), key)


here = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
ca, other = authority("ca"), authority("other-ca")
for stem in ["server", "server2"]:
    leaf(stem, ca, name(stem), here, ExtendedKeyUsageOID.SERVER_AUTH)
client = ExtendedKeyUsageOID.CLIENT_AUTH
app = [
    x509.RFC822Name("app@klamm.example"),
    x509.DNSName("app.klamm.example"),
    x509.UniformResourceIdentifier("spiffe://klamm.example/app"),
]
leaf("client", ca, name("app, the first"), app, client)
leaf("client-unnamed", ca, name(None), [], client)
leaf("client-expired", ca, name("app"), app, client, datetime.datetime(2021, 1, 1))
leaf("client-other", other, name("app"), app, client)
