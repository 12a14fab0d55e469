//! Fitbit Plus, through the reader and the real program: an organization of one test's own at the simulated cloud.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod command;
mod contract;
mod group;
mod identity;
mod paging;
pub mod person;
mod token;

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use fitbit2mqtt::clock::Clock;
use fitbit2mqtt::config::Config;
use fitbit2mqtt::plugindata::Plugindata;
use fitbit2mqtt::plus::Reader;
use fitbit2mqtt::simulator::{Clinic, Options, PLUS_CREDENTIALS, Programme, Simulator};
use fitbit2mqtt::upstream::fitbit_plus::PROVIDER;
use fitbit2mqtt::upstream::fitbit_plus::request::{Request, Wanted};
use fitbit2mqtt::web::server::{self, Running};
use serde_json::Value as Json;

/// What a command prints, tells and ends with.
type Ended = (i32, String, String);

/// An organization, its simulated cloud, and a data folder with its credentials.
struct Care {
    folder: tempfile::TempDir,
    cloud: Arc<Simulator>,
    clock: Clock,
    configuration: String,
    reader: Reader,
    _cloud: Running,
}

impl Care {
    fn new(programme: Programme) -> Care {
        // The real program has the machine's clock.
        let clock = Clock::paced(chrono::Utc::now(), 1.0);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cloud = Simulator::new(Options { programme, ..Options::default() }, clock.clone());
        let running = server::serve(listener, cloud.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let configuration = format!("data_dir = {data:?}\n{}", cloud.configuration(&url));
        let text = (Path::new("test.toml"), configuration.as_str());
        let config = Config::parse(Some(text), Vec::<(String, String)>::new()).unwrap();
        let reader = Reader::new(&config, clock.clone()).unwrap();
        let care = Care { folder, cloud, clock, configuration, reader, _cloud: running };
        care.register(PLUS_CREDENTIALS.1);
        care
    }

    fn register(&self, secret: &str) {
        self.plugindata()
            .save_application(|edit| {
                edit.client_id(PROVIDER, PLUS_CREDENTIALS.0)?;
                edit.client_secret(PROVIDER, secret)
            })
            .unwrap();
    }

    fn plugindata(&self) -> Plugindata {
        Plugindata::new(self.folder.path().join("data"))
    }

    fn clinic(&self) -> &Clinic {
        self.cloud.clinic()
    }

    async fn request(&self, wanted: &Wanted) -> Request {
        let reach = self.reader.reach().await.unwrap();
        Request::new(wanted, Some(&reach)).unwrap()
    }

    /// Everything that comes, and what is said at the end.
    async fn read(&self, wanted: &Wanted) -> (Vec<Json>, Result<u64, String>) {
        let request = self.request(wanted).await;
        let mut rows = Vec::new();
        let each = |row| {
            rows.push(row);
            Ok(())
        };
        let outcome = self.reader.read(&request, each, |_, _| {}).await;
        (rows, outcome.map_err(|error| format!("{error:#}")))
    }

    /// The real program with these arguments.
    fn program(&self, arguments: &[&str]) -> std::process::Command {
        let path = self.folder.path().join("fitbit2mqtt.toml");
        std::fs::write(&path, &self.configuration).unwrap();
        let mut command = crate::command_line::bare(&["--config", path.to_str().unwrap(), "plus"]);
        command.args(arguments);
        command
    }

    async fn ended(&self, arguments: &[&str]) -> Ended {
        let mut command = self.program(arguments);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}

fn wanted(resource: &str, filters: &[(&str, &str)]) -> Wanted {
    let filters = filters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Wanted { resource: resource.into(), filters, ..Wanted::default() }
}

fn ids(rows: &[Json]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str().unwrap()).collect()
}
