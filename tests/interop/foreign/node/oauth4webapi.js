// A client app with `oauth4webapi`: discovers, refreshes, revokes, and refreshes in vain.
// node oauth4webapi.js ISSUER CLIENT_ID SECRET REFRESH_TOKEN; prints what came of each as JSON.
import * as oauth from "oauth4webapi";

const [issuer, id, secret, refreshToken] = process.argv.slice(2);
const loopback = { [oauth.allowInsecureRequests]: true };
const found = await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...loopback });
const server = await oauth.processDiscoveryResponse(new URL(issuer), found);
const client = { client_id: id };
const proof = oauth.ClientSecretPost(secret);

async function refresh(token) {
  const response = await oauth.refreshTokenGrantRequest(server, client, proof, token, loopback);
  return oauth.processRefreshTokenResponse(server, client, response);
}

const refreshed = await refresh(refreshToken);
const revocation = await oauth.revocationRequest(server, client, proof, refreshed.refresh_token, loopback);
await oauth.processRevocationResponse(revocation);
const afterwards = await refresh(refreshed.refresh_token).catch((error) => error.error);
console.log(JSON.stringify({ refreshed, afterwards }));
