//! Consent and tokens as the service handles them: the page in the browser, the token endpoint, revocation,
//! introspection. What consent means is the ledger's business, not this room's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::context;
use serde_json::json;

use super::refusal::{self, Refusal};
use super::{PREFIX, SCOPES};
use crate::simulator::consent::{Client, Grant};
use crate::simulator::{Cloud, Simulator, hold, page};
use crate::web::server::{Request, Response};

pub(in crate::simulator) type Fields = Vec<(String, String)>;

/// What an application asks of a person, checked.
struct Wish {
    client: String,
    /// Where consent ends.
    redirect: String,
    /// Whether the address was named in the request, so that the token request must name it, too.
    redirect_named: bool,
    scopes: Vec<String>,
    state: Option<String>,
    challenge: Option<String>,
}

/// What is shown in the browser instead of going back to the application.
struct Shown {
    kind: &'static str,
    message: String,
}

/// `GET /oauth2/authorize`: who are you, and what may this application see?
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
            service => "Fitbit", action => format!("{PREFIX}/oauth2/authorize"), client => wish.client, scopes => wish.scopes,
            people, fields, redirect => wish.redirect,
        },
    )
}

/// `POST /oauth2/authorize`: the form of that page.
pub(super) fn decide(simulator: &Simulator, request: &Request) -> Response {
    let fields = request.form();
    let wish = match wish(simulator, &fields) {
        Ok(wish) => wish,
        Err(shown) => return error_page(shown),
    };
    let granted: Vec<String> =
        fields.iter().filter(|(key, _)| key == "grant").map(|(_, scope)| scope.clone()).collect();
    let person = field(&fields, "person").and_then(|person| simulator.life.find(person));
    let Some(person) = person else {
        return error_page(Shown { kind: "invalid_request", message: "Say who you are.".into() });
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
    let refused = scopes.is_empty();
    if refused {
        answer.append_pair("error", "access_denied");
        answer.append_pair("error_description", "The user denied the request.");
    } else {
        let grant = Grant { client: wish.client, person, scopes };
        let redirect = wish.redirect_named.then(|| wish.redirect.clone());
        let code = hold(&simulator.consent).authorize(grant, redirect, wish.challenge, simulator.now());
        answer.append_pair("code", &code);
    }
    if let Some(state) = &wish.state {
        answer.append_pair("state", state);
    }
    let joint = if wish.redirect.contains('?') { '&' } else { '?' };
    // The real service appends this fragment, which people then paste along.
    let fragment = if refused { "" } else { "#_=_" };
    format!("{}{joint}{}{fragment}", wish.redirect, answer.finish())
}

fn wish(simulator: &Simulator, fields: &Fields) -> Result<Wish, Shown> {
    let invalid = |message: String| Shown { kind: "invalid_request", message };
    let id = field(fields, "client_id").ok_or_else(|| invalid("Missing client_id parameter value".into()))?;
    let client = simulator.client(Cloud::Fitbit, id).ok_or_else(|| Shown {
        kind: "unauthorized_client",
        message: format!("The client with id {id} is not registered."),
    })?;
    let redirect = match (field(fields, "redirect_uri"), client.redirects.as_slice()) {
        (Some(redirect), _) if client.accepts(redirect) => redirect.to_owned(),
        (None, [only]) => only.clone(),
        (None, _) => return Err(invalid("Missing redirect_uri parameter value".into())),
        (Some(redirect), _) => return Err(invalid(format!("Invalid redirect_uri parameter value {redirect}"))),
    };
    match field(fields, "response_type") {
        Some("code") => {}
        None => return Err(invalid("Missing response_type parameter value".into())),
        Some(other) => {
            return Err(Shown {
                kind: "unsupported_response_type",
                message: format!("The response type {other} is not supported."),
            });
        }
    }
    let scopes: Vec<String> =
        field(fields, "scope").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() {
        return Err(invalid("Missing scope parameter value".into()));
    }
    if let Some(unknown) = scopes.iter().find(|scope| !SCOPES.contains(&scope.as_str())) {
        return Err(Shown { kind: "invalid_scope", message: format!("There is no scope {unknown}.") });
    }
    let challenge = field(fields, "code_challenge").map(str::to_owned);
    if let Some(challenge) = &challenge {
        if !(43..=128).contains(&challenge.len()) {
            return Err(invalid("The code_challenge parameter length must be between 43 and 128".into()));
        }
        // The service takes `plain` as well, even by default; nobody should.
        if field(fields, "code_challenge_method") != Some("S256") {
            return Err(invalid("The code_challenge_method must be S256".into()));
        }
    }
    Ok(Wish {
        client: client.id.clone(),
        redirect,
        redirect_named: field(fields, "redirect_uri").is_some(),
        scopes,
        state: field(fields, "state").map(str::to_owned),
        challenge,
    })
}

/// `POST /oauth2/token`.
pub(super) fn token(simulator: &Simulator, request: &Request) -> Response {
    match new_token(simulator, request) {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

fn new_token(simulator: &Simulator, request: &Request) -> Result<Response, Refusal> {
    let fields = form(request)?;
    let client = application(simulator, request, &fields)?;
    let now = simulator.now();
    let expires = now + simulator.options.access_token_life;
    let needed = |name: &str| {
        field(&fields, name).ok_or_else(|| refusal::invalid_request(&format!("Missing '{name}' parameter value.")))
    };
    let mut ledger = hold(&simulator.consent);
    let pair = match needed("grant_type")? {
        "authorization_code" => {
            let text = needed("code")?;
            let invalid = || refusal::invalid_grant(&format!("Authorization code invalid: {text}"));
            let code = ledger.code(text, now).filter(|code| code.grant.client == client.id).ok_or_else(invalid)?;
            if code.redirect.is_some() && code.redirect.as_deref() != field(&fields, "redirect_uri") {
                return Err(refusal::invalid_grant("Redirect_uri mismatch."));
            }
            if !code.proven_by(field(&fields, "code_verifier")) {
                return Err(refusal::invalid_grant("The code_verifier supplied is invalid."));
            }
            ledger.exchange(text, now, expires).ok_or_else(invalid)?
        }
        "refresh_token" => {
            let text = needed("refresh_token")?;
            let mut same = request.body.clone();
            same.extend_from_slice(request.header("authorization").unwrap_or_default().as_bytes());
            let renewed = ledger.renew(text, &client.id, &same, now, expires);
            renewed.ok_or_else(|| refusal::invalid_grant(&format!("Refresh token invalid: {text}.")))?
        }
        _ => return Err(refusal::unsupported_grant_type()),
    };
    drop(ledger);
    let answer = simulator.token_answer(&pair).to_json();
    Ok(Response::json(200, &answer).with("Cache-Control", "no-store"))
}

/// `POST /oauth2/revoke`: all tokens of the person for the application go.
pub(super) fn revoke(simulator: &Simulator, request: &Request) -> Response {
    let revoked = || -> Result<Response, Refusal> {
        let fields = form(request)?;
        let client = application(simulator, request, &fields)?;
        let token =
            field(&fields, "token").ok_or_else(|| refusal::invalid_request("Missing 'token' parameter value."))?;
        let mut ledger = hold(&simulator.consent);
        let owner = ledger.owner(token).filter(|grant| grant.client == client.id).cloned();
        let owner = owner.ok_or_else(|| refusal::invalid_request("The token is not valid."))?;
        ledger.revoke(|grant| grant.client == owner.client && grant.person == owner.person);
        Ok(Response::new(200, "application/json", ""))
    };
    revoked().unwrap_or_else(Refusal::into_response)
}

/// `POST /1.1/oauth2/introspect`, with a valid token of the same application.
pub(super) fn introspect(simulator: &Simulator, request: &Request, asking: &Grant) -> Response {
    let fields = match form(request) {
        Ok(fields) => fields,
        Err(refusal) => return refusal.into_response(),
    };
    let Some(token) = field(&fields, "token") else {
        return refusal::invalid_request("Missing 'token' parameter value.").into_response();
    };
    let ledger = hold(&simulator.consent);
    let inspected = ledger.inspect(token, simulator.now()).filter(|(grant, ..)| grant.client == asking.client);
    let Some((grant, issued, expires)) = inspected else {
        return Response::json(200, &json!({"active": false}));
    };
    let scopes: Vec<String> = grant.scopes.iter().map(|scope| format!("{}=READ", scope.to_uppercase())).collect();
    let answer = json!({
        "active": true,
        "scope": format!("{{{}}}", scopes.join(", ")),
        "client_id": grant.client,
        "user_id": simulator.life.person(grant.person).map(|person| person.user_id.clone()),
        "token_type": "access_token",
        "exp": expires.timestamp_millis(),
        "iat": issued.timestamp_millis(),
    });
    Response::json(200, &answer)
}

/// The application that asks: by its secret if it has one, by its id alone if it has none.
fn application<'a>(simulator: &'a Simulator, request: &Request, fields: &Fields) -> Result<&'a Client, Refusal> {
    let named = field(fields, "client_id");
    let Some(header) = request.header("authorization") else {
        let id = named.ok_or_else(|| refusal::invalid_client("Authorization header required."))?;
        let client = simulator.client(Cloud::Fitbit, id).filter(|client| client.secret.is_none());
        return client.ok_or_else(|| refusal::invalid_client("Invalid client: an authorization header is required."));
    };
    let credentials = header
        .strip_prefix("Basic ")
        .and_then(|encoded| STANDARD.decode(encoded.trim()).ok())
        .and_then(|decoded| String::from_utf8(decoded).ok());
    let credentials = credentials.as_deref().and_then(|credentials| credentials.split_once(':'));
    let (id, secret) = credentials.ok_or_else(|| {
        refusal::invalid_client("Invalid authorization header format. The header was not recognized.")
    })?;
    let known = |client: &&Client| client.secret.as_deref() == Some(secret) && named.is_none_or(|named| named == id);
    simulator
        .client(Cloud::Fitbit, id)
        .filter(known)
        .ok_or_else(|| refusal::invalid_client("Invalid client id or secret."))
}

fn form(request: &Request) -> Result<Fields, Refusal> {
    if request.body.is_empty() && request.header("content-length").is_none() {
        return Err(refusal::length_required());
    }
    let kind = request.header("content-type").unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
        return Err(refusal::invalid_request("The Content-Type must be application/x-www-form-urlencoded."));
    }
    Ok(request.form())
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

fn error_page(shown: Shown) -> Response {
    page::shown(400, context! { service => "Fitbit", kind => shown.kind, message => shown.message })
}
