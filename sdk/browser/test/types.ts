// This file is compiled and never run. It shows that the declared types fit the source and a program in TypeScript.
import type * as declared from "../authserver-browser.js";
import * as real from "../src/index.js";

// The declaration narrows the events of listeners; the source inherits EventTarget's wider types.
type Plain = Omit<declared.AuthClient, "addEventListener" | "removeEventListener">;
export const written: new (options: declared.Options) => Plain = real.AuthClient;
declare const auth: declared.AuthClient;

auth.addEventListener("signed-out", (event) => void event.detail.reason?.toUpperCase());
// @ts-expect-error: there is no such event
auth.addEventListener("signed-of", () => {});
// @ts-expect-error: a password is needed
void auth.signIn({ username: "anna" });

export const answer: Promise<Response> = auth.fetch(new URL("https://api.example.com/"), { body: new FormData() });
export const listed: Promise<declared.ListedSession[]> = auth.sessions.list();
export const codes = (error: real.AuthError): declared.Code => error.code;
