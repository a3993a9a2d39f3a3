// Improves plain HTML pages, which work without it: the copy buttons stay hidden then, and a form is sent without a
// question.

function showCopyButtons(root) {
  if (!navigator.clipboard) return; // plain http has no clipboard, except on loopback
  for (const button of root.querySelectorAll("button[data-copy][hidden]")) button.hidden = false;
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const before = button.textContent;
  await navigator.clipboard.writeText(source.textContent);
  announce("Copied.");
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = before; }, 2000);
}

let status;
function announce(text) {
  if (!status) {
    status = document.createElement("p");
    status.className = "visually-hidden";
    status.setAttribute("role", "status");
    document.body.append(status);
  }
  status.textContent = text;
}

const answered = new WeakSet();

function ask(form, submitter) {
  const dialog = document.createElement("dialog");
  const box = document.createElement("article");
  const text = document.createElement("p");
  text.id = "question";
  text.textContent = form.dataset.confirm;
  const buttons = document.createElement("footer");
  const no = document.createElement("button");
  no.className = "secondary";
  no.textContent = "Cancel";
  const yes = document.createElement("button");
  yes.className = submitter?.className ?? "";
  yes.textContent = submitter?.textContent ?? "Go on";
  buttons.append(no, yes);
  box.append(text, buttons);
  dialog.append(box);
  dialog.setAttribute("aria-labelledby", "question");
  document.body.append(dialog);
  no.addEventListener("click", () => dialog.close());
  yes.addEventListener("click", () => {
    answered.add(form);
    dialog.close();
    form.requestSubmit(submitter);
  });
  dialog.addEventListener("close", () => {
    dialog.remove();
    submitter?.focus();
  });
  dialog.showModal();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.confirm || answered.delete(form)) return;
  event.preventDefault();
  ask(form, event.submitter);
}, true);

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("button[data-copy]");
  if (button) copy(button);
});

document.addEventListener("htmx:load", (event) => showCopyButtons(event.target));
showCopyButtons(document);
