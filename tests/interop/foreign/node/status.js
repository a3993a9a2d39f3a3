// A reader of status lists with `@sd-jwt/jwt-status-list`; `jose` checks the list's signature, as its README asks for.
// node status.js ISSUER < access tokens, one a line; prints each one's status (0 valid, 1 revoked) as a JSON list.
import { text } from "node:stream/consumers";

import { getListFromStatusListJWT, getStatusListFromJWT } from "@sd-jwt/jwt-status-list";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [issuer] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { timeoutDuration: 60_000 });

async function status(accessToken) {
  const { idx, uri } = getStatusListFromJWT(accessToken);
  const response = await fetch(uri, { headers: { accept: "application/statuslist+jwt" } });
  const list = await response.text();
  await jwtVerify(list, keys, { subject: uri, typ: "statuslist+jwt", requiredClaims: ["iat", "exp", "ttl"] });
  return getListFromStatusListJWT(list).getStatus(idx);
}

const tokens = (await text(process.stdin)).trim().split("\n");
console.log(JSON.stringify(await Promise.all(tokens.map(status))));
