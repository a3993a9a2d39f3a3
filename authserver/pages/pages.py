"""Gives a blueprint visits, form tokens, messages and strict headers, so that no page can forget one.

`account/pages.py` shows how a blueprint uses them. Templates extend `pages/layout.html` and use `pages/macros.html`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from flask import Blueprint, Flask, Response, abort, g, redirect, render_template, request, url_for
from jinja2 import StrictUndefined
from markupsafe import Markup
from werkzeug.exceptions import Forbidden

from authserver.database.failures import Unavailable
from authserver.pages import addresses, forms, resending, texts
from authserver.pages.assets import Assets
from authserver.pages.cookies import Cookie
from authserver.pages.flashes import LIFETIME, Flash, FlashSigner, Kind
from authserver.pages.known_browser import KnownBrowser
from authserver.pages.visits import Visit, Visits
from authserver.records.audit import Caller
from authserver.sign_in.password import PasswordCheck
from authserver.urls import origin_of, path_of

Page = Response | str | tuple[str, int]

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    # Not `no-referrer`: with it browsers send `Origin: null` with the server's own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cache-Control": "no-store",
    "Vary": "Cookie",
}


class StaleForm(Forbidden):
    """The form token was not made with this browser's present secret. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Area:
    """A part of the pages: its name, its first page, and which visits may enter it."""

    name: str
    endpoint: str
    allows: Callable[[Visit], bool]


