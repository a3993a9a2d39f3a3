"""Rows as each revision of the schema had them. They are never changed, and upgrades must carry them over.

The version of each revision made them, under the master key below. A new revision adds its own entry: the entry before
with its changes. So an upgrade is tested from every revision.
"""

from __future__ import annotations

import base64
from typing import Any

from sqlalchemy import Connection, text

Rows = dict[str, list[dict[str, Any]]]

MASTER_KEY = base64.b64encode(bytes(range(32))).decode()
CLIENT_ID = "old-app"
USERNAME = "Änne"
PASSWORD = "correct horse battery staple"
SESSION_ID = "01890a5dac96774bbcceb302099a8057"
#: The current token of the session below, and its direct predecessor's digest in the row.
REFRESH_TOKEN = "asrt_AQAAAgGJCl2slndLvM6zAgmagFcAAAAEUbFcnz0p5_E4aDfqU-oJMmZMG3wRfPfcEVQdsK9R1bXVK6kWBMipzPztzod3SWt2"
SCOPES = "profile"

_2024, _2100 = 1_704_067_200_000, 4_102_444_800_000
_USER_ID = "01890a5d000070008000000000000001"
_KIDS = ("OaOPbss_OFkbwBa4NkRnYFHRbAg1YhwtBR5-fzTuNyE", "ymxiC9B4I9p40sqTigQzOj4Pk9sW0BGZxzuiF3cUmyw")
_JWK = '{{"alg": "ES256", "crv": "P-256", "kid": "{}", "kty": "EC", "use": "sig", "x": "{}", "y": "{}"}}'
_SEALED_SIGNING = (
    (
        "RBzhe2+Fub3zTgqzBYWralLHK1w8qFzwsaY1nPkDYaMFUs7yKJkcpeqRnkdz2NKqrCyo7m0ucGsPDwjNHgTJy2E6Fr6rF3pv2/6O0iqlNlfGybDy9E9R"
        "/y5DDZLCFYfqn20Aus+dUNzHLAUP2x6STlEejUewRNnPgJ9udruXOMXZHIXIsLNWYkuvWX9jHkhCxBQd75VHXGd79CymQ4FUF+l2PQb+AL1udqYuBesV"
        "n+pCD9/cApB96rW+eu8UWO9kbV8WqI3JSqpWucxmGrn5BLHQ0XR3DOVov7DhGK4="
    ),
    (
        "RBzhe2+Fub1vYn8JLzQkmedYHke6lG3mgmgqs1BG4fcnyt/1PvQJ8ZV0sihEW7wOr6o09P2woviK1OH1YB1B9JlLVIwfRPcobt08WC0+pDlx6AMF1lYg"
        "D10bjvoZVC3KomfeD9iElvQN5r3/mpfvJYfWv80gycXheNsbkMOfFiDXQu7JyvsurmpyProVs8nA28rpYrfo887hnK8XLUB7jpHLjaatdRQFZi5/UTOa"
        "I4s7cO/H7KgY9RXVrvmfAXuyU7/IxFaFbGnGq9EG4i9lWGkb7YDM9S1hzhqeR7A="
    ),
)
_SEALED_TOKEN = (
    (
        "RBzhe2+Fub2xXwpWDMOzKfYNlQEl9/BwyJOKIesSobfobMKT+2TSSiCoiSQ+2uAUYcXJLSE2PiBWNNB4CNXt4/Eww2x+jmjqY/9AeYpvtJH74H4dTwiU"
        "AZFwj6Wt0ejRwMnkgg=="
    ),
    (
        "RBzhe2+Fub2ldOIqXLIDuv59YxfTu0CNtKSd+Erbt1gmIEVPhDSv3c/KKZm8Csp97A50zJWjPdtp/i0TICrYpyo7rYBcUejD2fkFauofsjPyCwX1/Mw"
        "wiDmygB0gJprIiJFucg=="
    ),
)


def _key(number: int, kind: str, state: str, sealed: str, **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "kind": kind,
        "state": state,
        "algorithm": "ES256" if kind == "signing" else "HS256",
        "kid": None,
        "public_jwk": None,
        "sealed": base64.b64decode(sealed),
        "leaked": False,
        "created_at": _2024,
        "activated_at": _2024 if state == "active" else None,
        "retired_at": None,
        "gone_at": None,
        **more,
    }


