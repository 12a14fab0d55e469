//! The token endpoint of an upstream: exchange a code, refresh, revoke; every refusal told apart by status and raw
//! body, because Fitbit's token errors have their own shape. Keeps nothing.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::time::Duration;

use chrono::TimeDelta;
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError,
    StandardRevocableToken, StandardTokenResponse, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::telemetry::Telemetry;
use crate::upstream::client::{Said, redact};

/// The application, as an upstream knows it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The client id.
    pub id: String,
    /// The client secret; public clients have none.
    pub secret: Option<SecretString>,
}

/// What a token endpoint granted.
#[derive(Debug)]
pub struct Grant {
    /// The access token.
    pub access_token: SecretString,
    /// A new refresh token; where there is none, the old one stays.
    pub refresh_token: Option<SecretString>,
    /// How long the access token lives.
    pub expires_in: Option<Duration>,
    /// The scopes granted, which may be fewer than were asked.
    pub scope: Option<String>,
    /// Whose token it is, in the upstream's own identifiers.
    pub user_id: Option<String>,
    /// How long the refresh token lives, where the upstream says so.
    pub refresh_token_expires_in: Option<TimeDelta>,
}

/// Why nothing was granted, in words without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The code or refresh token is not (or no longer) good: consent is needed.
    InvalidGrant(String),
    /// The client id or secret is refused.
    InvalidClient(String),
    /// No answer came, or none that could be read: the upstream may have granted it all the same, so the identical
    /// request comes first again.
    Lost(String),
    /// The whole service is gone for good.
    Gone(String),
    /// Anything else; later may be better.
    Other(String),
}

/// A token endpoint and who asks it.
pub struct TokenEndpoint<'a> {
    /// The HTTP client, which follows no redirects.
    pub http: &'a reqwest::Client,
    /// Where its answers are counted.
    pub telemetry: &'a Telemetry,
    /// Whose it is.
    pub provider: &'static str,
    /// The application.
    pub identity: &'a Identity,
    /// The address.
    pub token_url: &'a str,
    /// Whether the client secret goes into the form instead of the `Authorization` header.
    pub secret_in_body: bool,
}

#[derive(Debug, Serialize, Deserialize)]
struct Extra {
    #[serde(default)]
    user_id: Option<serde_json::Value>,
    #[serde(default)]
    refresh_token_expires_in: Option<i64>,
}

impl ExtraTokenFields for Extra {}

type Response = StandardTokenResponse<Extra, BasicTokenType>;
type Client = oauth2::Client<
    BasicErrorResponse,
    Response,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

impl TokenEndpoint<'_> {
    /// Exchanges a code for tokens.
    pub async fn exchange(&self, code: String, verifier: SecretString, redirect: &str) -> Result<Grant, Refusal> {
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(|error| Refusal::Other(error.to_string()))?;
        let secret = SecretString::from(code.clone());
        let listening = self.listening();
        let outcome = self
            .client()?
            .set_redirect_uri(redirect)
            .exchange_code(AuthorizationCode::new(code))
            .set_pkce_verifier(PkceCodeVerifier::new(verifier.expose_secret().to_owned()))
            .request_async(&listening)
            .await;
        granted(outcome, listening, &[Some(&secret), self.identity.secret.as_ref()])
    }

    /// Renews tokens. The same refresh token makes the identical request.
    pub async fn refresh(&self, refresh_token: &SecretString) -> Result<Grant, Refusal> {
        let token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let listening = self.listening();
        let outcome = self.client()?.exchange_refresh_token(&token).request_async(&listening).await;
        granted(outcome, listening, &[Some(refresh_token), self.identity.secret.as_ref()])
    }

    /// Revokes a token, and with it the person's consent.
    pub async fn revoke(&self, revoke_url: &str, token: &SecretString) -> Result<(), Refusal> {
        let mut request = self.http.post(revoke_url);
        let mut form = vec![("token", token.expose_secret())];
        match &self.identity.secret {
            // There the token speaks for itself.
            _ if self.secret_in_body => {}
            Some(secret) => request = request.basic_auth(&self.identity.id, Some(secret.expose_secret())),
            None => form.push(("client_id", &self.identity.id)),
        }
        let lost = |error| Refusal::Lost(transport(error));
        let response = request.form(&form).send().await;
        let status = response.as_ref().ok().map(|response| response.status().as_u16());
        self.telemetry.asked(self.provider, "revoke", status);
        let response = response.map_err(lost)?;
        let status = response.status();
        let body = response.bytes().await.map_err(lost)?;
        // A token that has ended is as good as revoked; Google says so with a refusal.
        if status.is_success() || Said::read(&body).kind == "invalid_token" {
            Ok(())
        } else {
            Err(classify(status.as_u16(), &body, &[Some(token), self.identity.secret.as_ref()]))
        }
    }

    fn listening(&self) -> Listening {
        let (telemetry, provider) = (self.telemetry.clone(), self.provider);
        Listening { http: self.http.clone(), telemetry, provider, heard: Mutex::default() }
    }

    fn client(&self) -> Result<Client, Refusal> {
        let url = TokenUrl::new(self.token_url.to_owned()).map_err(|error| Refusal::Other(error.to_string()))?;
        let client = oauth2::Client::new(ClientId::new(self.identity.id.clone()))
            .set_auth_type(if self.secret_in_body { AuthType::RequestBody } else { AuthType::BasicAuth })
            .set_token_uri(url);
        // Without a secret the library sends the client id in the form, as public clients do.
        Ok(match &self.identity.secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
            None => client,
        })
    }
}

