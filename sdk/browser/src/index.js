export { AuthClient } from "./client.js";
export { AuthError } from "./errors.js";
