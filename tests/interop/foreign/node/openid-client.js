// A client app with `openid-client`: discovers, refreshes, revokes, and refreshes in vain.
// node openid-client.js ISSUER CLIENT_ID SECRET REFRESH_TOKEN; prints what came of each as JSON.
import * as client from "openid-client";

const [issuer, id, secret, refreshToken] = process.argv.slice(2);
const config = await client.discovery(new URL(issuer), id, undefined, client.ClientSecretBasic(secret), {
  algorithm: "oauth2",
  execute: [client.allowInsecureRequests], // on loopback there is no https
});

const refreshed = await client.refreshTokenGrant(config, refreshToken);
await client.tokenRevocation(config, refreshed.refresh_token);
const afterwards = await client.refreshTokenGrant(config, refreshed.refresh_token).catch((error) => error.error);
console.log(JSON.stringify({ refreshed, afterwards }));
