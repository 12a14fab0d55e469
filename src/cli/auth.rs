//! `auth`: consent in the terminal. It prints an address and takes the one it ended on; a running bridge may take it first.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::print;
use crate::bridge::{self, Parts};
use crate::clock::Clock;
use crate::config::Config;
use crate::oauth::ConsentError;
use crate::reading::Person;

/// Begins a consent and waits until it is given or refused.
pub(super) async fn auth(config: Config, user: Person) -> Result<()> {
    let store = bridge::store(&config).await?;
    let parts = Parts::new(&config, Clock::system(), store, Vec::new())?;
    parts.household.plugindata.create(&user)?;
    let member = parts.household.member(&user).await?.context("the person's folder is gone")?;
    let before = member.file.token.as_ref().map(|token| token.expires_at);
    let address = parts.oauth.begin(&member).await?;
    eprintln!("Open this address in a browser, on any device, and consent as {user}:\n");
    print(&format!("{address}\n"))?;
    eprintln!("\nThen paste the address of the page it ended on (also if that page could not be shown):");
    let (sender, mut lines) = tokio::sync::mpsc::channel(1);
    // Reading standard input cannot be interrupted, so it has a thread of its own.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(|line| line.ok()) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut ended = false;
    loop {
        let line = tokio::select! {
            line = lines.recv(), if !ended => line,
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                // A running bridge may have received the redirect itself.
                let member = parts.household.member(&user).await?.context("the person's folder is gone")?;
                if member.file.token.as_ref().is_some_and(|token| Some(token.expires_at) != before) {
                    eprintln!("{user} is connected.");
                    return Ok(());
                }
                if ended {
                    bail!("no address of a consent was pasted, so {user} is not connected");
                }
                continue;
            }
        };
        let Some(line) = line else {
            ended = true;
            continue;
        };
        if line.trim().is_empty() {
            continue;
        }
        let connected = match parts.oauth.paste(&line, &user).await {
            Ok(connected) => connected,
            // Nothing is lost yet: the next paste may be the right one.
            Err(error @ ConsentError::Missing(_)) => {
                eprintln!("That is not it: {error}.");
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        eprintln!("{} is connected.", connected.person);
        if let Some(warning) = connected.warning {
            eprintln!("Mind: {warning}.");
        }
        for (scope, gives) in connected.missing {
            eprintln!("Not allowed: {scope} ({gives}); connect again to add it.");
        }
        return Ok(());
    }
}