/// Our HTTP client as the library wants it, keeping status and raw body of the answer: the library keeps only what it
/// understands.
struct Listening {
    http: reqwest::Client,
    telemetry: Telemetry,
    provider: &'static str,
    heard: Mutex<Option<(u16, Vec<u8>)>>,
}

impl<'c> AsyncHttpClient<'c> for Listening {
    type Error = reqwest::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, reqwest::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let response = self.http.execute(request.try_into()?).await;
            let status = response.as_ref().ok().map(|response| response.status().as_u16());
            self.telemetry.asked(self.provider, "token", status);
            let response = response?;
            let mut built = oauth2::http::Response::new(Vec::new());
            *built.status_mut() = response.status();
            *built.headers_mut() = response.headers().clone();
            let body = response.bytes().await?.to_vec();
            if let Ok(mut heard) = self.heard.lock() {
                *heard = Some((built.status().as_u16(), body.clone()));
            }
            *built.body_mut() = body;
            Ok(built)
        })
    }
}

fn granted(
    outcome: Result<Response, RequestTokenError<reqwest::Error, BasicErrorResponse>>,
    listening: Listening,
    secrets: &[Option<&SecretString>],
) -> Result<Grant, Refusal> {
    let error = match outcome {
        Ok(response) => return Ok(Grant::from(response)),
        Err(error) => error,
    };
    match listening.heard.into_inner().ok().flatten() {
        Some((status, body)) if status >= 300 => Err(classify(status, &body, secrets)),
        Some(_) => Err(Refusal::Lost("the token endpoint's answer is not a token".into())),
        None => match error {
            RequestTokenError::Request(error) if error.is_connect() => {
                Err(Refusal::Other(format!("no connection to the token endpoint: {}", transport(error))))
            }
            RequestTokenError::Request(error) => {
                Err(Refusal::Lost(format!("no answer from the token endpoint: {}", transport(error))))
            }
            other => Err(Refusal::Other(format!("the token endpoint could not be asked: {other}"))),
        },
    }
}

impl From<Response> for Grant {
    fn from(response: Response) -> Grant {
        let scopes = response.scopes().map(|scopes| scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>());
        let extra = response.extra_fields();
        let user_id = match &extra.user_id {
            Some(serde_json::Value::String(id)) => Some(id.clone()),
            Some(serde_json::Value::Number(id)) => Some(id.to_string()),
            _ => None,
        };
        Grant {
            access_token: SecretString::from(response.access_token().secret().clone()),
            refresh_token: response.refresh_token().map(|token| SecretString::from(token.secret().clone())),
            expires_in: response.expires_in(),
            scope: scopes.map(|scopes| scopes.join(" ")),
            user_id,
            refresh_token_expires_in: extra.refresh_token_expires_in.and_then(TimeDelta::try_seconds),
        }
    }
}

/// Only these words of a refusal are final; a failing server may say anything else and is tried again. What a gateway
/// says for it may come after the token was granted.
fn classify(status: u16, body: &[u8], secrets: &[Option<&SecretString>]) -> Refusal {
    let said = Said::read(body);
    let mut words = said.words();
    for secret in secrets.iter().flatten() {
        words = redact(&words, secret);
    }
    let words = format!("{words} ({status})");
    match (status, said.kind.as_str()) {
        (400..=499, "invalid_grant") => Refusal::InvalidGrant(words),
        (400..=499, "invalid_client" | "unauthorized_client") => Refusal::InvalidClient(words),
        (410, _) => Refusal::Gone(format!("the token endpoint is gone: {words}")),
        (500..=599, _) => Refusal::Lost(format!("the token endpoint failed: {words}")),
        _ => Refusal::Other(format!("the token endpoint refused: {words}")),
    }
}

/// The error and its causes, without the address.
fn transport(error: reqwest::Error) -> String {
    format!("{:#}", anyhow::Error::from(error.without_url()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_of_token_errors_are_told_apart() {
        let secret = SecretString::from("0123456789abcdef");
        let secrets = [Some(&secret), None];
        let fitbit = br#"{"errors":[{"errorType":"invalid_grant","message":"Refresh token invalid: 0123456789abcdef. Visit https://dev.fitbit.com/docs/oauth2"}],"success":false}"#;
        let Refusal::InvalidGrant(words) = classify(400, fitbit, &secrets) else { panic!("invalid_grant") };
        assert!(!words.contains("0123456789abcdef"), "{words}");
        let rfc = br#"{"error":"invalid_client","error_description":"no such client"}"#;
        assert!(matches!(classify(401, rfc, &secrets), Refusal::InvalidClient(_)));
        assert!(matches!(classify(503, fitbit, &secrets), Refusal::Lost(_)), "a failing server takes no consent away");
        assert!(matches!(classify(400, b"<html>", &secrets), Refusal::Other(_)));
        assert!(matches!(classify(429, b"{}", &secrets), Refusal::Other(_)));
        assert!(matches!(classify(410, b"Gone", &secrets), Refusal::Gone(_)));
    }
}
