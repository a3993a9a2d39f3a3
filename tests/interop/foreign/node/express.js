// An API with Express and `express-oauth2-jwt-bearer`: node express.js ISSUER AUDIENCE
import express from "express";
import { auth } from "express-oauth2-jwt-bearer";

const [issuer, audience] = process.argv.slice(2);
const app = express();
app.use(
  auth({
    issuer,
    audience,
    jwksUri: `${issuer}/.well-known/jwks.json`,
    tokenSigningAlg: "ES256",
    timeoutDuration: 60_000,
    strict: true, // the header's `typ` is at+jwt, and RFC 9068's claims are there
  }),
);
app.get("/", (request, response) => response.send(request.auth.payload.sub));
app.use((error, _request, response, _next) => response.status(error.status ?? 500).send(error.message));

const server = app.listen(0, "127.0.0.1", () =>
  console.log(`listening on http://127.0.0.1:${server.address().port}`),
);
