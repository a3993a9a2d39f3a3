"""How a single value may be written in the settings: durations, networks, URLs, the master key.

Every refusal says what would be right and never repeats the value, which may be a secret or hold one.
"""

import base64
import re
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, quote, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from authserver.urls import origin_of

# RFC 9110 section 5.6.2: a token.
_HEADER_NAME = re.compile(r"[!#$%&'+.^_`|~0-9a-z-]{1,100}")
SECONDS_PER_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
LONGEST = 36_500 * 86_400  # so that milliseconds from now always fit the database's BIGINT
MASTER_KEY_HINT = "must be 32 random bytes in base64 or base64url; make one with: openssl rand -base64 32"
DATABASE_URL_HINT = (
    "must be postgresql://user:password@host:5432/database or sqlite:////absolute/path/to/file.db "
    "(special characters in user and password percent-encoded; several hosts with commas: host1:5432,host2:5432)"
)
STORE_URL_HINT = (
    "must be redis://user:password@host:6379/0, rediss:// the same with TLS, or unix://user:password@/path/to/socket?db=0 "
    "(special characters in user and password percent-encoded; ?ssl_ca_certs=/path names the authorities for rediss)"
)
_STORE_OPTIONS = {"redis": set(), "rediss": {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}, "unix": {"db"}}
# What stands before the hosts, several hosts, and what follows.
_SEVERAL_HOSTS = re.compile(r"(postgresql\+psycopg://(?:[^/?]*@)?)([^/?@]*,[^/?@]*)(.*)", re.DOTALL)
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]]+))(?::(\d*))?")


class FromFile:
    """Marks a setting that is no secret but may be read from a file (`AUTHSERVER_..._FILE`)."""


def seconds(value: object) -> object:
    """Turn `900`, `"900"` or `"15m"` (s, m, h, d, w) into a number of seconds."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?) ?([smhdw]?)", value.strip(), re.ASCII)):
        value = float(match[1]) * SECONDS_PER_UNIT[match[2]]
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        raise ValueError('must be a number of seconds, or text such as "30s", "15m", "12h" or "7d"; at most 100 years')
    return int(value) if value == int(value) else value


def whole_number(value: object) -> object:
    """Turn digits into a number; refuse what pydantic would take for one, such as `true` and `1.0`."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value.strip(), re.ASCII):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        # Pydantic reports a ValueError with the others; a TypeError would come through on its own.
        raise ValueError("must be a whole number")  # noqa: TRY004
    return value


def path(value: object) -> object:
    """Refuse an empty path, which would quietly mean the current directory."""
    if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
        raise ValueError("must be the path of a directory")
    return value


def networks(value: object) -> object:
    """Read networks in CIDR notation, from a list or from one text: with commas in between, or a list of TOML or JSON."""
    if isinstance(value, str):
        # No network has a quotation mark or a bracket, so it does not matter where they stand.
        bare = re.sub("[\"']", "", value).strip()
        listed = re.fullmatch(r"\[(.*)\]", bare, re.DOTALL)
        parts: object = re.split(r"[,\s]+", (listed[1] if listed else bare).strip())
    else:
        parts = value
    # As text, because ip_network would take the number 1 for the address 0.0.0.1.
    if isinstance(parts, list | tuple):
        with suppress(ValueError):
            return tuple(ip_network(str(part)) for part in parts if part != "")
    raise ValueError('must be a list of networks without host bits, such as ["10.0.0.0/8", "::1"]')


def hosts(value: object) -> object:
    """Read addresses from a list or from one text with commas in between; returns the text."""
    parts = re.split(r"[,\s]+", value.strip(", ")) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or not all(isinstance(part, str) for part in parts):
        raise ValueError('must be an address, or several such as ["127.0.0.1", "::1"]')
    return ", ".join(parts)


