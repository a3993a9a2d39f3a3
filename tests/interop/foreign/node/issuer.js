// An issuer of somebody else: status lists made by `@sd-jwt/jwt-status-list`, everything signed by `jose`.
// node issuer.js AUDIENCE BITS STATUS…; /tokens answers with one access token for each status, in this order.
import { createServer } from "node:http";

import { createHeaderAndPayload, StatusList } from "@sd-jwt/jwt-status-list";
import { exportJWK, generateKeyPair, SignJWT } from "jose";

const [audience, bits, ...statuses] = process.argv.slice(2);
const { publicKey, privateKey } = await generateKeyPair("ES256");
const jwk = { ...(await exportJWK(publicKey)), kid: "only", alg: "ES256", use: "sig" };
const now = Math.floor(Date.now() / 1000);

function accessToken(idx) {
  const status = { status_list: { idx, uri: `${issuer}/lists/a` } };
  const claims = { client_id: "app", scope: "read", jti: `token-${idx}`, status };
  return new SignJWT({ iss: issuer, sub: `user-${idx}`, aud: audience, iat: now, exp: now + 900, ...claims })
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "only" })
    .sign(privateKey);
}

function statusList() {
  const list = new StatusList(statuses.map(Number), Number(bits));
  const times = { iat: now, exp: now + 3600, ttl: 60 };
  const made = createHeaderAndPayload(list, { iss: issuer, sub: `${issuer}/lists/a`, ...times }, { alg: "ES256" });
  return new SignJWT(made.payload).setProtectedHeader({ ...made.header, kid: "only" }).sign(privateKey);
}

const pages = {
  "/.well-known/oauth-authorization-server": async () => JSON.stringify({ issuer, jwks_uri: `${issuer}/keys` }),
  "/keys": async () => JSON.stringify({ keys: [jwk] }),
  "/lists/a": statusList,
  "/tokens": async () => JSON.stringify(await Promise.all(statuses.map((_, idx) => accessToken(idx)))),
};

const server = createServer(async (request, response) => response.end(await pages[request.url]()));
let issuer;
server.listen(0, "127.0.0.1", () => {
  issuer = `http://127.0.0.1:${server.address().port}`;
  console.log(`listening on ${issuer}`);
});
