"""Hashes that cannot come, by name: what each is, and what to do instead."""

from __future__ import annotations

import re

_INSTEAD = "leave the cell empty, and give the user a new password (authserver users password-link)"
_FAST = "the password can be found in a moment"

#: Marks of systems for "no password": Django's, and those of /etc/shadow and its exports.
_NO_PASSWORD = re.compile(r"![A-Za-z0-9]{40}|!{1,2}\*?|\*|\*?LK\*?|\*NP\*|NP|x", re.ASCII)

_NAMED: tuple[tuple[str, str], ...] = (
    (r"[!*]+.*[$}].*",
     "a mark before it locks it: take the mark away, and set enabled to false if the user is to stay locked out"),
    (r"\$[56]\$.*", "it does not have the parts of a hash of SHA-crypt"),
    (r"\$[PHS]\$.*", "it does not have the parts of a hash of phpass"),
    (r"\$fbscrypt\$.*", "it does not have the parts of a hash of Firebase: $fbscrypt$v=1,n=…,r=…,p=1,ss=…,sk=…$salt$hash"),
    (r"\*[0-9A-Fa-f]{40}", f"it is a digest of MySQL without a salt: {_FAST}; {_INSTEAD}"),
    (r"\$g?y\$.*|\$7\$.*", f"it is yescrypt (or the scrypt of crypt), which is not supported: {_INSTEAD}"),
    (r"\$1\$.*|\$apr1\$.*|\{MD5-CRYPT\}.*", f"it is MD5-crypt, which is too weak: {_INSTEAD}"),
    (r"\$(?:md5|sha1|3)[$,].*", f"it is an old form of crypt, which is not supported: {_INSTEAD}"),
    (r"(?:[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{56}|[0-9A-Fa-f]{64}|[0-9A-Fa-f]{96}|[0-9A-Fa-f]{128})",
     f"it is a digest without a salt (MD5, SHA-1, NTLM or the like): {_FAST}; {_INSTEAD}"),
    (r"\{(?:MD4|MD5|SHA|SHA-1|SHA1|SHA-?256|SHA-?384|SHA-?512|SMD5|NT|NTLM|LM|LANMAN|LDAP-MD5|PLAIN-MD5)\}.*",
     f"it is one fast digest, without a salt or in a form of its own: {_FAST}; {_INSTEAD}"),
    (r"(?:md5|sha1|unsalted_md5|unsalted_sha1|sha256|sha512|crypt)\$.*",
     f"it is one fast digest of an old Django or Werkzeug: {_FAST}; {_INSTEAD}"),
    (r"\{(?:noop|plain|clear|cleartext)\}.*", "it is the password itself: write it into the column password"),
    (r"\{PBKDF2\}\$1\$.*", f"it is PBKDF2 as Dovecot writes it, which is not supported: {_INSTEAD}"),
    (r"\{(?:SASL|SSO|KERBEROS|pass-through)\}.*", f"another system checks this password, and has the hash; {_INSTEAD}"),
    (r"SCRAM-SHA-(?:1|256)\$.*", f"it is a verifier of SCRAM, which is not supported: {_INSTEAD}"),
    (r"U\$[SPH]\$.*", f"it is phpass over an older digest: {_INSTEAD}"),
    (r"[./0-9A-Za-z]{13}|_[./0-9A-Za-z]{19}", f"it is the DES form of crypt, which is too weak: {_INSTEAD}"),
)  # fmt: skip
_PATTERNS = tuple((re.compile(pattern, re.IGNORECASE | re.DOTALL), reason) for pattern, reason in _NAMED)


def is_no_password(encoded: str) -> bool:
    """Whether it is no hash, but a mark that the user has no password."""
    return _NO_PASSWORD.fullmatch(encoded) is not None


def reason(encoded: str) -> str | None:
    """Why this form cannot be used, if it is known by name."""
    return next((reason for pattern, reason in _PATTERNS if pattern.fullmatch(encoded)), None)
