// An API with node's own HTTP server and `jose`: node jose.js ISSUER AUDIENCE
import { createServer } from "node:http";

import { createRemoteJWKSet, jwtVerify } from "jose";

const [issuer, audience] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`), { timeoutDuration: 60_000 });
const rules = {
  issuer,
  audience,
  typ: "at+jwt",
  algorithms: ["ES256"],
  requiredClaims: ["exp", "iat", "sub", "client_id", "jti"],
};

async function answer(request, response) {
  const token = (request.headers.authorization ?? "").replace(/^Bearer /, "");
  try {
    const { payload } = await jwtVerify(token, keys, rules);
    response.writeHead(200).end(payload.sub);
  } catch (error) {
    response.writeHead(401).end(error.code ?? String(error));
  }
}

const server = createServer(answer).listen(0, "127.0.0.1", () =>
  console.log(`listening on http://127.0.0.1:${server.address().port}`),
);
