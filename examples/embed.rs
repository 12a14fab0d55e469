//! The bridge inside another program: it runs against the simulated cloud and the embedded broker until the first
//! values of a person have arrived, and is then stopped in order.
//!
//! `cargo run --example embed`

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::config::Config;
use fitbit2mqtt::plugindata::{Plugindata, Token};
use fitbit2mqtt::simulator::{Client, Options, Simulator};
use fitbit2mqtt::sink::mqtt::{Mqtt, Settings};
use fitbit2mqtt::store::Store;
use fitbit2mqtt::upstream::fitbit::FITBIT;
use fitbit2mqtt::web::server;
use fitbit2mqtt::{bridge, broker};

#[tokio::main]
async fn main() -> Result<()> {
    for (topic, payload) in first_values().await? {
        println!("{topic} {payload}");
    }
    Ok(())
}

/// What is published of anna up to the time her tracker last synced.
pub async fn first_values() -> Result<Vec<(String, String)>> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("data");
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));

    // The counterparts: a cloud and a broker. Your own program would have real ones.
    let listener = TcpListener::bind(any_port)?;
    let cloud_url = format!("http://{}", listener.local_addr()?);
    let cloud = Simulator::new(Options::default(), Clock::system());
    let cloud_server = server::serve(listener, cloud.clone())?;
    let broker = broker::start(any_port, None)?;
    consent(&Plugindata::new(&data_dir), &cloud)?;

    // The bridge: a configuration, a clock, a listener, and a future that ends it.
    let text = format!("data_dir = {data_dir:?}\nmqtt.url = \"mqtt://{broker}\"\n{}", cloud.configuration(&cloud_url));
    let config = Config::parse(Some((Path::new("embed.toml"), &text)), Vec::<(String, String)>::new())?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let bridge = tokio::spawn(bridge::run(config, Clock::system(), TcpListener::bind(any_port)?, async {
        let _ = stopped.await;
    }));

    // Any MQTT client will do; this is the bridge's own.
    let watcher = Mqtt::brief(Settings::new(format!("mqtt://{broker}"), "embed"), Store::in_memory().await?).await?;
    let mut messages = watcher.subscribe(&["sensors/fitbit/anna/#"])?;
    let mut seen = Vec::new();
    loop {
        let message = tokio::time::timeout(Duration::from_secs(30), messages.recv()).await.context("no value came")?;
        let message = message.context("the watcher was stopped")?;
        let last = message.topic == "sensors/fitbit/anna/tracker-last-sync";
        seen.push((message.topic, String::from_utf8_lossy(&message.payload).into_owned()));
        if last {
            break;
        }
    }

    let _ = stop.send(());
    bridge.await??;
    cloud_server.stop().await;
    Ok(seen)
}

/// The files as a consent of anna would have left them.
fn consent(plugindata: &Plugindata, cloud: &Simulator) -> Result<()> {
    let client = Client::confidential();
    plugindata.save_application(|edit| {
        edit.default_provider(FITBIT.provider)?;
        edit.client_id(FITBIT.provider, &client.id)?;
        edit.client_secret(FITBIT.provider, client.secret.as_deref().unwrap_or_default())
    })?;
    let scopes: Vec<&str> = FITBIT.scopes.iter().map(|(scope, _)| *scope).collect();
    let grant = cloud.grant(&client.id, 0, &scopes)?;
    let anna = "anna".parse()?;
    plugindata.create(&anna)?;
    let token = Token {
        access_token: grant.access_token.into(),
        refresh_token: Some(grant.refresh_token.into()),
        token_type: "Bearer".into(),
        expires_at: None,
        refresh_expires_at: None,
        scope: grant.scope,
        user_id: Some(grant.user_id),
    };
    plugindata.save_token(&anna, &token)?;
    Ok(())
}
