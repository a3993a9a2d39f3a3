"""A form that came too late: its visit has ended, or the browser has signed in anew since the form was shown.

Nothing of it is done. The form travels in the body of the sign-in page, and after the sign-in a page shows it and asks
whether to send it. So nothing that was typed gets lost, and no form is sent without a click by a user who is signed in.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote_plus

from flask import current_app, request

from authserver.pages import forms

#: The field of the sign-in form that carries another form.
FIELD = "resend"
#: The most bytes of a carried form in the body of a sign-in, which has others beside it: `server.max_body_bytes` is at
#: least 16 KiB.
_LONGEST = 10_000
PUT_OFF = "You are not signed in any more, so your form was not sent. Sign in, and you can send it."
LOST = (
    "You are not signed in any more, so your form was not sent, and nothing was changed. Sign in, and fill it in again: "
    "a form with a password or a file, or a long one, is not kept."
)


@dataclass(frozen=True, slots=True)
class LateForm:
    """The address of a form and its fields, without the form token."""

    action: str
    fields: list[tuple[str, str]]

    def __str__(self) -> str:
        """The text that the sign-in form carries."""
        return json.dumps([self.action, self.fields], ensure_ascii=False)


def posted() -> LateForm | None:
    """The form of this request; None if it may not be carried: it has a password or a file, or is too long."""
    form = LateForm(request.full_path.rstrip("?"), forms.carried())
    has_password = any(value and "password" in name.lower() for name, value in request.form.items(multi=True))
    return None if has_password or request.files or _is_too_long(str(form)) else form


def _is_too_long(text: str) -> bool:
    return len(quote_plus(text)) > _LONGEST


def has_page() -> bool:
    """Whether the address of this request also shows a page, so that a sign-in can lead there."""
    addresses = current_app.create_url_adapter(request)
    return addresses is not None and addresses.test(method="GET")


def read(is_local: Callable[[str], bool]) -> LateForm | None:
    """The form that a sign-in form carries; None without one. Checks only its shape and that its address is our own.

    The fields need no check: they get into the hidden fields of a form, and are checked when that is sent.
    """
    text = request.form.get(FIELD, "")
    if not text or _is_too_long(text):
        return None
    try:
        action, fields = json.loads(text)
        form = LateForm(action, [(name, value) for name, value in fields])
        # Fails for what is no text, and for half of a surrogate pair, which no page can have.
        "".join([action, *(part for pair in form.fields for part in pair)]).encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return form if is_local(action) else None