_FIRST: Rows = {
    "apis": [
        {
            "audience": "https://api.example.com",
            "name": "Example",
            "client_id": None,
            "created_at": _2024,
            "changed_at": _2024,
            "narrowed_at": None,
            "swept_at": None,
        }
    ],
    "scopes": [{"scope": "profile", "audience": "https://api.example.com", "roles": ""}],
    "clients": [
        {
            "client_id": CLIENT_ID,
            "name": "Old app",
            "kind": "mobile",
            "auth_methods": "none",
            "secret_digest": None,
            "previous_secret_digest": None,
            "previous_secret_expires_at": None,
            "grants": "password refresh_token",
            "scopes": SCOPES,
            "default_scopes": None,
            "default_api": None,
            "refresh_policy": "rotate",
            "retry_window": None,
            "late_retries": 1,
            "refuse_foreign_retries": False,
            "access_token_lifetime": None,
            "refresh_idle_lifetime": None,
            "refresh_absolute_lifetime": None,
            "max_sessions_per_user": None,
            "enabled": True,
            "epoch": 0,
            "swept_epoch": 0,
            "created_at": _2024,
            "changed_at": _2024,
            "removed_at": None,
        }
    ],
    "users": [
        {
            "id": _USER_ID,
            "username": USERNAME,
            "username_key": "änne",
            "email": None,
            "email_key": None,
            "password_hash": "$argon2id$v=19$m=8,t=1,p=1$WvAVNJ4Lnbhz+9bHZbEWNA"
            "$xgNV/0yi5eSj3A1ne8gct3DLpjVIZaNvFTphljCVlcs",
            "password_version": 0,
            "roles": "",
            "enabled": True,
            "created_at": _2024,
            "changed_at": _2024,
            "removed_at": None,
        }
    ],
    "keys": [
        _key(
            1,
            "signing",
            "active",
            _SEALED_SIGNING[0],
            kid=_KIDS[0],
            public_jwk=_JWK.format(
                _KIDS[0], "yerapQwjULyHmAQb6G5ONR-uTwLLCRjBoEyrpIBnMT0", "YdqKs_186eQBT4BZFOjJ0kW-NjK0RaI9JU3mOZFx57g"
            ),
        ),
        _key(2, "token", "active", _SEALED_TOKEN[0]),
        _key(
            3,
            "signing",
            "next",
            _SEALED_SIGNING[1],
            kid=_KIDS[1],
            public_jwk=_JWK.format(
                _KIDS[1], "m2Orr_yJN0M5kxfuFAeOZaJ-xMH2jA57BWKGkyOWihg", "7NRZthp92WGnuQzHjCVe2TRUmAhYibe2y___wfrjYhk"
            ),
        ),
        _key(4, "token", "next", _SEALED_TOKEN[1]),
    ],
    "sessions": [
        {
            "id": SESSION_ID,
            "user_id": _USER_ID,
            "client_id": CLIENT_ID,
            "client_epoch": 0,
            "scopes": SCOPES,
            "audiences": "https://api.example.com",
            "roles": "",
            "auth_time": _2024,
            "auth_methods": "pwd",
            "status_index": 7,
            "generation": 4,
            "current_digest": base64.b64decode("0CcVRvIqCN5FSVEnNpJGKI1aGyYVSm8jNLNxXl0j2mY="),
            "current_presented": False,
            "previous_digest": base64.b64decode("eHeXJzGhM60Rm+81fIRSNiGMw8DuvHnl/m1/LjX0Xj8="),
            "salt": base64.b64decode("Kmb38VKz7OEzBy0cBNwxJg=="),
            "token_key_id": 2,
            "rotated_at": _2024,
            "retries": 2,
            "recent_retries": 0,
            "late_retries": 0,
            "recent_late_retries": 0,
            "created_at": _2024,
            "last_used_at": _2024,
            "access_expires_at": _2024,
            "idle_expires_at": _2100,
            "absolute_expires_at": _2100,
            "revoked_at": None,
            "revoked_because": None,
            "device_name": "Änne's phone",
            "last_address": "2001:db8::1",
            "last_user_agent": "Old/1.0",
        }
    ],
    "audit_events": [
        {
            "id": "01890a5d000070008000000000000002",
            "at": _2024,
            "event": "session.opened",
            "actor": f"client:{CLIENT_ID}",
            "subject": None,
            "client_id": CLIENT_ID,
            "user_id": _USER_ID,
            "session_id": SESSION_ID,
            "address": "2001:db8::1",
            "user_agent": "Old/1.0",
            "detail": "{}",
        }
    ],
}

