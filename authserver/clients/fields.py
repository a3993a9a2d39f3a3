"""The fields of a client that an administrator decides about, each declared once.

The rules, the admin API, the command line and the console follow these declarations. A new field needs a declaration
here, a column in `model.py` and a migration. A new grant or authentication method needs nothing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields, replace
from dataclasses import field as dataclass_field
from enum import Enum, auto
from typing import Any, Final

from authserver.clients import uris
from authserver.clients.authentication import METHODS
from authserver.clients.grants import GRANTS
from authserver.clients.origins import DELIVERIES


class Input(Enum):
    """What a field holds. The faces choose their input by it."""

    TEXT = auto()
    WORDS = auto()  # any words
    SOME = auto()  # some of the field's choices
    ONE = auto()  # one of the field's choices
    DURATION = auto()  # in seconds
    NUMBER = auto()
    SWITCH = auto()


#: A signed token, which every API reads, or a sealed token, which APIs introspect.
ACCESS_TOKEN_FORMATS: Final = {"jwt": "every API checks it by itself", "opaque": "APIs ask this server"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """The names, bounds and texts of one field.

    `least` and `most` bound a number or the number of words. `longest` bounds a text or each word. With 0 a rule of its
    own bounds it. `choices` has each value with its meaning. `stand_in` is the value that None stands for, if there is
    one, and `unset` is the text for None. A `fixed` field cannot change after registration.
    """

    name: str = ""
    input: Input
    default: Any = ""
    choices: Mapping[str, Any] = dataclass_field(default_factory=dict)
    least: int = 0
    most: int = 0
    longest: int = 0
    stand_in: Any = None
    fixed: bool = False

    label: str
    unset: str = "the server's setting"
    # In the console's form. With 0 `rows` the words stand in one line.
    hint: str = ""
    box: str = ""  # the text of a switch
    rows: int = 0

    # In the admin API. `member` is for fields with another name there, `is_joined` for words in one text.
    member: str = ""
    about: str = ""
    is_joined: bool = False

    # On the command line. `option` is for fields with another name there.
    option: str = ""
    metavar: str | None = None
    help: str = ""
    edit_help: str = ""  # if `edit` treats the field differently
    adds: bool = False  # options add and remove single words
    clears: str = ""  # the help of an option that unsets the field
    unset_word: str = ""  # a value of the option that unsets the field

    @property
    def is_set(self) -> bool:
        return self.input in (Input.WORDS, Input.SOME)

    @property
    def is_optional(self) -> bool:
        """Whether it may be None."""
        return self.default is None

    @property
    def is_nullable(self) -> bool:
        """Whether None has a meaning that no other value has."""
        return self.is_optional and self.stand_in is None

    def words(self, value: Any) -> frozenset[str]:
        """A value as words; no words for None."""
        return frozenset() if value is None else value if self.is_set else frozenset({value})


def declare(*, default: Any = MISSING, **declared: Any) -> Any:
    """Declare a field of a dataclass with the arguments of `Field`."""
    made = Field(default="" if default is MISSING else default, **declared)
    return dataclass_field(default=default, metadata={"field": made})


_SECRET_METHODS: Final = frozenset({"client_secret_basic", "client_secret_post"})
_PUBLIC: Final = {"auth_methods": frozenset({"none"}), "grants": frozenset({"refresh_token"})}

#: Safe values of each kind. An app loses an answer if the system kills it or its page is closed, and repeats the refresh
#: late. One late retry prevents nearly all false sign-outs of such apps. No kind has the password grant.
KINDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "web": {"auth_methods": _SECRET_METHODS, "grants": frozenset({"refresh_token"}), "late_retries": 0},
    "browser": {**_PUBLIC, "late_retries": 1},
    "mobile": {**_PUBLIC, "late_retries": 1},
    "service": {"auth_methods": _SECRET_METHODS, "grants": frozenset({"client_credentials"}), "late_retries": 0},
}
_INSTEAD: Final = "Instead of the kind's; repeat."


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What an administrator decides about a client. Times are in seconds; None means the server's setting."""

    # fmt: off
    client_id: str = declare(
        input=Input.TEXT, label="Client ID", fixed=True, longest=32, option="--id", metavar="CLIENT_ID",
        help="1 to 32 letters, digits or . _ ~ - [default: random].",
        hint="What the app calls itself: 1 to 32 letters, digits or . _ ~ -. It can never be changed.",
    )
    name: str = declare(
        input=Input.TEXT, label="Name", least=1, longest=100, member="client_name", help="Shown to people.",
    )
    kind: str = declare(
        input=Input.ONE, label="Kind", fixed=True, choices=KINDS, help="What the client is; sets safe values.",
        about="What kind of app it is; sets safe values.",
    )
    first_party: bool = declare(
        input=Input.SWITCH, label="Your own app", default=True, box="It is your own app",
        hint="You made it yourself. Only such apps may see users' passwords.",
        about="Whether you made the app yourself: only then it may see passwords.",
        option="--first-party/--third-party",
        help="Whether you made the app yourself; only then it may see passwords [default: first-party].",
    )
    grants: frozenset[str] = declare(
        input=Input.SOME, label="Grants", choices={name: each.about for name, each in GRANTS.items()}, most=10,
        member="grant_types", help=_INSTEAD, edit_help="Exactly these grants; repeat.", adds=True,
    )
    auth_methods: frozenset[str] = declare(
        input=Input.SOME, label="How it proves itself", choices={name: each.ABOUT for name, each in METHODS.items()},
        most=len(METHODS), member="token_endpoint_auth_methods",
        about="The methods that it may use; none stands alone.", help=_INSTEAD,
        edit_help="Exactly these methods; repeat.",
    )
    scopes: frozenset[str] = declare(
        input=Input.WORDS, label="Scopes", default=frozenset(), unset="none", member="scope", is_joined=True,
        metavar="SCOPE", help="What it may ask for; repeat, or several in one text.",
        edit_help="Exactly these scopes; repeat, or several in one text.", adds=True,
    )
    default_scopes: frozenset[str] | None = declare(
        input=Input.WORDS, label="Default scopes", default=None, unset="all of its scopes", member="default_scope",
        is_joined=True, hint="Given when a request names none; with spaces between. Empty: all of its scopes.",
        about="Granted when a request names none; null: all.", metavar="SCOPE",
        help="Granted when a request names none; repeat. [default: all]",
        clears="Grant all scopes when a request names none.",
    )
    default_api: str | None = declare(
        input=Input.TEXT, label="Default API", default=None, unset="the issuer itself", longest=255,
        hint="The audience of tokens without the scope of an API.",
        about="Audience of tokens that have no API's scope; null: the issuer.", metavar="AUDIENCE",
        help="Audience of tokens that have no API's scope.",
        clears="The issuer is the audience of tokens without API scopes.",
    )
    redirect_uris: frozenset[str] | None = declare(
        input=Input.WORDS, label="Redirect URIs", default=None, stand_in=frozenset(), unset="none", rows=4,
        most=uris.MOST, longest=uris.LENGTH, hint="One a line, in full, such as https://app.example.com/callback.",
        metavar="URI", help="Where a browser may be sent back to, exactly; repeat.",
    )
    contacts: frozenset[str] | None = declare(
        input=Input.WORDS, label="Contacts", default=None, stand_in=frozenset(), unset="none", rows=2, most=20,
        longest=254, hint="E-mail addresses of the people who look after the app, one a line.",
        about="E-mail addresses of the people who look after the app.", metavar="EMAIL",
        help="Who looks after the app; repeat.",
    )
    token_delivery: str | None = declare(
        input=Input.ONE, label="Token delivery", default=None, stand_in="json", unset="json",
        choices=DELIVERIES, hint="For browser apps: a cookie keeps the refresh token from scripts.",
        about="How a browser app gets its tokens; cookies need origins.",
        help="How a browser app gets its tokens [default: cookie for browser with --origin, else json].",
    )
    origins: frozenset[str] | None = declare(
        input=Input.WORDS, label="Origins", default=None, stand_in=frozenset(), unset="none", rows=2,
        most=50, longest=255,
        hint="From where a browser app asks, one a line, such as https://app.example.com.",
        about="Where the app's pages come from, as https://app.example.com.", metavar="URL",
        help="Where the app's pages come from, as https://app.example.com; repeat.", adds=True,
    )
    refresh_policy: str = declare(
        input=Input.ONE, label="Refresh tokens", default="rotate",
        choices={"rotate": "each use gives a new one", "stable": "one for the whole session, only with a secret"},
        help="stable keeps one refresh token; for clients with a secret only.",
    )
    retry_window: int | None = declare(  # short, because a thief who comes within it is not noticed
        input=Input.DURATION, label="Retry window", default=None, most=300,
        hint="How long a refresh may be repeated after a lost answer.",
        about="Seconds in which a refresh may be repeated; 0: strict single use.",
        help="How long a refresh may be repeated; 0 means strict single use.",
    )
    late_retries: int = declare(
        input=Input.NUMBER, label="Late retries", default=0, most=10,
        hint="Repeats allowed after the window; 1 for apps that devices stop in mid-request.",
        about="Repeats that are allowed after the window.",
        help="Repeats allowed after the window [default: 1 for browser and mobile, else 0].",
    )
    refuse_foreign_retries: bool = declare(
        input=Input.SWITCH, label="Refuse foreign retries", default=False,
        box="Refuse a repeat from another address and browser",
        about="Refuse a repeat from another address and user agent.",
        option="--refuse-foreign-retries/--accept-foreign-retries",
        help="Refuse a repeat from another address and user agent.",
    )
    sends_user_address: bool = declare(
        input=Input.SWITCH, label="User's address", default=False,
        box="It sends its user's address in user_address",
        hint="For an app with a server: wrong passwords are then counted by the user's address, not only by the account.",
        about="Whether a sign-in has its user's address in user_address; for clients with a secret.",
        option="--user-address/--no-user-address",
        help="Whether it sends its user's address in user_address, so that wrong passwords are counted by it.",
    )
    access_token_lifetime: int | None = declare(
        input=Input.DURATION, label="Access token lifetime", default=None, about="In seconds.",
        hint="Seconds, or such as 15m.", help="Such as 15m.",
    )
    refresh_idle_lifetime: int | None = declare(
        input=Input.DURATION, label="Idle lifetime", default=None,
        hint="A session ends so long after its last refresh.",
        about="Seconds without a refresh after which a session ends.",
        help="Such as 7d: a session ends after so long without a refresh.",
    )
    refresh_absolute_lifetime: int | None = declare(
        input=Input.DURATION, label="Absolute lifetime", default=None, hint="A session ends so long after its sign-in.",
        about="Seconds after sign-in at which a session ends.",
        help="Such as 30d: a session ends so long after sign-in.",
    )
    max_sessions_per_user: int | None = declare(
        input=Input.NUMBER, label="Sessions per user", default=None, least=1, most=1_000_000,
        hint="The oldest session ends at one sign-in more. Empty: the server's setting.",
        about="One sign-in more ends the oldest session.", help="The oldest session ends at one sign-in more.",
    )
    access_token_format: str | None = declare(
        input=Input.ONE, label="Access token format", default=None, unset="as the API has it",
        choices=ACCESS_TOKEN_FORMATS, about="null: as the API of the token has it.", unset_word="by-api",
        help="opaque: only introspection can read it [default: by-api].",
    )
    # fmt: on

    @property
    def is_public(self) -> bool:
        return "none" in self.auth_methods

    def columns(self) -> dict[str, Any]:
        """The values of the client's columns, by name."""
        return asdict(self)


def declared(registration: type[Any]) -> dict[str, Field]:
    """The fields that a class declares, by name, in their order."""
    found = {each.name: each.metadata["field"] for each in fields(registration)}
    return {name: replace(field, name=name, member=field.member or name) for name, field in found.items()}


#: The columns that an administrator decides about. The server decides about all others.
FIELDS: Final = declared(Registration)
