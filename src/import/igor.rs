//! Igor's database: `plugindata/fitbit` of the household and of each identity, as elements with text. Pure.

use anyhow::{Context, Result, ensure};
use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

use super::{Account, Client, Found, token, unix};

/// No element of Igor's stands deeper; a hostile file may.
const DEEPEST: usize = 64;

/// Reads a database. Igor guesses types when it reads (a client id `22E123` becomes a number there); here everything is
/// the text that was written.
pub(super) fn read(xml: &str) -> Result<Found> {
    let leaves = leaves(xml)?;
    ensure!(
        leaves.iter().any(|(path, _)| path[0] == "data"),
        "it is XML, but no database of Igor: that begins with <data>"
    );
    let common = |key: &str| {
        let path = ["data", "plugindata", "fitbit", key];
        leaves.iter().find(|(at, text)| *at == path && !text.is_empty()).map(|(_, text)| text.clone())
    };
    let client = common("client_id").map(|id| Client {
        provider: "fitbit",
        id,
        secret: common("client_secret").map(Into::into),
    });
    let mut accounts: Vec<Account> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for (path, _) in &leaves {
        if let [data, identities, name, plugindata, fitbit, ..] =
            path.iter().map(String::as_str).collect::<Vec<_>>()[..]
            && [data, identities, plugindata, fitbit] == ["data", "identities", "plugindata", "fitbit"]
            && !names.contains(&name)
        {
            names.push(name);
            accounts.push(account(name, &leaves, client.as_ref()));
        }
    }
    ensure!(client.is_some() || !accounts.is_empty(), "this database of Igor has no plugindata of fitbit");
    Ok(Found { program: "Igor", system: common("system"), clients: client.into_iter().collect(), accounts })
}

fn account(name: &str, leaves: &[(Vec<String>, String)], client: Option<&Client>) -> Account {
    let below = ["data", "identities", name, "plugindata", "fitbit"];
    let own: Vec<_> = leaves
        .iter()
        .filter(|(path, text)| path.len() > below.len() && path[..below.len()] == below && !text.is_empty())
        .map(|(path, text)| (&path[below.len()..], text.as_str()))
        .collect();
    // A token's scopes are elements of one name, one after another.
    let of_token = |key: &str| {
        let texts = own.iter().filter(|(path, _)| **path == ["token", key]).map(|(_, text)| *text);
        let joined = texts.collect::<Vec<_>>().join(" ");
        (!joined.is_empty()).then_some(joined)
    };
    let settings = own.iter().filter_map(|(path, text)| match path {
        [key] if key != "token" => Some((key.clone(), (*text).to_owned())),
        _ => None,
    });
    let expires_at = of_token("expires_at").and_then(|seconds| seconds.parse().ok()).and_then(unix);
    Account {
        name: name.parse().ok(),
        title: name.to_owned(),
        provider: "fitbit",
        settings: settings.collect(),
        token: token(of_token, expires_at),
        client: client.map(|client| client.id.clone()),
    }
}

/// Every element with the names on the way to it, and its own text; prefixes and attributes are of no interest.
fn leaves(xml: &str) -> Result<Vec<(Vec<String>, String)>> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut leaves = Vec::new();
    let mut open: Vec<(String, String)> = Vec::new();
    loop {
        match reader.read_event().context("reading XML")? {
            Event::Start(element) => {
                ensure!(open.len() < DEEPEST, "its elements stand more than {DEEPEST} deep");
                open.push((element.local_name().as_ref().to_owned(), String::new()));
            }
            Event::Text(text) => add(&mut open, &text),
            Event::CData(text) => add(&mut open, &text),
            Event::GeneralRef(reference) => match reference.resolve_char_ref().context("reading XML")? {
                Some(letter) => add(&mut open, letter.encode_utf8(&mut [0; 4])),
                None => {
                    let text = resolve_predefined_entity(&reference);
                    add(&mut open, text.context("it has an entity that XML does not know")?);
                }
            },
            Event::End(_) => {
                let path = open.iter().map(|(name, _)| name.clone()).collect();
                let text = open.pop().map(|(_, text)| text.trim().to_owned()).unwrap_or_default();
                leaves.push((path, text));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    ensure!(open.is_empty(), "the XML ends before its end");
    Ok(leaves)
}

fn add(open: &mut [(String, String)], text: &str) {
    if let Some((_, all)) = open.last_mut() {
        all.push_str(text);
    }
}
