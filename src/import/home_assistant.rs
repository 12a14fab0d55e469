//! Home Assistant's `.storage`: config entries of the integrations `fitbit` and `google_health` hold the tokens,
//! `application_credentials` the applications. Pure.

use anyhow::{Result, bail, ensure};
use serde_json::Value as Json;

use super::{Account, Client, Found, token, unix};

/// The file with the tokens.
pub(super) const ENTRIES: &str = "core.config_entries";
const APPLICATIONS: &str = "application_credentials";
/// Which upstream an integration asks.
const DOMAINS: [(&str, &str); 2] = [("fitbit", "fitbit"), ("google_health", "google-health")];

/// The name of the file that belongs to the one with this `key`.
pub(super) fn beside(key: &str) -> Result<&'static str> {
    match key {
        ENTRIES => Ok(APPLICATIONS),
        APPLICATIONS => Ok(ENTRIES),
        _ => bail!("it is the part {key:?} of Home Assistant's storage"),
    }
}

/// Reads both files, in any order; one that is not there is null.
pub(super) fn read(files: [&Json; 2]) -> Result<Found> {
    let list = |key: &str, list: &str| {
        let file = files.iter().find(|file| file["key"] == key);
        file.and_then(|file| file["data"][list].as_array()).cloned().unwrap_or_default()
    };
    let provider = |entry: &Json| DOMAINS.iter().find(|(domain, _)| entry["domain"] == *domain).map(|(_, name)| *name);
    let text = |value: &Json| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);

    let mut clients: Vec<(String, Client)> = Vec::new();
    for item in list(APPLICATIONS, "items") {
        if let (Some(provider), Some(id)) = (provider(&item), text(&item["client_id"])) {
            let known_as = text(&item["auth_domain"]).or(text(&item["id"])).unwrap_or_default();
            clients.push((known_as, Client { provider, id, secret: text(&item["client_secret"]).map(Into::into) }));
        }
    }
    let mut accounts = Vec::new();
    for entry in list(ENTRIES, "entries") {
        let Some(provider) = provider(&entry) else { continue };
        let data = &entry["data"]["token"];
        let client = clients.iter().find(|(known_as, _)| entry["data"]["auth_implementation"] == **known_as);
        let client = client.or(clients.iter().find(|(_, client)| client.provider == provider));
        let title = text(&entry["title"]).unwrap_or_else(|| "an entry without a title".to_owned());
        let part = |key: &str| match key {
            // The integration's own identifier of an entry is the account's.
            "user_id" if provider == "fitbit" => text(&data[key]).or_else(|| text(&entry["unique_id"])),
            _ => text(&data[key]),
        };
        accounts.push(Account {
            name: name(&title),
            title,
            provider,
            settings: Vec::new(),
            token: token(part, data["expires_at"].as_f64().and_then(unix)),
            client: client.map(|(_, client)| client.id.clone()),
        });
    }
    ensure!(!clients.is_empty() || !accounts.is_empty(), "this Home Assistant has no fitbit and no google_health");
    // Home Assistant may keep several applications of one upstream, and here there is one.
    let mut kept: Vec<Client> = Vec::new();
    for (_, client) in clients {
        let used = accounts.iter().any(|account| account.client.as_ref() == Some(&client.id));
        match kept.iter_mut().find(|known| known.provider == client.provider) {
            Some(known) if used => *known = client,
            Some(_) => {}
            None => kept.push(client),
        }
    }
    Ok(Found { program: "Home Assistant", system: None, clients: kept, accounts })
}

/// The first word of a title as a name: `Anna K.` becomes `anna`.
fn name(title: &str) -> Option<crate::reading::Person> {
    title.split_whitespace().next()?.to_lowercase().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_name_where_it_can() {
        assert_eq!(name("Anna K.").map(|name| name.to_string()).as_deref(), Some("anna"));
        assert_eq!(name("Ångström"), None);
        assert_eq!(name("  "), None);
    }
}
