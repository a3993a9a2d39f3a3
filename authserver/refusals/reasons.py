"""Why requests are refused: one value for each check that can fail."""

from __future__ import annotations

from enum import Enum

from authserver.refusals.public import Public


class Reason(Enum):
    """A check that failed.

    Each has a number, which references hold and which no other reason ever gets; what the public is told; what really
    happened; and what an administrator does about it.
    """

    # fmt: off
    MALFORMED_REQUEST = (1, Public.REQUEST, "The body could not be read.", "Send all of it.")
    NO_FORM = (90, Public.NO_FORM, "The Content-Type was another than that of a form, or was missing.",
        "Send the parameters as application/x-www-form-urlencoded, with this Content-Type.")
    FORM_CHARSET = (91, Public.CHARSET, "The Content-Type named another charset than UTF-8.", "Send the form as UTF-8.")
    FORM_ENCODING = (92, Public.ENCODING, "The form had broken percent encoding, bytes that are no UTF-8, or a NUL.",
        "Let a library encode the form.")
    QUERY_STRING = (93, Public.QUERY, "The address had a query string.", "Send the parameters in the body.")
    REPEATED_PARAMETER = (94, Public.REPEATED, "A parameter was sent twice.", "Send each parameter once.")
    TOO_MANY_PARAMETERS = (95, Public.TOO_MANY, "The form had more parameters than any request needs.", "Send fewer.")
    TWO_TOKENS = (96, Public.TWO_TOKENS, "A token was sent in the body and in a cookie at once.",
        "A client with cookies leaves the token out of the body.")
    COOKIE_TWICE = (97, Public.COOKIE_TWICE, "A cookie was sent with two values; somebody may have planted one.",
        "The user clears the cookies of the site.")
    BODY_TOO_LARGE = (6, Public.TOO_LARGE, "The request body was larger than server.max_body_bytes.",
        "Send less, or raise the setting.")
    BAD_PARAMETER = (5, Public.PARAMETER, "A parameter had a value that it may not have.",
        "Send what the error's text says.")
    MISSING_PARAMETER = (2, Public.MISSING, "A required parameter was missing.",
        "Send the parameter that the error names.")
    UNKNOWN_GRANT = (3, Public.GRANT_TYPE, "The grant type is not served here.",
        "Use a grant type of the metadata document.")
    TWO_AUTHENTICATIONS = (4, Public.AUTHENTICATIONS, "Two client authentications were sent at once.",
        "Send the secret in one place only.")

    NO_CLIENT = (10, Public.CLIENT, "No client was named.", "Send HTTP Basic credentials, or client_id in the body.")
    UNKNOWN_CLIENT = (11, Public.CLIENT, "There is no client of this client_id.",
        "Check the client_id: authserver clients list.")
    CLIENT_DISABLED = (12, Public.CLIENT, "The client is disabled.", "authserver clients enable CLIENT")
    METHOD_NOT_ALLOWED = (13, Public.CLIENT, "The client authenticated by a method that it is not registered for.",
        "Use its registered method, or change it: authserver clients edit CLIENT --auth-method …")
    WRONG_SECRET = (14, Public.CLIENT, "The client secret was wrong.",
        "Check it, or make a new one: authserver clients rotate-secret CLIENT")
    EXPIRED_SECRET = (15, Public.CLIENT, "The client used its previous secret after the rotation's end.",
        "Give the client its new secret, or make another: authserver clients rotate-secret CLIENT")
    GRANT_NOT_ALLOWED = (16, Public.GRANT, "The client may not use this grant type.",
        "Allow it if it is meant to: authserver clients edit CLIENT --add-grant …")

    UNKNOWN_USER = (20, Public.USER, "There is no user of this name.", "Check the name: authserver users list.")
    WRONG_PASSWORD = (21, Public.USER, "The password was wrong.",
        "The user tries again, or: authserver users set-password USER")
    UNREADABLE_HASH = (25, Public.USER, "The user's stored password hash cannot be used, so no password matches it.",
        "Give the user a new password: authserver users password-link USER")
    USER_DISABLED = (22, Public.USER, "The user is disabled.", "authserver users enable USER")
    PASSWORD_CHANGED = (23, Public.USER, "The password was changed while the sign-in ran.",
        "The user signs in with the new one.")
    SIGN_IN_CODE_USED = (78, Public.USER, "The sign-in code was used by another sign-in at the same moment.",
        "The user makes another one on the account pages.")
    COUNTS_AWAY = (79, Public.LATER, "The store of the counts of failed attempts did not answer.",
        "authserver doctor says why.")
    HASHING_OVERLOADED = (24, Public.LATER, "Too many sign-ins were waiting for their password check.",
        "The client tries again.")

    THROTTLED_PLACE = (26, Public.THROTTLED,
        "The password of this name was wrong too often from this place, so it was not checked.",
        "Wait, or lift it: authserver throttling lift --user NAME --address ADDRESS. A guesser stands in authserver audit list.")
    THROTTLED_STRANGERS = (27, Public.THROTTLED,
        "The password of this name was wrong too often from places that its user does not use, so it was not checked.",
        "The name is under attack. The user's own places have no delay. Lift it: authserver throttling lift --user NAME")
    THROTTLED_ADDRESS = (28, Public.THROTTLED,
        "Passwords, secrets or links were wrong too often from this address, so none was checked.",
        "Lift it: authserver throttling lift --address ADDRESS. If many honest users share it, raise throttling.address.")
    THROTTLED_DEVICE = (19, Public.THROTTLED,
        "The password of this user was wrong too often on this device, so it was not checked.",
        "The user waits. If it was not the user, somebody else has the device.")
    THROTTLED_BACKEND = (77, Public.THROTTLED,
        "The password of this name was wrong too often through this client, which hides its users' addresses.",
        "Let it send them (clients edit CLIENT --user-address), or lift: authserver throttling lift --user NAME --client CLIENT")
    THROTTLED_CONFIRMATION = (29, Public.THROTTLED,
        "A signed-in user typed a wrong password too often, so it was not checked.",
        "The user waits, or signs out and in again. If it was not the user: authserver sessions revoke --user NAME")
    THROTTLED_CLIENT = (17, Public.THROTTLED, "The client's secret was wrong too often from this place.",
        "Give it its secret, which works at once. Lift: authserver throttling lift --client CLIENT --address ADDRESS")
    THROTTLED_LINK = (18, Public.THROTTLED, "One-time links were wrong too often from this place.",
        "Make a new link, which works at once. Lift: authserver throttling lift --address ADDRESS")

    SCOPE_SYNTAX = (30, Public.SCOPE, "The scope has characters that a scope may not have.",
        "RFC 6749 section 3.3 has the grammar.")
    SCOPE_NOT_ALLOWED = (31, Public.SCOPE, "The client asked for a scope that it may not have, or that no API owns.",
        "Ask for less, or allow it: authserver clients edit CLIENT --add-scope …")
    SCOPE_NEEDS_ROLE = (32, Public.SCOPE, "The user lacks the roles for all scopes that were asked for.",
        "Give the user a role: authserver users edit USER --add-role …")
    SCOPE_OF_SEVERAL_APIS = (33, Public.SCOPES, "The scopes belong to several APIs and no resource was named.",
        "Send resource=… for each API that the token is for, or ask for the scopes of one API.")
    SCOPE_NOT_OF_RESOURCE = (34, Public.SCOPE_OF_RESOURCE, "A scope does not belong to the resource.",
        "Ask for scopes of the resource only.")
    SCOPE_BEYOND_SESSION = (35, Public.SCOPE, "A refresh asked for more than its session has.",
        "The user signs in again.")
    RESOURCE_UNKNOWN = (36, Public.TARGET, "The resource is no API that the client may use.", "authserver apis list")
    RESOURCE_BEYOND_SESSION = (37, Public.TARGET, "A refresh asked for an API its session lacks.",
        "The user signs in again.")

    ACCESS_TOKEN_TOO_LONG = (38, Public.LONG_TOKEN,
        "The access token would be longer than a request can carry.",
        "Ask for less (scope=…, resource=…), or give the user fewer roles.")
    ACCESS_COOKIE_TOO_LONG = (39, Public.LONG_COOKIE,
        "The cookie of the access token would be larger than browsers keep.",
        "Ask for less (scope=…), give fewer roles, or: authserver clients edit CLIENT --token-delivery cookie")

    TOKEN_MALFORMED = (40, Public.REFRESH_TOKEN, "The refresh token does not have the form of one.",
        "Send it as it was received.")
    TOKEN_KEY_UNKNOWN = (41, Public.REFRESH_TOKEN,
        "The refresh token names a token key that this server does not have.",
        "Check whether another server issued it.")
    TOKEN_FORGED = (42, Public.REFRESH_TOKEN, "The refresh token's tag is wrong: it was altered or forged.",
        "Nothing was touched.")
    SESSION_UNKNOWN = (43, Public.REFRESH_TOKEN, "The session is gone: it ended and was pruned.",
        "The user signs in again.")
    SESSION_OF_OTHER_CLIENT = (44, Public.REFRESH_TOKEN, "The session belongs to another client.",
        "Has the token leaked between clients?")
    SESSION_REVOKED = (45, Public.REFRESH_TOKEN, "The session was ended before.",
        "authserver sessions list shows when and why.")
    SESSION_EXPIRED = (46, Public.REFRESH_TOKEN, "The session expired.", "The user signs in again.")
    SESSION_CLIENT_EPOCH = (47, Public.REFRESH_TOKEN, "The session was ended when its client was disabled.",
        "The user signs in again.")
    TOKEN_REUSED = (48, Public.REFRESH_TOKEN,
        "A superseded refresh token came back outside the retry rules: two parties hold the session's tokens.",
        "The session was ended. Look at its events: authserver audit list --session …")
    TOKEN_LEAKED_KEY = (49, Public.REFRESH_TOKEN,
        "The refresh token does not fit its session, and its token key has leaked.",
        "Nothing was changed; the user signs in again.")
    RETRY_FROM_ELSEWHERE = (50, Public.REFRESH_TOKEN,
        "A retry came from another address and user agent, which the client's policy refuses.",
        "If it was honest: authserver clients edit CLIENT --accept-foreign-retries")
    SESSION_FROM_THE_FUTURE = (51, Public.LATER, "The token is newer than its session: the database went back in time.",
        "Was a backup restored, or did a failover lose writes? The client keeps its token.")
    TOKEN_KEY_NOT_SEEN = (52, Public.LATER,
        "The token names a key newer than this node had seen, and it may not ask the database so often.",
        "The client tries again. Many of these: forged tokens, or a node that cannot read the keys (/readyz says why).")
    SESSION_JUST_ADOPTED = (59, Public.LATER,
        "A recovery has just adopted a newer token of the session, so its direct predecessor is not known.",
        "The client may hold the newer token by now. After the retry window this token ends the session.")

    TOKEN_OF_OTHER_CLIENT = (56, Public.OTHER_CLIENT,
        "A client asked to revoke a token that was issued to another client.",
        "Nothing was ended. Has the token leaked between clients?")

    ACCESS_TOKEN_MISSING = (80, Public.ACCESS_TOKEN, "No access token was sent.",
        "Send it in the header: Authorization: Bearer …")
    ACCESS_TOKEN_INVALID = (81, Public.ACCESS_TOKEN,
        "The access token is not of this server, was altered, or its key is gone.",
        "Ask for a new one.")
    ACCESS_TOKEN_EXPIRED = (82, Public.ACCESS_TOKEN, "The access token has expired.",
        "Ask for a new one, a little earlier next time.")
    ACCESS_TOKEN_ENDED = (83, Public.ACCESS_TOKEN,
        "The session or the client that the access token belongs to has been ended.",
        "authserver audit list --session … (or --client …) says by whom.")
    ACCESS_TOKEN_AUDIENCE = (84, Public.ACCESS_TOKEN, "The access token is for another audience, or for several.",
        "Ask for one for this resource alone: resource=…")
    ACCESS_TOKEN_SCOPE = (85, Public.ACCESS_TOKEN_SCOPE,
        "The access token lacks the scope, or its client or user has lost it.",
        "Allow it: authserver clients edit CLIENT --add-scope …; a user also needs a role that opens it.")
    ORIGIN_NOT_ALLOWED = (53, Public.ORIGIN,
        "A client with cookies was used from an unregistered origin, or without a page's fetch.",
        "If the page is the app's: authserver clients edit CLIENT --add-origin https://…")
    SESSION_NOT_OWN = (55, Public.SESSION, "A user asked to end a session that is not their own.",
        "Nothing was changed.")
    NO_COOKIE = (54, Public.REFRESH_TOKEN,
        "A refresh came without the client's cookie: no user is signed in there, or the browser did not keep it.",
        "The user signs in. If that does not last: are page and server on hosts of one site, over https?")

    DATABASE_UNAVAILABLE = (60, Public.LATER,
        "The database could not be reached, answered too late or takes no writes.",
        "The client tries again. If it lasts, the log has the cause: database_failed.")
    DATABASE_UNREACHABLE = (62, Public.LATER, "The database did not answer, is restarting, or broke the connection.",
        "Check whether its server runs, and whether database.url has the right host and port.")
    DATABASE_HOST_UNKNOWN = (63, Public.LATER, "The name of the database's host could not be resolved.",
        "Check the host in database.url, and the name service of this machine.")
    DATABASE_READ_ONLY = (64, Public.LATER, "The database takes no writes.",
        "Let database.url lead to the primary. Check default_transaction_read_only; with SQLite the rights on the file.")
    DATABASE_LOGIN_REFUSED = (65, Public.LATER, "The database refused the login of the role.",
        "Check user and password in database.url, and whether the role may log in.")
    DATABASE_HOST_REFUSED = (66, Public.LATER,
        "pg_hba.conf has no entry for this host, role and database, or only one that demands TLS.",
        "Add an entry to pg_hba.conf; if it has one with hostssl, set sslmode=require in database.url.")
    DATABASE_TLS = (67, Public.LATER, "No connection with TLS came about as sslmode demands it.",
        "Check sslmode and sslrootcert in database.url, and the server's ssl and its certificate.")
    DATABASE_MISSING = (68, Public.LATER, "The server has no database of this name.",
        "Check the name in database.url, or create the database (docs/operating.md).")
    DATABASE_CONNECTIONS = (69, Public.LATER, "The database has no connection left.",
        "Raise its max_connections or the role's limit, or lower database.pool_size.")
    DATABASE_FULL = (70, Public.LATER, "The disk of the database is full.", "Make room on the disk of the database.")
    DATABASE_BUSY = (71, Public.LATER, "A lock, a statement or a free connection took too long.",
        "Look for long transactions (pg_stat_activity), and whether database.pool_size is too small.")
    DATABASE_ENCODING = (72, Public.LATER, "The encoding of the database is not UTF8.",
        "Create a database with ENCODING 'UTF8' TEMPLATE template0, and restore the data into it.")
    DATABASE_URL = (73, Public.LATER, "A parameter of the database's URL is wrong.",
        "Remove it from database.url, or correct it: only libpq's parameters are known.")
    DATABASE_RIGHTS = (74, Public.LATER, "The role lacks a right in the database.",
        "Make the role the owner of the database and of its tables (docs/operating.md).")
    DATABASE_SCHEMA = (75, Public.LATER, "A table or column is not there, or search_path does not lead to it.",
        "Check search_path, and whether the schema was changed by hand or restored in part.")
    DATABASE_FILE = (76, Public.LATER, "The file of the database cannot be opened, read or written, or is damaged.",
        "Check database.url, the directory, its rights and its disk.")
    DATABASE_POOLER = (98, Public.LATER, "A prepared statement was lost: a pooler spreads transactions over servers.",
        "Set database.prepared_statements to false, or let the pooler pool sessions.")
    INTERNAL = (61, Public.SERVER, "The server failed.", "Its log has a traceback with this reference.")
    # fmt: on

    def __init__(self, number: int, public: Public, text: str, advice: str) -> None:
        self.number = number
        self.public = public
        self.text = text
        self.advice = advice
