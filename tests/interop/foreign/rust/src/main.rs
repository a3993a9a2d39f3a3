//! An API with `jsonwebtoken`: resource-server ISSUER AUDIENCE
//!
//! Under / the library's own rules hold; under /strict also what docs/api-developers.md adds to them.
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::Value;
use std::error::Error;
use tiny_http::{Request, Response, Server};

struct Rules {
    keys_at: String,
    validation: Validation,
}

impl Rules {
    fn new(issuer: &str, audience: &str) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        validation.validate_nbf = true;
        Self { keys_at: format!("{issuer}/.well-known/jwks.json"), validation }
    }

    fn subject(&self, token: &str, strict: bool) -> Result<String, Box<dyn Error>> {
        let header = decode_header(token)?;
        if strict && !is_access_token(&header) {
            return Err("not an access token".into());
        }
        // The keys are fetched for each token, which will do for a test; an API keeps them.
        let kid = header.kid.ok_or("no kid")?;
        let keys: JwkSet = serde_json::from_str(&ureq::get(&self.keys_at).call()?.body_mut().read_to_string()?)?;
        let key = DecodingKey::from_jwk(keys.find(&kid).ok_or("unknown kid")?)?;
        let claims = decode::<Value>(token, &key, &self.validation)?.claims;
        Ok(claims["sub"].as_str().ok_or("no subject")?.to_owned())
    }
}

fn is_access_token(header: &Header) -> bool {
    header.typ.as_deref() == Some("at+jwt") && header.crit.is_none()
}

fn bearer(request: &Request) -> &str {
    let header = request.headers().iter().find(|header| header.field.equiv("authorization"));
    header.and_then(|header| header.value.as_str().strip_prefix("Bearer ")).unwrap_or("")
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let rules = Rules::new(&arguments[1], &arguments[2]);
    let server = Server::http("127.0.0.1:0").map_err(|error| error.to_string())?;
    println!("listening on http://{}", server.server_addr());
    for request in server.incoming_requests() {
        let response = match rules.subject(bearer(&request), request.url() == "/strict") {
            Ok(subject) => Response::from_string(subject),
            Err(error) => Response::from_string(error.to_string()).with_status_code(401),
        };
        request.respond(response)?;
    }
    Ok(())
}
