"""Writes `keys.json`, `rotated.json` and `tokens.txt` beside it: `python3 make.py` with the package cryptography."""

import base64
import hashlib
import hmac
import json
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

HERE = pathlib.Path(__file__).parent
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def number(value, size=None):
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def jwk(kid, key, **more):
    public = key.public_key()
    if isinstance(key, rsa.RSAPrivateKey):
        n = public.public_numbers()
        own = {"kty": "RSA", "n": number(n.n), "e": number(n.e)}
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        n, size = public.public_numbers(), (key.key_size + 7) // 8
        own = {"kty": "EC", "crv": f"P-{key.key_size}", "x": number(n.x, size), "y": number(n.y, size)}
    else:
        raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        own = {"kty": "OKP", "crv": "Ed25519", "x": b64(raw)}
    return {**own, "kid": kid, **more}


def sign(alg, key, message):
    if alg == "none":
        return b""
    if alg.startswith("HS"):
        return hmac.new(key, message, hashlib.sha256).digest()
    if alg == "EdDSA":
        return key.sign(message)
    digest = HASHES[alg[2:]]
    if alg.startswith("RS"):
        return key.sign(message, padding.PKCS1v15(), digest)
    if alg.startswith("PS"):
        return key.sign(message, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(digest)))
    size = (key.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def token(alg, kid, key, claims=None, header=None):
    header = header or json.dumps({"alg": alg, "typ": "JWT", **({"kid": kid} if kid else {})})
    claims = claims if claims is not None else json.dumps(CLAIMS)
    message = f"{b64(header.encode())}.{b64(claims.encode())}".encode()
    return f"{message.decode()}.{b64(sign(alg, key, message))}"


CLAIMS = {
    "iss": "https://id.example",
    "aud": ["other", "klamm"],
    "sub": "app",
    "exp": 4000000000,
    "nbf": 1500000000,
    "email": "app@klamm.example",
}


def claims(**changes):
    return json.dumps({name: value for name, value in {**CLAIMS, **changes}.items() if value != "-"})


r, r2 = (rsa.generate_private_key(65537, 2048) for _ in range(2))
p256, p384, p521 = (ec.generate_private_key(curve()) for curve in [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
ed = ed25519.Ed25519PrivateKey.generate()
secret = b"0123456789abcdef0123456789abcdef"
keys = [
    jwk("rsa", r, use="sig"),
    jwk("rsa-ps", r2, alg="PS256"),
    jwk("p256", p256),
    jwk("p384", p384),
    jwk("ed", ed),
    jwk("for-encryption", r, use="enc"),
    jwk("p521", p521),
    {"kty": "oct", "kid": "oct", "k": b64(secret)},
    {"kty": "new"},
]
(HERE / "keys.json").write_text(json.dumps({"keys": keys}, indent=1) + "\n")
late = ed25519.Ed25519PrivateKey.generate()
(HERE / "rotated.json").write_text(json.dumps({"keys": [jwk("late", late)]}, indent=1) + "\n")
n = keys[0]
pem = r.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
good = {
    **{f"{a}256": token(f"{a}256", "rsa", r) for a in ["RS", "PS"]},
    **{f"{a}384": token(f"{a}384", "rsa", r) for a in ["RS", "PS"]},
    **{f"{a}512": token(f"{a}512", "rsa", r) for a in ["RS", "PS"]},
    "ps-only": token("PS256", "rsa-ps", r2),
    "ES256": token("ES256", "p256", p256),
    "ES384": token("ES384", "p384", p384),
    "EdDSA": token("EdDSA", "ed", ed),
    "no-kid": token("ES256", None, p256),
    "aud-text": token("EdDSA", "ed", ed, claims(aud="klamm")),
    "late": token("EdDSA", "late", late),
    "float-times": token("EdDSA", "ed", ed, claims(exp=4000000000.5, nbf=1e9)),
    "ends-2000000000": token("EdDSA", "ed", ed, claims(exp=2000000000)),
    "begins-2000000000": token("EdDSA", "ed", ed, claims(nbf=2000000000)),
}
bad = {
    "alg-none": token("none", "rsa", None),
    "alg-None": token("none", "rsa", None, header='{"alg":"None"}'),
    "hmac-of-public-key": token("HS256", "rsa", pem),
    "hmac-of-modulus": token("HS256", "rsa", n["n"].encode()),
    "hmac-of-secret": token("HS256", "oct", secret),
    "rs-with-ps-key": token("RS256", "rsa-ps", r2),
    "es-by-another-curve": token("ES256", "p384", p256),
    "es256-of-p384": token("ES384", "p256", p384),
    "eddsa-named-es": token("EdDSA", "ed", ed, header='{"alg":"ES256","kid":"ed"}'),
    "key-for-encryption": token("RS256", "for-encryption", r),
    "p521": token("ES512", "p521", p521),
    "another-key": token("RS256", "rsa", r2),
    "kid-unknown": token("RS256", "nobody", r),
    "crit": token("EdDSA", "ed", ed, header='{"alg":"EdDSA","kid":"ed","crit":["b64"],"b64":false}'),
    "alg-twice": token("EdDSA", "ed", ed, header='{"alg":"none","kid":"ed","alg":"EdDSA"}'),
    "alg-number": token("EdDSA", "ed", ed, header='{"alg":1,"kid":"ed"}'),
    "kid-list": token("EdDSA", "ed", ed, header='{"alg":"EdDSA","kid":["ed"]}'),
    "header-list": token("EdDSA", "ed", ed, header='["EdDSA"]'),
    "exp-missing": token("EdDSA", "ed", ed, claims(exp="-")),
    "exp-text": token("EdDSA", "ed", ed, claims(exp="4000000000")),
    "exp-null": token("EdDSA", "ed", ed, claims(exp=None)),
    "exp-twice": token("EdDSA", "ed", ed, claims()[:-1] + ', "exp": 4000000001}'),
    "nbf-text": token("EdDSA", "ed", ed, claims(nbf="0")),
    "iss-other": token("EdDSA", "ed", ed, claims(iss="https://id.example/")),
    "iss-missing": token("EdDSA", "ed", ed, claims(iss="-")),
    "iss-list": token("EdDSA", "ed", ed, claims(iss=["https://id.example"])),
    "aud-other": token("EdDSA", "ed", ed, claims(aud="klam")),
    "aud-missing": token("EdDSA", "ed", ed, claims(aud="-")),
    "aud-numbers": token("EdDSA", "ed", ed, claims(aud=[1, {"klamm": 1}])),
    "sub-missing": token("EdDSA", "ed", ed, claims(sub="-")),
    "sub-number": token("EdDSA", "ed", ed, claims(sub=1)),
    "sub-empty": token("EdDSA", "ed", ed, claims(sub="")),
    "sub-control": token("EdDSA", "ed", ed, claims(sub="a\nb")),
    "claims-list": token("EdDSA", "ed", ed, "[]"),
    "claims-empty": token("EdDSA", "ed", ed, ""),
    "claims-deep": token("EdDSA", "ed", ed, claims()[:-1] + ', "x": ' + "[" * 2000 + "]" * 2000 + "}"),
    "claims-and-more": token("EdDSA", "ed", ed, claims() + "{}"),
}
lines = [f"good {name} {text}" for name, text in good.items()]
lines += [f"bad {name} {text}" for name, text in bad.items()]
(HERE / "tokens.txt").write_text("\n".join(lines) + "\n")
