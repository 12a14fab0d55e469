//! An organization's token: asked for with its own credentials, renewed before it ends, on disk before it is used.
//! Nobody consents here, so that what is lost can be asked for again.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value as Json, json};
use tokio::sync::Mutex;

use super::{Identity, ours};
use crate::clock::Clock;
use crate::config;
use crate::plugindata::{OrganizationGuard, Plugindata, Token};
use crate::telemetry::Telemetry;
use crate::upstream::Failure;
use crate::upstream::client::{PATIENCE, parse, read, transport};
use crate::upstream::fitbit_plus::document::{Refused, refused};
use crate::upstream::fitbit_plus::request::Reach;
use crate::upstream::fitbit_plus::{MEDIA_TYPE, PROVIDER, TITLE};

/// A token with less than this left is renewed before it is used, so that it does not expire on the way.
const MARGIN: TimeDelta = TimeDelta::seconds(60);

/// The organization and its token at Fitbit Plus.
pub struct Organization {
    plugindata: Plugindata,
    clock: Clock,
    http: reqwest::Client,
    telemetry: Telemetry,
    token_url: String,
    /// One renewal at a time within this process.
    turn: Mutex<()>,
}

/// How a token is asked for.
enum Grant<'g> {
    Credentials(&'g SecretString),
    Refresh(&'g SecretString),
}

impl Organization {
    /// The organization whose credentials are in `plugindata`.
    ///
    /// # Errors
    /// There is no upstream of organizations among `addresses`.
    pub fn new(
        addresses: &[config::Upstream],
        plugindata: Plugindata,
        clock: Clock,
        http: reqwest::Client,
        telemetry: Telemetry,
    ) -> Result<Organization> {
        let addresses = addresses.iter().find(|addresses| addresses.provider == PROVIDER);
        let token_url = addresses.with_context(|| format!("{TITLE} has no addresses"))?.token_url.to_string();
        Ok(Organization { plugindata, clock, http, telemetry, token_url, turn: Mutex::default() })
    }

    /// An access token that is good now, as far as is known here.
    pub async fn access_token(&self) -> Result<SecretString, Failure> {
        match self.present()? {
            Some(token) if self.is_usable(&token) => Ok(token.access_token),
            Some(token) => self.renew(&token.access_token).await,
            None => self.renew(&SecretString::default()).await,
        }
    }

    /// An access token other than `seen`, which is expired or was refused. Whoever comes second, in this process or in
    /// another, takes what the first one got.
    pub async fn renew(&self, seen: &SecretString) -> Result<SecretString, Failure> {
        let _turn = self.turn.lock().await;
        let plugindata = self.plugindata.clone();
        let locked = tokio::task::spawn_blocking(move || plugindata.lock_organization(PROVIDER)).await;
        let guard = Arc::new(locked.map_err(anyhow::Error::from).flatten().map_err(ours)?);
        let present = guard.token().map_err(ours)?;
        if let Some(token) = present.as_ref().filter(|token| self.is_usable(token))
            && token.access_token.expose_secret() != seen.expose_secret()
        {
            return Ok(token.access_token.clone());
        }
        let identity = self.identity()?;
        // A new token that cannot be kept would make every command ask for one of its own.
        guard.try_saving().map_err(ours)?;
        let token = self.granted(&identity, present.as_ref()).await?;
        let access_token = token.access_token.clone();
        save(guard, token).await?;
        log::info!("{TITLE}: the organization's token was renewed");
        Ok(access_token)
    }

    /// This access token has worked: the generation before it is no longer needed.
    pub async fn used(&self, access_token: &SecretString) {
        let (plugindata, used) = (self.plugindata.clone(), access_token.clone());
        let forget = move || plugindata.forget_previous_organization_token(PROVIDER, &used);
        if let Err(error) = tokio::task::spawn_blocking(forget).await.map_err(anyhow::Error::from).flatten() {
            log::warn!("{TITLE}: {error:#}");
        }
    }

    /// What the present token reaches.
    pub fn reach(&self) -> Result<Reach, Failure> {
        let token = self.present()?;
        let mut reach = Reach::default();
        for word in token.iter().flat_map(Token::scopes) {
            match word.split_once('/') {
                Some(("organization", id)) => reach.organization = Some(id.to_owned()),
                Some(("group", id)) => reach.groups.push(id.to_owned()),
                _ => {}
            }
        }
        Ok(reach)
    }

    /// By the refresh tokens there are; then, as these may be spent, by the credentials.
    async fn granted(&self, identity: &Identity, present: Option<&Token>) -> Result<Token, Failure> {
        let previous = self.plugindata.previous_organization_token(PROVIDER).map_err(ours)?;
        let mut tried: Vec<String> = Vec::new();
        let mut why = None;
        for refresh in present.into_iter().chain(&previous).filter_map(|token| token.refresh_token.as_ref()) {
            if tried.iter().any(|token| token == refresh.expose_secret()) {
                continue;
            }
            tried.push(refresh.expose_secret().to_owned());
            match self.ask(identity, &Grant::Refresh(refresh)).await {
                Ok(token) => return Ok(token),
                Err(refused) if is_passing(&refused.failure) => return Err(refused.failure),
                Err(refused) => why = Some(refused),
            }
        }
        let Some(secret) = &identity.secret else {
            let missing =
                "there is no client secret for Fitbit Plus; write it under [fitbit-plus] in plugindata/fitbit.toml";
            let refused = why.map(|refused| format!("; {}", refused.words)).unwrap_or_default();
            return Err(Failure::Misconfigured(format!("{missing}{refused}")));
        };
        self.ask(identity, &Grant::Credentials(secret)).await.map_err(|refused| match refused.failure {
            failure if is_passing(&failure) => failure,
            _ => Failure::Misconfigured(refused.words),
        })
    }

    /// In the form of the vendor's schema first. Its examples have another `type`; a server that goes by those is asked
    /// in the flat form, which has none.
    async fn ask(&self, identity: &Identity, grant: &Grant<'_>) -> Result<Token, Refused> {
        let mut attributes = match grant {
            Grant::Credentials(secret) => {
                json!({"grant_type": "client_credentials", "client_secret": secret.expose_secret()})
            }
            Grant::Refresh(token) => json!({"grant_type": "refresh_token", "refresh_token": token.expose_secret()}),
        };
        attributes["client_id"] = identity.id.as_str().into();
        let whole = json!({"data": {"type": "token", "attributes": attributes}});
        match self.post(MEDIA_TYPE, &whole, grant).await {
            Err(Refused { failure: Failure::Refused(why), .. }) => {
                log::debug!("{TITLE}: {why}; asking in the flat form");
                self.post("application/json", &attributes, grant).await
            }
            answer => answer,
        }
    }

    async fn post(&self, media_type: &str, body: &Json, grant: &Grant<'_>) -> Result<Token, Refused> {
        let request = self.http.post(&self.token_url).timeout(PATIENCE).header("Accept", MEDIA_TYPE);
        let request = request.header("Content-Type", media_type).body(body.to_string());
        let response = request.send().await;
        let status = response.as_ref().ok().map(|response| response.status().as_u16());
        self.telemetry.asked(PROVIDER, "token", status);
        let response = response.map_err(|error| transport(&error))?;
        let status = response.status().as_u16();
        let body = read(response).await?;
        let now = self.clock.now();
        if !(200..=299).contains(&status) {
            let (Grant::Credentials(secret) | Grant::Refresh(secret)) = grant;
            return Err(refused(status, &body, None, now, secret));
        }
        let nothing = || Failure::Malformed(format!("{TITLE} answered without an access token"));
        Ok(token(&parse(&body)?, now).ok_or_else(nothing)?)
    }

    fn present(&self) -> Result<Option<Token>, Failure> {
        self.plugindata.organization_token(PROVIDER).map_err(ours)
    }

    fn is_usable(&self, token: &Token) -> bool {
        let ends = |at| at - self.clock.now() < MARGIN;
        !token.access_token.expose_secret().is_empty() && !token.expires_at.is_some_and(ends)
    }

    fn identity(&self) -> Result<Identity, Failure> {
        let client = self.plugindata.application().map_err(ours)?.client(PROVIDER);
        let missing = || {
            Failure::Misconfigured(format!(
                "there is no client id for {TITLE}; write the organization's client_id and client_secret under \
                 [{PROVIDER}] in plugindata/fitbit.toml"
            ))
        };
        Ok(Identity { id: client.id.ok_or_else(missing)?, secret: client.secret })
    }
}

/// Whether later may be better, with the same token.
fn is_passing(failure: &Failure) -> bool {
    use Failure::*;
    matches!(failure, Unavailable(_) | Silent(_) | Unreachable(_) | TooMuch(_) | QuotaSpent { .. } | Malformed(_))
}

/// A token as it is answered, in a document or flat. What it reaches stands in its relationships.
fn token(body: &Json, now: DateTime<Utc>) -> Option<Token> {
    let data = &body["data"];
    let attributes = if data["attributes"].is_object() { &data["attributes"] } else { body };
    let text = |key: &str| attributes[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let related = |name: &str| -> Vec<&str> {
        let data = &data["relationships"][name]["data"];
        let listed = data.as_array().map_or_else(|| std::slice::from_ref(data), Vec::as_slice);
        listed.iter().filter_map(|resource| resource["id"].as_str()).collect()
    };
    let organization = related("organization").into_iter().map(|id| format!("organization/{id}"));
    let reach: Vec<String> =
        organization.chain(related("groups").into_iter().map(|id| format!("group/{id}"))).collect();
    let life = attributes["expires_in"].as_i64().and_then(TimeDelta::try_seconds);
    Some(Token {
        access_token: text("access_token")?.into(),
        refresh_token: text("refresh_token").map(SecretString::from),
        token_type: "Bearer".into(),
        expires_at: life.filter(|life| *life > TimeDelta::zero() && *life < super::LONGEST_LIFE).map(|life| now + life),
        refresh_expires_at: None,
        scope: reach.join(" "),
        user_id: data["id"].as_str().map(str::to_owned),
    })
}

async fn save(guard: Arc<OrganizationGuard>, token: Token) -> Result<(), Failure> {
    let saved = tokio::task::spawn_blocking(move || guard.save_token(&token)).await;
    saved.map_err(anyhow::Error::from).flatten().map_err(ours)
}
