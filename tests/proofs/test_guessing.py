"""Promise: guesses get no more tries than the rule says, however parallel they are, and their victim can sign in."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx

from authserver.settings.values import ThrottlingSettings
from authserver.throttling import store
from authserver.throttling.policy import Kind, Rules
from authserver.throttling.slots import Slots
from tests.support.databases import on_postgresql
from tests.support.many_users import PASSWORD, add_users
from tests.support.oauth import App, OAuth, Person
from tests.support.proof import Proof
from tests.support.server import LiveServer
from tests.support.setup import Setup
from tests.support.throttle_model import Model
from tests.support.visitor import Visitor

pytestmark = on_postgresql
RULES = Rules.of(ThrottlingSettings())
ATTACKERS = 50
ADDRESSES = 500
HOME, NEW = "192.0.2.7", "203.0.113.9"


class Attack:
    """Attackers in threads, who guess until they are told to stop, at the instant each delay ends."""

    def __init__(self, server: LiveServer, app: App, username: str, address: Callable[[int], str]) -> None:
        self._server, self._app, self._username, self._address = server, app, username, address
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._turn = 0
        self.answers: Counter[int] = Counter()
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._run) for _ in range(ATTACKERS)]
        began = time.monotonic()
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join()
            self.seconds = time.monotonic() - began

    def _run(self) -> None:
        with self._server.http() as http:
            oauth = OAuth(http, self._app)
            while not self._stopped.is_set():
                with self._lock:
                    self._turn += 1
                    turn = self._turn
                answer = guess(oauth, self._username, self._address(turn))
                with self._lock:
                    self.answers[answer.status_code] += 1
                # Who has one address waits just as long as it is told; who has many takes the next one.
                wait = (
                    float(answer.headers.get("retry-after", 0)) if len({self._address(0), self._address(1)}) == 1 else 0
                )
                self._stopped.wait(min(wait, 0.05) if answer.status_code == 503 else wait)


def guess(oauth: OAuth, username: str, address: str, password: str = "wrong password", **more: str) -> httpx.Response:
    oauth = OAuth(oauth.http, oauth.app, {"X-Forwarded-For": address})
    return oauth.token(grant_type="password", username=username, password=password, **more)


def signs_in(oauth: OAuth, person: Person, address: str, **more: str) -> httpx.Response:
    """The answer to the owner, who repeats a sign-in that was turned away because too many passwords are being hashed."""
    for _ in range(200):
        answer = guess(oauth, person.username, address, person.password, **more)
        if answer.status_code != 503:
            return answer
        time.sleep(0.05)
    return answer


def most(seconds: float) -> int:
    """The tries that the rule gives in this time to attackers at one place who ask in each millisecond, many at once."""
    model, tries = Model(RULES), 0
    for now in range(int(seconds * 1000) + 1):
        while model.attempt("one", now):
            tries += 1
    return tries


def test_guessing(proof: Proof, setup: Setup) -> None:
    """Guessing passwords: what attackers get, and what their victims notice."""
    proxied = LiveServer(
        setup,
        AUTHSERVER_TRUSTED_PROXIES="127.0.0.0/8",
        AUTHSERVER_PASSWORDS__HASHING_QUEUE="11",
        AUTHSERVER_LOG__LEVEL="WARNING",
    )
    public = setup.an_app(public=True)
    server = proxied.start()
    try:
        with server.http() as http:
            owner = OAuth(http, public)
            one_address(proof, server, public, owner, setup.a_person())
            many_addresses(proof, server, public, owner, setup.a_person())
            another = signs_in(owner, setup.a_person(), "100.64.77.1")
            assert another.status_code == 200, "a client_id full of failures delays no other user"
            spraying(proof, owner, setup.a_person())
            a_backend(proof, setup, OAuth(http, setup.an_app()))
    finally:
        server.stop()


def one_address(proof: Proof, server: LiveServer, app: App, owner: OAuth, victim: Person) -> None:
    assert signs_in(owner, victim, HOME).status_code == 200
    attack = Attack(server, app, victim.username, lambda _: "198.51.100.1")
    with attack.running():
        slowest = the_owner_signs_in(owner, victim, proof.amount(3, 60))
        first = time.monotonic()
        assert signs_in(owner, victim, NEW).status_code == 200, "a new place is not delayed below a hundred failures"
        new = time.monotonic() - first
    allowed = most(attack.seconds)
    assert RULES.place.free < attack.answers[400] <= allowed, (attack.answers, allowed)
    assert set(attack.answers) <= {400, 429, 503}
    proof.figure(
        f"{ATTACKERS} attackers, one address, {attack.seconds:.0f} s: guesses checked", str(attack.answers[400])
    )
    proof.figure("the same, by the rule at most", str(allowed))
    proof.figure("slowest sign-in of the owner meanwhile, known place", f"{slowest * 1000:.0f} ms")
    proof.figure("sign-in of the owner meanwhile, new place", f"{new * 1000:.0f} ms")


def many_addresses(proof: Proof, server: LiveServer, app: App, owner: OAuth, victim: Person) -> None:
    assert signs_in(owner, victim, HOME).status_code == 200
    attack = Attack(server, app, victim.username, lambda turn: f"10.{turn % ADDRESSES // 250}.{turn % 250}.1")
    with attack.running():
        time.sleep(proof.amount(2, 15))
        # Each success of the owner ends the failures in a row, and gives the attackers nothing.
        slowest = the_owner_signs_in(owner, victim, proof.amount(2, 15))
        refused = signs_in(owner, victim, NEW)
        code = a_code(server, victim)
        with_code = signs_in(owner, victim, NEW, sign_in_code=code)
    assert with_code.status_code == 200, "above a hundred failures the owner signs in with a code"
    assert attack.answers[400] == RULES.in_a_row, attack.answers
    assert set(attack.answers) <= {400, 429, 503}
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= RULES.account.longest / 1000
    proof.figure(
        f"{ATTACKERS} attackers, {ADDRESSES} addresses, {attack.seconds:.0f} s: guesses checked",
        str(attack.answers[400]),
    )
    proof.figure("the same: requests answered 429", str(attack.answers[429]))
    proof.figure("slowest sign-in of the owner meanwhile, known place, 500 addresses", f"{slowest * 1000:.0f} ms")


def a_code(server: LiveServer, victim: Person) -> str:
    """The owner makes a sign-in code at home."""
    page = "/account/new-device"
    with server.http(headers={"X-Forwarded-For": HOME}) as http:
        browser = Visitor(http, server.url)
        while browser.sign_in(victim).status_code == 503:
            time.sleep(0.05)
        browser.get(page)
        (code,) = re.findall(r'<code id="sign-in-code">([^<]+)</code>', browser.submit(page).text)
    return str(code)


def the_owner_signs_in(owner: OAuth, victim: Person, seconds: float) -> float:
    """Sign in from the known place again and again; never delayed. Returns the longest time in seconds."""
    slowest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        answer = signs_in(owner, victim, HOME)
        slowest = max(slowest, time.monotonic() - began)
        assert answer.status_code == 200, answer.text
    return slowest


def spraying(proof: Proof, owner: OAuth, victim: Person) -> None:
    """One password over many names from one address. It waits for no delay, because there are names enough."""
    count, began = proof.amount(330, 10_000), time.monotonic()
    answers: Counter[int] = Counter()
    asked: list[int] = []
    for number in range(count):
        asked.append(int((time.monotonic() - began) * 1000))
        answers[guess(owner, f"name-{number}", "100.64.3.3").status_code] += 1
    bucket = Model(RULES).bucket(Kind.ADDRESS, "one")
    allowed = sum(bucket.attempt(now) for now in asked) + 1  # one may just reach the end of a delay, or miss it
    assert RULES.address.free <= answers[400] <= allowed, (answers, allowed)
    assert signs_in(owner, victim, NEW).status_code == 200
    proof.figure(
        f"one password over {count:,} names from one address, {asked[-1] / 1000:.0f} s: checked", str(answers[400])
    )
    proof.figure("the same, by the rule at most", str(allowed))


def a_backend(proof: Proof, setup: Setup, backend: OAuth) -> None:
    """Each user types a wrong password and then the right one, through one client and from one address."""
    count = proof.amount(60, 10_000)
    names = [f"user-{number}" for number in range(count)]
    add_users(setup, names)
    answers: Counter[int] = Counter()
    for name in names:
        answers[guess(backend, name, "100.64.4.4").status_code] += 1
        answers[guess(backend, name, "100.64.4.4", PASSWORD).status_code] += 1
    assert answers == {400: count, 200: count}
    proof.figure(f"a backend with {count:,} users behind one address: sign-ins delayed", "0")


def test_a_million_names(proof: Proof, setup: Setup) -> None:
    """Random names do not grow the tables of counts beyond their slots."""
    bits, names = 10, proof.amount(1_000, 1_000_000)
    slots = Slots(bytes(32), bits=bits)
    for start in range(0, names, 1000):
        with setup.database.transaction() as connection:  # one for many names, for speed
            for name in (f"name-{number}" for number in range(start, start + 1000)):
                store.charge(connection, RULES, (slots.bucket(Kind.PLACE, name, "here"),))
                store.charge_strangers(connection, RULES, slots.strangers(name), first=True, known=False)
    for table in ("throttle_buckets", "throttle_strangers"):
        rows = setup.sql(f"SELECT count(*) AS n FROM {table}")[0].n
        assert rows <= 1 << bits
        proof.figure(f"rows of {table} after {names:,} names in {1 << bits:,} slots", f"{rows:,}")
