//! One JSON object with one token: what fitbit-grafana keeps under `TOKEN_FILE_PATH`, and what Home Assistant kept in
//! `fitbit.conf` before it had config entries. Pure.

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use super::{Account, Client, Found, token, unix};

/// How long an access token of Fitbit lasts where the file says only when it was saved.
const USUAL_LIFE: f64 = 28_800.0;

/// Reads the object. fitbit-grafana writes `saved_at_utc`, `expires_in` and `provider`, in older versions none of them;
/// Home Assistant wrote the application and `last_saved_at`.
pub(super) fn read(json: &Json) -> Result<Found> {
    let text = |key: &str| json.get(key).and_then(Json::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let program = if json.get("last_saved_at").is_some() { "Home Assistant" } else { "fitbit-grafana" };
    let provider = match text("provider").as_deref() {
        None | Some("fitbit") => "fitbit",
        Some("google") => "google-health",
        Some(other) => bail!("its provider is {other:?}, and fitbit and google are known"),
    };
    let saved = match json.get("last_saved_at").and_then(Json::as_f64) {
        Some(seconds) => unix(seconds),
        None => text("saved_at_utc").and_then(|time| time.parse::<DateTime<Utc>>().ok()),
    };
    let life = json.get("expires_in").and_then(Json::as_f64).unwrap_or(USUAL_LIFE);
    let expires_at = saved.and_then(|saved| unix(saved.timestamp() as f64 + life));
    let token = token(text, expires_at).context("it has neither access_token nor refresh_token")?;
    let client = text("client_id").map(|id| Client { provider, id, secret: text("client_secret").map(Into::into) });
    let account = Account {
        name: None,
        title: format!("the account in the token file of {program}"),
        provider,
        settings: Vec::new(),
        token: Some(token),
        client: client.as_ref().map(|client| client.id.clone()),
    };
    Ok(Found { program, system: None, clients: client.into_iter().collect(), accounts: vec![account] })
}