@dataclass(slots=True)
class Pages:
    """The services of all pages. Built once by `create_app`."""

    issuer: str
    visits: Visits
    passwords: PasswordCheck
    signer: FlashSigner
    browser: KnownBrowser
    areas: list[Area] = field(default_factory=list)
    assets: Assets = field(init=False)

    def __post_init__(self) -> None:
        self.assets = Assets(self.base)

    @property
    def base(self) -> str:
        """The issuer's path, which every page's address begins with."""
        return path_of(self.issuer)

    @property
    def origin(self) -> str:
        """The origin that forms have to come from."""
        return origin_of(self.issuer)

    @property
    def visit_cookie(self) -> Cookie:
        return Cookie.of("authserver", self.issuer)

    @property
    def form_cookie(self) -> Cookie:
        """Holds the secret of form tokens for a browser that is not signed in.

        One for all tabs, and Lax: a Strict one would be missing, and made anew, when another site's link leads here.
        """
        return Cookie.of("authserver-form", self.issuer, "Lax")

    @property
    def flash_cookie(self) -> Cookie:
        return Cookie.of("authserver-flash", self.issuer)

    def register(self, app: Flask) -> None:
        """Add the static files, and the filters and functions of the templates."""
        app.jinja_options = {"undefined": StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
        # Otherwise Flask would redirect a path with double slashes to an address made from the Host header.
        app.url_map.merge_slashes = False
        self.assets.register(app)
        app.jinja_env.filters.update(texts.FILTERS)
        app.jinja_env.globals.update(
            asset=self.assets.address,
            csrf_field=self.csrf_field,
            csrf_token=self.csrf_token,
            flashes=self.take_flashes,
            visit=lambda: g.get("visit"),
            areas=self.areas_of_visitor,
        )

    @property
    def home(self) -> str:
        """The address of the first page of the first area."""
        return url_for(self.areas[0].endpoint)

    def local(self, address: str | None, default: str) -> str:
        """The address if it is one of the own pages; else the default."""
        return addresses.local(address, default, self.base)

    def is_local(self, address: str) -> bool:
        return self.local(address, "") != ""

    def protect(self, part: Blueprint) -> None:
        """Require a visit for every view of the blueprint and of its nested blueprints."""
        part.before_request(self._require_visit)
        part.after_request(self.dress)

    def open(self, part: Blueprint) -> None:
        """Require no visit for the views of the blueprint. A form still needs its token."""
        part.before_request(self._prepare_open_page)
        part.after_request(self.dress)

    def _require_visit(self) -> Response | None:
        _refuse_nul()
        g.pages = self
        g.visit = self.find_visit()
        if g.visit is None:
            return self._to_sign_in()
        try:
            self._refuse_forgery()
        except StaleForm:
            form = resending.posted()
            if form is None:
                raise
            return self.show_again(form, 403)
        return None

    def _prepare_open_page(self) -> None:
        _refuse_nul()
        g.pages = self
        self._refuse_forgery()

    def find_visit(self) -> Visit | None:
        """The visit of this request's cookie. One statement, none without a cookie."""
        value = self.visit_cookie.read(request)
        return None if value is None else self.visits.find(value, caller())

    def _refuse_forgery(self) -> None:
        if request.method in _SAFE:
            return
        if not addresses.is_own_request(request.headers, self.origin):
            abort(403, f"This form was not sent from {self.origin}: open that address, and try again.")
        token = request.headers.get(forms.HEADER) or request.form.get(forms.FIELD, "")
        secret = self._form_secret()
        if secret is None or not forms.matches(secret, token):
            raise StaleForm(
                "This form is out of date. Nothing was changed. Go back, load the page again, and try once more."
            )

    def _form_secret(self) -> bytes | None:
        """The secret of this browser's form tokens: the visit's, else the form cookie's; None without either."""
        visit: Visit | None = g.get("visit")
        if visit is not None:
            return visit.secret
        value = self.form_cookie.read(request)
        return None if value is None or len(value) != _FORM_SECRET_CHARACTERS else value.encode()

    def csrf_token(self) -> str:
        """Make a form token for this page. Makes a form cookie if the browser has neither a visit nor that cookie."""
        secret = g.get("new_form_secret") or self._form_secret()
        if secret is None:
            secret = g.new_form_secret = secrets.token_urlsafe(32).encode()
        return forms.make(secret)

    def csrf_field(self) -> Markup:
        """The hidden field that every form with method POST needs."""
        return Markup('<input type="hidden" name="{}" value="{}">').format(forms.FIELD, self.csrf_token())

    def _to_sign_in(self) -> Response:
        """Redirect to the sign-in page, which leads back here. htmx gets a header that redirects the whole page."""
        if request.headers.get("HX-Request") == "true":
            return Response(status=401, headers={"HX-Redirect": url_for("visit.sign_in")})
        if self._came_from_elsewhere():
            return Response(render_template("pages/continue.html"))
        if request.method in _SAFE:
            wanted = self.local(request.full_path.rstrip("?"), "")
            return see_other("visit.sign_in", **({"next": wanted} if wanted else {}))
        # Only one of the own pages' forms is worth keeping, and only if one of the own pages sent it.
        is_own = forms.FIELD in request.form and addresses.is_own_request(request.headers, self.origin)
        if not is_own or request.endpoint == "own_visit.sign_out":
            return see_other("visit.sign_in")
        form = resending.posted()
        wanted = self.local(request.full_path.rstrip("?"), self.home) if resending.has_page() else self.home
        problem = resending.PUT_OFF if form is not None else resending.LOST
        return render("pages/sign_in.html", 403, wanted=wanted, login="", problem=problem, resend=form, asks_code=False)

    def show_again(self, form: resending.LateForm, status: int) -> Response:
        """The page that shows a form that came too late, and asks whether to send it."""
        return render("pages/send_again.html", status, form=form)

    def _came_from_elsewhere(self) -> bool:
        """Whether a link on another site led here. The browser sends strict cookies only when the page loads again."""
        crossed = request.headers.get("Sec-Fetch-Site") == "cross-site"
        return crossed and request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"

    def areas_of_visitor(self) -> list[Area]:
        """The areas that the visitor may enter. Empty while the database is away: its error page must not fail too."""
        visit = g.get("visit")
        try:
            return [] if visit is None else [area for area in self.areas if area.allows(visit)]
        except Unavailable:
            return []

    def take_flashes(self) -> list[Flash]:
        """The messages to show now. They are not shown again."""
        waiting: list[Flash] = g.pop("flashes", [])
        value = self.flash_cookie.read(request)
        if value is not None:
            g.flashes_shown = True
            waiting = [*self.signer.open(value, _flash_owner()), *waiting]
        return waiting

    def dress(self, response: Response) -> Response:
        """Add the headers and cookies of a page."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if waiting := g.get("flashes"):
            self.flash_cookie.write(response, self.signer.seal(waiting, _flash_owner()), max_age=LIFETIME)
        elif g.get("flashes_shown"):
            self.flash_cookie.clear(response)
        if (secret := g.get("new_form_secret")) is not None:
            self.form_cookie.write(response, secret.decode())
        return response


_FORM_SECRET_CHARACTERS = len(secrets.token_urlsafe(32))


def current_pages() -> Pages:
    """The pages of this request."""
    pages: Pages = g.pages
    return pages


def current_visit() -> Visit:
    """The visit of this request. Only for views of a protected blueprint."""
    visit: Visit = g.visit
    return visit


def caller() -> Caller:
    """The address and user agent of this request."""
    return Caller.of(request.remote_addr, request.headers.get("User-Agent"))


def render(template: str, status: int = 200, **context: Any) -> Response:
    """A page from a template."""
    return Response(render_template(template, **context), status)


def see_other(endpoint: str, **values: Any) -> Response:
    """Redirect to an own page by its endpoint, after a form (303)."""
    return to(url_for(endpoint, **values))


def to(address: str) -> Response:
    """Redirect to an own address (303): one that `url_for` made, or that passed `addresses.local`."""
    response: Any = redirect(address, 303)
    return cast("Response", response)


def flash(text: str, kind: Kind = "done") -> None:
    """Show a message on the next page of this browser. It travels in a cookie, so it must not have secrets."""
    g.setdefault("flashes", []).append(Flash(text, kind))


def _flash_owner() -> str:
    visit: Visit | None = g.get("visit")
    return "" if visit is None else visit.id.hex


def _refuse_nul() -> None:
    """Refuse NUL characters: no field needs one, and a text with one would fail in PostgreSQL."""
    texts_sent = [*request.args.items(multi=True), *request.form.items(multi=True)]
    if any("\0" in name or "\0" in value for name, value in texts_sent) or "\0" in request.path:
        abort(400, "The request has a NUL character.")
