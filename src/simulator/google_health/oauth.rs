//! Consent and tokens as Google handles them: the page in the browser, the token endpoint, revocation. What a token is
//! worth is the vault's business, not this room's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::context;
use serde_json::{Map, Value as Json, json};
use url::Host;

use super::vault::Tokens;
use super::{ACCESS_TOKEN_LIFE, CONSENT_PAGE, PREFIX, SCOPES};
use crate::simulator::consent::{Client, Grant, proven};
use crate::simulator::fitbit::Fields;
use crate::simulator::{Cloud, Simulator, hold, page};
use crate::web::server::{Request, Response};

/// Endings of names that the public name system does not have.
const PRIVATE_ENDINGS: &[&str] = &["local", "lan", "home", "internal", "intranet", "arpa", "localdomain"];

/// What an application asks of a person, checked.
struct Wish {
    client: String,
    redirect: String,
    scopes: Vec<String>,
    state: Option<String>,
    challenge: Option<String>,
    /// Whether a refresh token is wanted, and whether even if there has been one before.
    offline: (bool, bool),
}

/// What is shown in the browser instead of going back to the application.
struct Shown {
    status: u16,
    kind: &'static str,
    message: String,
}

/// A refusal of the token endpoint (RFC 6749, section 5.2).
struct Refusal {
    status: u16,
    error: &'static str,
    description: String,
}

impl Refusal {
    fn into_response(self) -> Response {
        let body = json!({"error": self.error, "error_description": self.description});
        Response::json(self.status, &body).with("Cache-Control", "no-store")
    }
}

/// `GET`: who are you, and what may this application see?
pub(super) fn consent_page(simulator: &Simulator, request: &Request) -> Response {
    let fields = request.parameters();
    let wish = match wish(simulator, &fields) {
        Ok(wish) => wish,
        Err(shown) => return error_page(shown),
    };
    let people: Vec<_> = simulator
        .people()
        .into_iter()
        .map(|person| context! { name => person.name, user_id => person.user_id, zone => person.zone })
        .collect();
    page::shown(
        200,
        context! {
            service => "Google", action => format!("{PREFIX}{CONSENT_PAGE}"), client => wish.client,
            scopes => wish.scopes, people, fields, redirect => wish.redirect,
        },
    )
}

/// `POST`: the form of that page.
pub(super) fn decide(simulator: &Simulator, request: &Request) -> Response {
    let fields = request.form();
    let wish = match wish(simulator, &fields) {
        Ok(wish) => wish,
        Err(shown) => return error_page(shown),
    };
    let granted = fields.iter().filter(|(key, _)| key == "grant").map(|(_, scope)| scope.clone()).collect();
    let Some(person) = field(&fields, "person").and_then(|person| simulator.life.find(person)) else {
        return error_page(invalid("Choose an account.".into()));
    };
    let allowed = field(&fields, "decision") == Some("allow");
    let location = conclude(simulator, wish, person, if allowed { granted } else { Vec::new() });
    Response::text(302, "").with("Location", location).with("Cache-Control", "no-store")
}

/// Consents in a person's place, without a browser: the address at which that ends.
pub(in crate::simulator) fn consent(
    simulator: &Simulator,
    fields: &Fields,
    person: usize,
    scopes: Vec<String>,
) -> anyhow::Result<String> {
    match wish(simulator, fields) {
        Ok(wish) => Ok(conclude(simulator, wish, person, scopes)),
        Err(shown) => anyhow::bail!("the consent page shows {}: {}", shown.kind, shown.message),
    }
}

/// The address at which the browser ends. Of what is granted, only what was asked counts.
fn conclude(simulator: &Simulator, wish: Wish, person: usize, granted: Vec<String>) -> String {
    let scopes: Vec<String> = wish.scopes.into_iter().filter(|scope| granted.contains(scope)).collect();
    let mut answer = url::form_urlencoded::Serializer::new(String::new());
    if scopes.is_empty() {
        answer.append_pair("error", "access_denied");
    }
    if let Some(state) = &wish.state {
        answer.append_pair("state", state);
    }
    if !scopes.is_empty() {
        let told = scopes.join(" ");
        let grant = Grant { client: wish.client, person, scopes };
        let redirect = wish.redirect.clone();
        let mut google = hold(&simulator.google);
        let code = google.vault.authorize(grant, redirect, wish.challenge, wish.offline, simulator.now());
        answer.append_pair("code", &code);
        answer.append_pair("scope", &told);
    }
    let joint = if wish.redirect.contains('?') { '&' } else { '?' };
    format!("{}{joint}{}", wish.redirect, answer.finish())
}