_SECOND: Rows = {
    **_FIRST,
    "apis": [{**_FIRST["apis"][0], "access_token_format": "jwt"}],
    "clients": [{**_FIRST["clients"][0], "access_token_format": None, "status_index": 1_000_000}],
    "ended_own_tokens": [{"status_index": 999_999, "client_id": CLIENT_ID, "listed_until": _2100}],
}

_THIRD: Rows = {
    **_SECOND,
    "clients": [
        {
            **_SECOND["clients"][0],
            "redirect_uris": "https://app.example.com/callback",
            "contacts": "team@example.com",
            "first_party": None,
            "secret_used_at": _2024,
            "previous_secret_used_at": None,
        }
    ],
    "audit_events": [{**_SECOND["audit_events"][0], "outcome": "done", "reference": None}],
    "activity": [{"at": _2024, "name": "sign_ins", "count": 3}],
    "visits": [
        {
            "id": "01890a5d000070008000000000000003",
            "digest": bytes(32),
            "user_id": _USER_ID,
            "password_version": 1,
            "opened_at": _2024,
            "last_used_at": _2024,
            "confirmed_at": _2024,
            "expires_at": _2100,
            "address": "2001:db8::1",
            "user_agent": "Old/1.0",
        }
    ],
    "password_links": [
        {"digest": bytes(32), "user_id": _USER_ID, "password_version": 1, "created_at": _2024, "expires_at": _2100}
    ],
    "idempotency_keys": [
        {"digest": bytes(32), "request_digest": bytes(32), "sealed_answer": None, "created_at": _2024}
    ],
}

_FOURTH: Rows = {
    **_THIRD,
    "clients": [{**_THIRD["clients"][0], "token_delivery": "json", "origins": "https://app.example.com"}],
}

_FIFTH: Rows = {**_FOURTH, "leases": [{"name": "prune", "until": _2024}]}

_SIXTH: Rows = {
    **_FIFTH,
    "users": [{**_FIFTH["users"][0], "subject": "auth0|507f1f77bcf86cd799439020"}],
    "sessions": [{**_FIFTH["sessions"][0], "subject": "auth0|507f1f77bcf86cd799439020"}],
}

_RECOVERY = {"id": "01890a5d000070008000000000000004", "started_at": _2024, "until": _2024}
_SEVENTH: Rows = _SIXTH | {"recoveries": [_RECOVERY]}

_SEALED_SECRET = "RBzhe2+Fub36gTFNSM6aqFPaErn6rhEAt371wLFD5tW8eGTK/0+P48HSNrMGKbO2EtlVhX9ODO/AMq+Li3BdA8lb8N8="

_EIGHTH: Rows = {
    **_SEVENTH,
    "clients": [{**_SEVENTH["clients"][0], "sends_user_address": False}],
    "throttle_buckets": [{"kind": 3, "slot": 1, "empty_at": _2024, "charged_at": _2024}],
    "throttle_strangers": [{"slot": 1, "empty_at": _2024, "charged_at": _2024, "failures": 2, "halved_at": _2024}],
    "known_places": [{"user_id": _USER_ID, "place": bytes(16), "last_at": _2024}],
    "secrets": [{"name": "throttling", "sealed": base64.b64decode(_SEALED_SECRET)}],
}

_NINTH: Rows = {
    **_EIGHTH,
    "throttle_buckets": [{**_EIGHTH["throttle_buckets"][0], "key_check": 2**32 - 1}],
    "throttle_strangers": [{**_EIGHTH["throttle_strangers"][0], "key_check": 0}],
    "known_places": [{**_EIGHTH["known_places"][0], "password_version": 0}],
}

_CODE = {"user_id": _USER_ID, "digest": bytes(16), "password_version": 1, "expires_at": _2024}
_TENTH: Rows = _NINTH | {"sign_in_codes": [_CODE]}

#: The rows of each revision, oldest first.
_ALL = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _SEVENTH, _EIGHTH, _NINTH, _TENTH)
ROWS: dict[str, Rows] = {f"{number:04}": rows for number, rows in enumerate(_ALL, start=1)}


def put(connection: Connection, rows: Rows) -> None:
    """Insert rows by plain SQL, because today's models do not fit old tables."""
    for table, several in rows.items():
        for row in several:
            columns = ", ".join(row)
            values = ", ".join(f":{column}" for column in row)
            connection.execute(text(f"INSERT INTO {table} ({columns}) VALUES ({values})"), row)
    if connection.dialect.name == "postgresql":  # inserted ids do not move the sequence
        connection.execute(text("SELECT setval(pg_get_serial_sequence('keys', 'id'), (SELECT max(id) FROM keys))"))
