"""Watches a page for complaints of its browser, and for faults that a person would see."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Dialog, Page, Request, Response

#: Runs at the start of each document, before any script of the page.
_WATCH = """
window.__refused = [];
document.addEventListener("securitypolicyviolation", event =>
    window.__refused.push(`${event.violatedDirective}: ${event.blockedURI}: ${event.sourceFile}:${event.lineNumber}`));
"""

_OVERFLOW = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const scrolls = element => {
        for (let one = element.parentElement; one && one !== document.body; one = one.parentElement)
            if (["auto", "scroll", "hidden", "clip"].includes(getComputedStyle(one).overflowX)) return true;
        return false;
    };
    const wide = [...document.body.querySelectorAll("*")].filter(element =>
        element.getBoundingClientRect().right > width + 0.5 && !scrolls(element));
    return wide.slice(0, 5).map(element => `${element.tagName.toLowerCase()}.${element.className}: ` +
        `${Math.round(element.getBoundingClientRect().right)} px of ${width}: ${element.textContent.trim().slice(0, 60)}`)
        .concat(wide.length ? [] : [`the document is ${document.documentElement.scrollWidth} px wide, of ${width}`]);
}"""

# The elements that a keyboard must reach. All radio buttons of a name count once, as for the Tab key.
_FOCUSABLE = """() => {
    const look = element => {
        const style = getComputedStyle(element);
        return [style.outlineStyle, style.outlineWidth, style.outlineColor, style.boxShadow, style.borderColor,
                style.backgroundColor, style.textDecorationLine].join("|");
    };
    const radios = new Set();
    window.__look = look;
    window.__wanted = [...document.querySelectorAll(
        "a[href], button, input, select, textarea, summary, [tabindex]"
    )].filter(element => {
        if (element.disabled || element.type === "hidden" || element.tabIndex < 0) return false;
        if (!element.checkVisibility({visibilityProperty: true})) return false;
        if (element.type === "radio") {
            const group = (element.form ? element.form.action : "") + element.name;
            const checked = document.querySelector(`input[type=radio][name="${CSS.escape(element.name)}"]:checked`);
            if (checked ? checked !== element : radios.has(group)) return false;
            radios.add(group);
        }
        return true;
    });
    document.activeElement.blur();
    window.__unfocused = window.__wanted.map(look);
    window.__reached = new Set();
    window.__unseen = [];
    document.addEventListener("focusin", event => {
        const index = window.__wanted.indexOf(event.target);
        if (index < 0) return;
        window.__reached.add(index);
        const box = event.target.getBoundingClientRect();
        const seen = event.target.type === "radio" || event.target.type === "checkbox" ? box.width >= 0 : box.width > 1;
        if (look(event.target) === window.__unfocused[index] || !seen) window.__unseen.push(index);
    });
    return window.__wanted.length;
}"""

_UNREACHED = """() => {
    const name = index => {
        const element = window.__wanted[index];
        return `${element.tagName.toLowerCase()} ${element.name || element.id || element.textContent.trim().slice(0, 40)}`;
    };
    return window.__wanted.map((_, index) => index).filter(index => !window.__reached.has(index))
        .map(index => "never reached: " + name(index))
        .concat([...new Set(window.__unseen)].map(index => "focus does not show: " + name(index)));
}"""

_OUTLINE = """() => {
    const wrong = [];
    if (!document.title.trim()) wrong.push("no title");
    if (!document.documentElement.lang) wrong.push("no language");
    const headings = document.querySelectorAll("h1");
    if (headings.length !== 1) wrong.push(`${headings.length} headings h1`);
    if (document.querySelectorAll("main").length !== 1) wrong.push("not one main");
    for (const field of document.querySelectorAll("input:not([type=hidden]), select, textarea")) {
        const named = field.labels.length || field.ariaLabel || field.getAttribute("aria-labelledby");
        if (!named) wrong.push(`no label: ${field.name || field.id}`);
    }
    for (const element of document.querySelectorAll("[id]"))
        if (document.querySelectorAll("#" + CSS.escape(element.id)).length > 1) wrong.push(`two of id ${element.id}`);
    return wrong;
}"""


class WatchedPage:
    """Notes the complaints of the page's browser from now on. Ask `complaints()` after each step."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._noted: list[str] = []
        page.add_init_script(_WATCH)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._noted.append(f"script: {error}"))
        page.on("requestfailed", self._on_failed)
        page.on("response", self._on_response)
        page.on("dialog", self._on_dialog)

    def complaints(self) -> list[str]:
        """Console errors, refusals by the CSP, failed requests and dialogs since the last call."""
        refused = self.page.evaluate("() => { const all = window.__refused || []; window.__refused = []; return all; }")
        noted, self._noted = self._noted, []
        return noted + [f"CSP: {one}" for one in refused]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._noted.append(f"console {message.type}: {message.text}")

    def _on_dialog(self, dialog: Dialog) -> None:
        self._noted.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _on_failed(self, request: Request) -> None:
        # When the browser leaves a page, it cancels open requests. That is not the page's fault.
        if request.failure != "net::ERR_ABORTED":
            self._noted.append(f"failed: {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and not response.request.is_navigation_request():
            self._noted.append(f"{response.status}: {response.url}")


def overflow(page: Page) -> list[str]:
    """The elements that make the page wider than the window. Elements that scroll in a frame do not count."""
    return [str(one) for one in page.evaluate(_OVERFLOW)]


def outline(page: Page) -> list[str]:
    """Faults of title, language, headings, labels and ids."""
    return [str(one) for one in page.evaluate(_OUTLINE)]


def unreachable_by_keyboard(page: Page) -> list[str]:
    """The elements that the Tab key does not reach, and those that do not show the focus.

    It compares styles before and after. The page's context needs reduced motion, or a transition hides the change.
    """
    for _ in range(page.evaluate(_FOCUSABLE) + 2):
        page.keyboard.press("Tab")
    return [str(one) for one in page.evaluate(_UNREACHED)]
