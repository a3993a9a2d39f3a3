"""Spellings of origins: those that browsers send in another form, and those that no page can have."""

from __future__ import annotations

#: What people write, and what a browser sends for it (tests/browser/test_origins.py asks Chromium).
SENT_AS = {
    "https://APP.example.com": "https://app.example.com",
    "HTTPS://app.example.com": "https://app.example.com",
    "https://app.example.com/": "https://app.example.com",
    "https://app.example.com/shop?a=b#c": "https://app.example.com",
    "https://app.example.com:443": "https://app.example.com",
    "https://app.example.com:": "https://app.example.com",
    "https://app.example.com:08443": "https://app.example.com:8443",
    "http://localhost:80": "http://localhost",
    "https://anna:secret@app.example.com": "https://app.example.com",
    " https://app.example.com ": "https://app.example.com",
    "https://ex%61mple.com": "https://example.com",
    "https://münchen.example": "https://xn--mnchen-3ya.example",
    "https://MÜNCHEN.example": "https://xn--mnchen-3ya.example",
    "https://straße.example": "https://xn--strae-oqa.example",
    "https://ΑΣ.example": "https://xn--mxa0b.example",
    "https://日本語。jp": "https://xn--wgv71a119e.jp",
    "https://\uff41pp.example": "https://app.example",
    "https://[0:0:0:0:0:0:0:1]": "https://[::1]",
    "https://[2001:DB8::1]:8443": "https://[2001:db8::1]:8443",
    "https://[1:0:0:2:0:0:0:3]": "https://[1:0:0:2::3]",
    "https://[::ffff:1.2.3.4]": "https://[::ffff:102:304]",
    "https://127.1": "https://127.0.0.1",
    "https://0x7f.1": "https://127.0.0.1",
    "https://017700000001": "https://127.0.0.1",
    "https://1.2.3.4.": "https://1.2.3.4",
}
#: What browsers send unchanged.
SENT_UNCHANGED = (
    "https://app.example.com",
    "https://app.example.com:8443",
    "https://app.example.com.",
    "https://my_app.example.com",
    "https://xn--mnchen-3ya.example",
    "https://[::1]:3000",
    "https://[::ffff:102:304]",
    "http://localhost:3000",
    "http://127.0.0.1:5173",
)
#: What is no address of a page for any browser.
NOWHERE = (
    "https://",
    "https://app.example.com:65536",
    "https://app.example.com:port",
    "https://[::1",
    "https://[fe80::1%25eth0]",
    "https://[::1.2.3]",
    "https://1.2.3.999",
)