fn wish(simulator: &Simulator, fields: &Fields) -> Result<Wish, Shown> {
    let needed =
        |name: &str| field(fields, name).ok_or_else(|| invalid(format!("Required parameter is missing: {name}")));
    let client = simulator.client(Cloud::GoogleHealth, needed("client_id")?).ok_or_else(|| Shown {
        status: 401,
        kind: "invalid_client",
        message: "The OAuth client was not found.".into(),
    })?;
    let redirect = needed("redirect_uri")?;
    accepts(client, redirect)?;
    match needed("response_type")? {
        "code" => {}
        other => {
            let message = format!("Invalid response_type: {other}");
            return Err(Shown { status: 400, kind: "unsupported_response_type", message });
        }
    }
    let scopes: Vec<String> = needed("scope")?.split_whitespace().map(str::to_owned).collect();
    if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        let message = format!("Some requested scopes were invalid. {{invalid=[{unknown}]}}");
        return Err(Shown { status: 400, kind: "invalid_scope", message });
    }
    let challenge = field(fields, "code_challenge").map(str::to_owned);
    if challenge.is_some() && field(fields, "code_challenge_method") != Some("S256") {
        // `plain` exists as well, even by default; nobody should use it.
        return Err(invalid("Invalid parameter value for code_challenge_method: must be S256".into()));
    }
    if challenge.as_ref().is_some_and(|challenge| !(43..=128).contains(&challenge.len())) {
        return Err(invalid("Invalid parameter value for code_challenge: must have 43 to 128 characters".into()));
    }
    let offline = match field(fields, "access_type") {
        None | Some("online") => false,
        Some("offline") => true,
        Some(other) => return Err(invalid(format!("Invalid parameter value for access_type: Invalid value: {other}"))),
    };
    let again = field(fields, "prompt").is_some_and(|prompt| prompt.split_whitespace().any(|word| word == "consent"));
    Ok(Wish {
        client: client.id.clone(),
        redirect: redirect.to_owned(),
        scopes,
        state: field(fields, "state").map(str::to_owned),
        challenge,
        offline: (offline, again),
    })
}

/// Google's rules for redirect addresses: https on a public name, or loopback; then exactly what is registered. An
/// application without registered addresses is a desktop application, which any loopback address serves.
fn accepts(client: &Client, redirect: &str) -> Result<(), Shown> {
    let malformed = |problem: &str| Err(invalid(format!("Invalid parameter value for redirect_uri: {problem}")));
    let Ok(address) = url::Url::parse(redirect) else { return malformed("Missing authority") };
    let loopback = match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return malformed("Missing authority"),
    };
    if address.fragment().is_some() || address.has_authority() && !address.username().is_empty() {
        return malformed("A redirect address has neither a fragment nor a user name");
    }
    if !loopback {
        let private_ip = format!("device_id and device_name are required for private IP: {redirect}");
        match address.host() {
            Some(Host::Ipv4(ip)) if ip.is_private() || ip.is_link_local() => return Err(invalid(private_ip)),
            Some(Host::Ipv6(ip)) if ip.is_unique_local() || ip.is_unicast_link_local() => {
                return Err(invalid(private_ip));
            }
            Some(Host::Ipv4(_) | Host::Ipv6(_)) => return malformed("Raw IP addresses not allowed"),
            Some(Host::Domain(name)) => {
                let ending = name.trim_end_matches('.').rsplit_once('.').map(|(_, ending)| ending);
                if ending.is_none_or(|ending| PRIVATE_ENDINGS.contains(&ending)) {
                    return malformed("must end with a public top-level domain (such as .com or .org)");
                }
            }
            None => {}
        }
        if address.scheme() != "https" {
            return malformed("must use https");
        }
    }
    let registered = match client.redirects.as_slice() {
        [] => loopback && address.scheme() == "http",
        redirects => redirects.iter().any(|registered| registered == redirect),
    };
    if registered {
        return Ok(());
    }
    let message = format!("The redirect URI in the request, {redirect}, does not match the ones authorized.");
    Err(Shown { status: 400, kind: "redirect_uri_mismatch", message })
}

/// `POST /token`.
pub(super) fn token(simulator: &Simulator, request: &Request) -> Response {
    match new_token(simulator, request) {
        Ok(tokens) => Response::json(200, &told(&tokens)).with("Cache-Control", "no-store"),
        Err(refusal) => refusal.into_response(),
    }
}

