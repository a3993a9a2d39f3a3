// Verifies the access token on standard input: node verify.js ISSUER AUDIENCE. Prints its header and claims, or the
// code of jose's error. The keys' address comes from the issuer's metadata (RFC 8414), as in a real API.
import { readFileSync } from "node:fs";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [issuer, audience] = process.argv.slice(2);
const token = readFileSync(0, "utf8").trim();

const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json();
const keys = createRemoteJWKSet(new URL(metadata.jwks_uri), { timeoutDuration: 60_000 });
const options = { issuer, audience, typ: "at+jwt", requiredClaims: ["exp", "iat", "sub", "client_id", "jti"] };

try {
  const { payload, protectedHeader } = await jwtVerify(token, keys, options);
  console.log(JSON.stringify({ header: protectedHeader, claims: payload }));
} catch (error) {
  console.log(JSON.stringify({ error: error.code ?? String(error) }));
}
