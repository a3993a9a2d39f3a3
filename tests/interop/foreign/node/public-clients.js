// Public clients with `simple-oauth2` and `client-oauth2`, which by default send HTTP Basic with an empty secret.
// node public-clients.js ISSUER CLIENT_ID SCOPE, with the user name and the password as JSON on standard input; prints the
// scope that each library got by a sign-in and by a refresh, as JSON.
import { readFileSync } from "node:fs";
import ClientOAuth2 from "client-oauth2";
import { ResourceOwnerPassword } from "simple-oauth2";

const [issuer, id, scope] = process.argv.slice(2);
const { username, password } = JSON.parse(readFileSync(0, "utf8"));

const simple = new ResourceOwnerPassword({
  client: { id, secret: "" },
  auth: { tokenHost: issuer, tokenPath: new URL("/token", issuer).pathname },
});
const signedIn = await simple.getToken({ username, password, scope });
const refreshed = await signedIn.refresh();

const other = new ClientOAuth2({ clientId: id, accessTokenUri: `${issuer}/token`, scopes: [scope] });
const token = await other.owner.getToken(username, password);
const next = await token.refresh();

console.log(
  JSON.stringify({
    "simple-oauth2": [signedIn.token.scope, refreshed.token.scope],
    "client-oauth2": [token.data.scope, next.data.scope],
  }),
);