fn new_token(simulator: &Simulator, request: &Request) -> Result<Tokens, Refusal> {
    let fields = form(request)?;
    let refuse = |error, description: &str| Refusal { status: 400, error, description: description.into() };
    let needed = |name: &str| {
        let missing = || refuse("invalid_request", &format!("Missing required parameter: {name}"));
        field(&fields, name).ok_or_else(missing)
    };
    let kind = needed("grant_type")?;
    let client = application(simulator, request, &fields)?;
    let now = simulator.now();
    let mut google = hold(&simulator.google);
    match kind {
        "authorization_code" => {
            let text = needed("code")?;
            let bad = || refuse("invalid_grant", "Malformed auth code.");
            let code = google.vault.code(text, now).filter(|code| code.grant.client == client.id).ok_or_else(bad)?;
            if needed("redirect_uri")? != code.redirect {
                return Err(refuse("redirect_uri_mismatch", "Bad Request"));
            }
            let verifier = field(&fields, "code_verifier");
            if code.challenge.is_some() && verifier.is_none() {
                return Err(refuse("invalid_grant", "Missing code verifier."));
            }
            if !proven(code.challenge.as_deref(), verifier) {
                return Err(refuse("invalid_grant", "Invalid code verifier."));
            }
            google.vault.exchange(text, now, &simulator.options.project).ok_or_else(bad)
        }
        "refresh_token" => {
            let renewed = google.vault.renew(needed("refresh_token")?, &client.id, now);
            renewed.ok_or_else(|| refuse("invalid_grant", "Token has been expired or revoked."))
        }
        other => Err(refuse("unsupported_grant_type", &format!("Invalid grant_type: {other}"))),
    }
}

fn told(tokens: &Tokens) -> Json {
    let mut answer = Map::new();
    answer.insert("access_token".into(), tokens.access.clone().into());
    answer.insert("expires_in".into(), ACCESS_TOKEN_LIFE.num_seconds().into());
    if let Some(refresh) = &tokens.refresh {
        answer.insert("refresh_token".into(), refresh.clone().into());
    }
    answer.insert("scope".into(), tokens.grant.scopes.join(" ").into());
    answer.insert("token_type".into(), "Bearer".into());
    if let Some(seconds) = tokens.refresh_expires_in {
        answer.insert("refresh_token_expires_in".into(), seconds.into());
    }
    answer.into()
}

/// `POST /revoke`: all tokens of the person for the application go. The token itself is all the proof that is needed.
pub(super) fn revoke(simulator: &Simulator, request: &Request) -> Response {
    let mut fields = request.parameters();
    match form(request) {
        Ok(form) => fields.extend(form),
        Err(refusal) => return refusal.into_response(),
    }
    let mut google = hold(&simulator.google);
    let Some(owner) = field(&fields, "token").and_then(|token| google.vault.owner(token)).cloned() else {
        let description = "Token expired or revoked".into();
        return Refusal { status: 400, error: "invalid_token", description }.into_response();
    };
    google.vault.revoke(|grant| grant.client == owner.client && grant.person == owner.person);
    Response::json(200, &json!({}))
}

/// The application that asks. Google documents id and secret in the body; a `Basic` header is taken as well.
fn application<'a>(simulator: &'a Simulator, request: &Request, fields: &Fields) -> Result<&'a Client, Refusal> {
    let refuse = |error, description: &str| Refusal { status: 401, error, description: description.into() };
    let header = request.header("authorization").and_then(|header| header.strip_prefix("Basic "));
    let decoded = header.and_then(|encoded| String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok());
    // RFC 6749, section 2.3.1: both parts are form-encoded before they are joined.
    let decode = |text: &str| {
        let decoded = url::form_urlencoded::parse(text.as_bytes()).next();
        decoded.map(|(text, _)| text.into_owned()).unwrap_or_default()
    };
    let basic = decoded.as_deref().and_then(|decoded| decoded.split_once(':'));
    let (id, secret) = match basic {
        Some((id, secret)) => (decode(id), Some(decode(secret))),
        None => (
            field(fields, "client_id").unwrap_or_default().to_owned(),
            field(fields, "client_secret").map(str::to_owned),
        ),
    };
    if id.is_empty() {
        let description = "Could not determine client ID from request.".into();
        return Err(Refusal { status: 400, error: "invalid_request", description });
    }
    let client = simulator.client(Cloud::GoogleHealth, &id);
    let client = client.ok_or_else(|| refuse("invalid_client", "The OAuth client was not found."))?;
    match secret {
        None if client.secret.is_some() => {
            Err(Refusal { status: 400, error: "invalid_request", description: "client_secret is missing.".into() })
        }
        secret if secret == client.secret => Ok(client),
        _ => Err(refuse("invalid_client", "The provided client secret is invalid.")),
    }
}

fn form(request: &Request) -> Result<Fields, Refusal> {
    let kind = request.header("content-type").unwrap_or_default();
    if !request.body.is_empty() && kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        let description = "The Content-Type must be application/x-www-form-urlencoded.".into();
        return Err(Refusal { status: 400, error: "invalid_request", description });
    }
    Ok(request.form())
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn invalid(message: String) -> Shown {
    Shown { status: 400, kind: "invalid_request", message }
}

fn error_page(shown: Shown) -> Response {
    let Shown { status, kind, message } = shown;
    page::shown(status, context! { service => "Google", kind => format!("Error {status}: {kind}"), message })
}