def lower_case(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def header_names(value: object) -> object:
    """Read names of request headers, from a list or from one text with commas in between. They come out in lower case."""
    parts = re.split(r"[,\s]+", value.strip()) if isinstance(value, str) else value
    if isinstance(parts, list | tuple):
        names = [part.lower() if isinstance(part, str) else "" for part in parts if part != ""]
        if all(_HEADER_NAME.fullmatch(name) for name in names):
            return tuple(dict.fromkeys(names))
    raise ValueError(
        'must be a list of names of headers, such as ["traceparent", "x-request-id"]; there are no patterns'
    )


def upper_case(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def issuer(value: str) -> str:
    """Check an issuer identifier (RFC 8414 section 2). Cuts its trailing slash, since APIs compare letter by letter."""
    try:
        usable = bool(origin_of(value))
    except ValueError:
        usable = False
    # A query, a fragment or a user name would be lost or leaked in the addresses that are made from the issuer.
    if not usable or not re.fullmatch(r"[A-Za-z0-9:/._~%\[\]-]+", value):
        raise ValueError(
            "must be an absolute URL such as https://auth.example.com, without query, fragment or user name"
        )
    value = value.rstrip("/")
    # Routes and addresses are made from the path as it stands here, so it may have one spelling only.
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*", urlsplit(value).path):
        raise ValueError(
            "must have a plain path, if any, such as https://example.com/auth: segments of letters, digits, . _ ~ -"
        )
    return value


def database_url(value: SecretStr) -> SecretStr:
    """Bring a database URL into the form that SQLAlchemy wants, with psycopg 3 as the driver."""
    text = re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", value.get_secret_value())
    if several := _SEVERAL_HOSTS.fullmatch(text):
        text = _hosts_in_query(*several.groups())
    try:
        url = make_url(text)
        url.get_dialect()().create_connect_args(url)  # refuses hosts and ports in the query that do not go together
    except (ArgumentError, ValueError):
        raise ValueError(DATABASE_URL_HINT) from None
    if url.drivername not in ("postgresql+psycopg", "sqlite") or not url.database:
        raise ValueError(DATABASE_URL_HINT)
    if "@" in (url.host or ""):  # the end of a password with an @ in it, which errors and logs would name as the host
        raise ValueError(DATABASE_URL_HINT)
    if url.drivername == "sqlite":
        if url.host or url.database.startswith("file:"):
            raise ValueError(DATABASE_URL_HINT)
        if url.database == ":memory:":
            # Every worker would have a database of its own.
            raise ValueError(f"{DATABASE_URL_HINT}; a database in memory cannot be shared by workers")
        url = url.set(database=str(Path(url.database).absolute()))
    return SecretStr(url.render_as_string(hide_password=False))


def _hosts_in_query(before: str, listed: str, after: str) -> str:
    """Write several hosts as SQLAlchemy can read them. libpq reads them in both places."""
    found = [_HOST.fullmatch(one) for one in listed.split(",")]
    if None in found or re.search(r"[?&](host|port)=", after):
        raise ValueError(DATABASE_URL_HINT)
    hosts = quote(",".join(one[1] or one[2] for one in found if one is not None))
    ports = quote(",".join(one[3] or "5432" for one in found if one is not None))
    return f"{before}{after}{'&' if '?' in after else '?'}host={hosts}&port={ports}"


def store_url(value: SecretStr) -> SecretStr:
    """Check the URL of a Redis or Valkey. Its client would quietly take the default for what it cannot read."""
    text = value.get_secret_value()
    try:
        url = urlsplit(text)
        options = dict(parse_qsl(url.query, strict_parsing=True)) if url.query else {}
        has_host = bool(url.hostname) and url.port != 0
    except ValueError:
        raise ValueError(STORE_URL_HINT) from None
    is_socket, known = url.scheme == "unix", _STORE_OPTIONS.get(url.scheme)
    number = options.get("db", "0") if is_socket else url.path.removeprefix("/") or "0"
    has_place = len(url.path) > 1 and not url.netloc.rpartition("@")[2] if is_socket else has_host
    is_plain = not url.fragment and re.fullmatch(r"\d{1,5}", number) and not re.search(r"\s", text)
    if known is None or not known.issuperset(options) or not has_place or not is_plain:
        raise ValueError(STORE_URL_HINT)
    return value


def database_or_url(value: object) -> object:
    """The word "database" is another way to set nothing, for a variable that overrides the file."""
    return None if isinstance(value, str) and value.strip() in ("", "database") else value


def decode_master_key(text: str) -> bytes:
    """Decode a master key.

    Raises:
        ValueError: not 32 bytes in base64 or base64url; the message says how to make one and does not show the text.
    """
    text = text.strip()
    # Both alphabets are good. A mixture of them is a damaged copy.
    if not re.fullmatch(r"[A-Za-z0-9_-]{43}=?|[A-Za-z0-9+/]{43}=?", text):
        raise ValueError(MASTER_KEY_HINT)
    return base64.urlsafe_b64decode(text[:43].replace("+", "-").replace("/", "_") + "=")


def master_key(value: SecretStr) -> SecretStr:
    decode_master_key(value.get_secret_value())
    return value


def bearer_token(value: SecretStr) -> SecretStr:
    """Check that a Bearer header can carry the token (RFC 6750 section 2.1), and that it is too long to guess."""
    if not re.fullmatch(r"[A-Za-z0-9._~+/-]{16,}=*", value.get_secret_value()):
        raise ValueError("must be at least 16 letters, digits or -._~+/ ; make one with: openssl rand -hex 32")
    return value


Seconds = Annotated[int, BeforeValidator(seconds)]
Moment = Annotated[float, BeforeValidator(seconds)]
Whole = Annotated[int, BeforeValidator(whole_number)]
Directory = Annotated[Path, BeforeValidator(path)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(networks)]
Hosts = Annotated[str, Field(min_length=1), BeforeValidator(hosts)]
HeaderNames = Annotated[tuple[str, ...], BeforeValidator(header_names)]
Issuer = Annotated[str, AfterValidator(issuer), FromFile()]
DatabaseUrl = Annotated[SecretStr, AfterValidator(database_url)]
StoreUrl = Annotated[Annotated[SecretStr, AfterValidator(store_url)] | None, BeforeValidator(database_or_url)]
MasterKey = Annotated[SecretStr, AfterValidator(master_key)]
BearerToken = Annotated[SecretStr, AfterValidator(bearer_token)]
