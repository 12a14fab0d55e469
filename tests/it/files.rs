//! The files people and programs share: what is written is whole, private and keeps everyone's words.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod obstacles;
mod races;

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use chrono::{DateTime, Utc};
use fitbit2mqtt::config::{Client, Config, providers};
use fitbit2mqtt::manifest::{Manifest, Verb};
use fitbit2mqtt::plan::KEYWORDS;
use fitbit2mqtt::plugindata::{Plugindata, Token, application_keys, person_keys, settings as person_settings};
use fitbit2mqtt::reading::Person;
use secrecy::ExposeSecret;
use tempfile::TempDir;

/// A data directory of its own, with anna in it.
struct World {
    folder: TempDir,
    plugindata: Plugindata,
    anna: Person,
}

impl World {
    fn new() -> World {
        let folder = TempDir::new().unwrap();
        let plugindata = Plugindata::new(folder.path());
        let anna: Person = "anna".parse().unwrap();
        plugindata.create(&anna).unwrap();
        World { folder, plugindata, anna }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join(path)
    }

    fn file(&self) -> std::path::PathBuf {
        self.path("identities/anna/plugindata/fitbit.toml")
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn write(&self, text: &str) {
        fs::write(self.file(), text).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("identities/anna/plugindata")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn token(generation: u32) -> Token {
    Token {
        access_token: format!("access-{generation}").into(),
        refresh_token: Some(format!("refresh-{generation}").into()),
        token_type: "Bearer".into(),
        expires_at: Some(time("2026-11-20T18:00:00Z")),
        refresh_expires_at: None,
        scope: "activity sleep".into(),
        user_id: Some("26FWFL".into()),
    }
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn access(token: Option<Token>) -> Option<String> {
    token.map(|token| token.access_token.expose_secret().to_owned())
}

#[test]
fn a_folder_is_a_person_and_an_empty_one_awaits_consent() {
    let world = World::new();
    for name in ["bob", "not a name", ".hidden", "9lives"] {
        fs::create_dir(world.path("identities").join(name)).unwrap();
    }
    fs::write(world.path("identities/readme"), "").unwrap();
    let people = world.plugindata.people().unwrap();
    assert_eq!(people.iter().map(Person::as_str).collect::<Vec<_>>(), ["anna", "bob"]);

    for awaiting in &people {
        assert!(world.plugindata.person(awaiting).unwrap().unwrap().token.is_none());
    }
    world.write("");
    assert!(world.plugindata.person(&world.anna).unwrap().unwrap().token.is_none());
    assert!(world.plugindata.person(&"carl".parse().unwrap()).unwrap().is_none());

    let nobody = TempDir::new().unwrap();
    assert!(Plugindata::new(nobody.path()).people().unwrap().is_empty());
}

#[test]
fn what_looks_like_a_number_is_text() {
    let world = World::new();
    fs::create_dir_all(world.path("plugindata")).unwrap();
    let write = |text: &str| fs::write(world.path("plugindata/fitbit.toml"), text).unwrap();
    for (written, read) in [("22E123", "22E123"), ("123456", "123456"), ("\"00123\"", "00123"), ("1_0", "1_0")] {
        write(&format!("[fitbit]\nclient_id = {written}\nclient_secret = {written}\n"));
        let client = world.plugindata.application().unwrap().client("fitbit");
        assert_eq!(client.id.as_deref(), Some(read));
        assert_eq!(client.secret.unwrap().expose_secret(), read);
    }
    world.write("limit = 10\nbase_date = 2026-11-01\n");
    let keywords = world.plugindata.person(&world.anna).unwrap().unwrap().keywords;
    assert_eq!((keywords["limit"].as_str(), keywords["base_date"].as_str()), ("10", "2026-11-01"));
}

#[test]
fn the_environment_wins_over_the_applications_file() {
    let world = World::new();
    world
        .plugindata
        .save_application(|edit| {
            edit.client_id("fitbit", "file")?;
            edit.client_secret("fitbit", "hush")?;
            edit.system("en_US")?;
            edit.default_provider("fitbit")
        })
        .unwrap();
    let environment = [("FITBIT2MQTT_FITBIT__CLIENT_ID", "environment")];
    let clients: Vec<Client> = Config::parse(None, environment).unwrap().clients;
    let application = world.plugindata.clone().overridden_by(clients).application().unwrap();
    let client = application.client("fitbit");
    assert_eq!(client.id.as_deref(), Some("environment"));
    assert!(client.id_from_environment && !client.secret_from_environment);
    assert_eq!(client.secret.as_ref().unwrap().expose_secret(), "hush");
    assert_eq!((application.system.as_deref(), application.provider.as_deref()), (Some("en_US"), Some("fitbit")));
    assert!(!format!("{application:?}").contains("hush"));
    assert_eq!(mode(&world.path("plugindata/fitbit.toml")), 0o600);
    assert_eq!(mode(&world.path("plugindata")), 0o700);
}

#[test]
fn an_empty_client_secret_keeps_the_stored_one() {
    let world = World::new();
    fs::create_dir_all(world.path("plugindata")).unwrap();
    let path = world.path("plugindata/fitbit.toml");
    let text = "# ours\nsystem = 'nl_NL'\n\n[fitbit] # of 2026\n# from dev.fitbit.com\nclient_id = 22123\nclient_secret = 'x'\n";
    fs::write(&path, text).unwrap();
    let save = |id: &'static str, secret: &'static str| {
        world.plugindata.save_application(|edit| {
            edit.client_id("fitbit", id)?;
            edit.client_secret("fitbit", secret)
        })
    };
    save("23ABCD", "").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text.replace("22123", "\"23ABCD\""));
    save("", "y").unwrap();
    let application = world.plugindata.application().unwrap();
    assert_eq!(application.client("fitbit").id, None);
    assert_eq!(application.client("fitbit").secret.as_ref().unwrap().expose_secret(), "y");
    assert!(fs::read_to_string(&path).unwrap().contains("# from dev.fitbit.com"));
    let refused = world.plugindata.save_application(|edit| edit.default_provider("garmin")).unwrap_err().to_string();
    assert!(refused.contains("garmin") && refused.contains("allowed: google-health, fitbit"), "{refused}");
}

#[test]
fn a_client_secret_may_stand_in_a_file() {
    let world = World::new();
    fs::create_dir_all(world.path("plugindata")).unwrap();
    let secret = world.path("secret");
    fs::write(&secret, "hush\n").unwrap();
    let path = world.path("plugindata/fitbit.toml");
    fs::write(&path, format!("[fitbit]\nclient_secret_file = {secret:?}\n")).unwrap();
    let application = world.plugindata.application().unwrap();
    assert_eq!(application.client("fitbit").secret.as_ref().unwrap().expose_secret(), "hush");
    fs::remove_file(&secret).unwrap();
    let refused = world.plugindata.application().unwrap_err().to_string();
    assert!(refused.contains("line 2") && refused.contains("client_secret_file"), "{refused}");
}

#[test]
fn a_save_keeps_comments_order_and_unknown_keys() {
    let world = World::new();
    let text = "# anna's own words\nfavourite = 'blue' # kept\n\nperiod = \"30d\"   # a month\n# metrics = ['steps']\n\
                system = 'en_US'\n\n# do not touch\n[token]   # by hand\n# the short one\naccess_token = 'access-1' # !\n\
                refresh_token = 'refresh-1'\nnote = 'mine'\nexpires_at = 2026-11-20T18:00:00Z\n\n[other]\nx = 1\n";
    world.write(text);
    let next = Token { refresh_token: Some("refresh-2".to_owned().into()), ..token(2) };
    world.plugindata.save_token(&world.anna, &next).unwrap();
    world.plugindata.save(&world.anna, |edit| edit.set("period", "7d")).unwrap();
    let expected = text
        .replace("\"30d\"", "\"7d\"")
        .replace("'access-1'", "\"access-2\"")
        .replace("'refresh-1'", "\"refresh-2\"")
        .replace(
            "18:00:00Z\n",
            "18:00:00Z\ntoken_type = \"Bearer\"\nscope = \"activity sleep\"\nuser_id = \"26FWFL\"\n",
        );
    assert_eq!(world.text(), expected);

    world.plugindata.save(&world.anna, |edit| edit.set("system", "")).unwrap();
    world.plugindata.delete_token(&world.anna).unwrap();
    let left = world.text();
    for kept in
        ["# anna's own words", "favourite", "# metrics = ['steps']", "# do not touch", "# the short one", "[other]"]
    {
        assert!(left.contains(kept), "{kept} in:\n{left}");
    }
    for gone in ["access-", "refresh-", "[token]", "system"] {
        assert!(!left.contains(gone), "{gone} in:\n{left}");
    }
    assert_eq!(world.plugindata.person(&world.anna).unwrap().unwrap().keywords["period"], "7d");
}

#[test]
fn a_token_survives_the_file_and_is_never_printed() {
    let world = World::new();
    let saved = Token { refresh_expires_at: Some(time("2027-11-20T18:00:00Z")), ..token(1) };
    world.plugindata.save_token(&world.anna, &saved).unwrap();
    let person = world.plugindata.person(&world.anna).unwrap().unwrap();
    let printed = format!("{person:?}");
    assert!(!printed.contains("access-1") && !printed.contains("refresh-1"), "{printed}");
    let read = person.token.unwrap();
    assert_eq!(read.access_token.expose_secret(), "access-1");
    assert_eq!(read.refresh_token.as_ref().unwrap().expose_secret(), "refresh-1");
    assert_eq!((read.expires_at, read.refresh_expires_at), (saved.expires_at, saved.refresh_expires_at));
    assert_eq!(read.scopes().collect::<Vec<_>>(), ["activity", "sleep"]);
    assert_eq!((read.token_type.as_str(), read.user_id.as_deref()), ("Bearer", Some("26FWFL")));
    assert!(world.text().contains("expires_at = 2026-11-20T18:00:00Z\n"), "{}", world.text());
    assert_eq!(mode(&world.file()), 0o600);

    world.write("[token]\naccess_token = 'a'\nexpires_at = '2026-11-20T19:00:00+01:00'\n");
    let read = world.plugindata.person(&world.anna).unwrap().unwrap().token.unwrap();
    assert_eq!((read.expires_at, read.token_type.as_str()), (Some(time("2026-11-20T18:00:00Z")), "Bearer"));
    world.write("[token]\naccess_token = ''\nscope = 'sleep'\n");
    assert!(world.plugindata.person(&world.anna).unwrap().unwrap().token.is_none());
}

#[test]
fn the_previous_token_is_kept_until_the_new_one_has_been_used() {
    let world = World::new();
    let previous = || access(world.plugindata.previous(&world.anna).unwrap());
    world.plugindata.save_token(&world.anna, &token(1)).unwrap();
    assert_eq!(previous(), None);
    world.plugindata.save_token(&world.anna, &token(2)).unwrap();
    assert_eq!(previous().as_deref(), Some("access-1"));
    assert_eq!(mode(&world.path("identities/anna/plugindata/fitbit.toml.previous")), 0o600);

    world.plugindata.forget_previous(&world.anna, &token(1).access_token).unwrap();
    assert_eq!(previous().as_deref(), Some("access-1"), "the token used is no longer the present one");
    world.plugindata.forget_previous(&world.anna, &token(2).access_token).unwrap();
    assert_eq!(previous(), None);
    world.plugindata.forget_previous(&world.anna, &token(2).access_token).unwrap();

    world.plugindata.save_token(&world.anna, &token(3)).unwrap();
    world.plugindata.delete_token(&world.anna).unwrap();
    assert_eq!(previous(), None);
    assert_eq!(world.names(), ["fitbit.lock", "fitbit.toml"]);
}

#[test]
fn settings_are_checked_and_an_empty_one_is_removed() {
    let world = World::new();
    let set = |key: &str, value: &str| world.plugindata.save(&world.anna, |edit| edit.set(key, value));
    set("methods", " get_sleep , get_bodyweight ").unwrap();
    set("metrics", "body-weight,steps").unwrap();
    set("provider", "fitbit").unwrap();
    for keyword in KEYWORDS {
        set(keyword, "1").unwrap();
    }
    let person = world.plugindata.person(&world.anna).unwrap().unwrap();
    assert_eq!(person.methods.as_deref().unwrap(), ["get_sleep", "get_bodyweight"]);
    assert_eq!(person.metrics.as_deref().unwrap(), ["body-weight", "steps"]);
    assert!(world.text().contains("metrics = [\"body-weight\", \"steps\"]"), "{}", world.text());
    assert_eq!(person.keywords.len(), KEYWORDS.len());
    for (key, value) in [("methods", "get_sleep,get_bodyweight"), ("metrics", "body-weight,steps"), ("limit", "1")] {
        assert_eq!(person.setting(key).as_deref(), Some(value));
    }

    let before = world.text();
    for (key, value, part) in [
        ("provider", "garmin", "allowed: google-health, fitbit"),
        ("metrics", "steps,body-wieght", "did you mean body-weight?"),
        ("methods", "get sleep", "separated by commas"),
        ("system", "en_US\n[token]", "one line"),
        ("token", "x", "allowed: provider, methods"),
        ("account", "x", "cannot be set"),
        ("colour", "x", "`colour` cannot be set"),
    ] {
        let refused = set(key, value).unwrap_err().to_string();
        assert!(refused.contains(part), "{refused}");
        assert_eq!(world.plugindata.check_setting(key, value).unwrap_err().to_string(), refused);
    }
    world.plugindata.check_setting("system", "en_US").unwrap();
    assert_eq!(world.text(), before);

    for key in person_settings() {
        set(key, "").unwrap();
    }
    assert_eq!(world.text().trim(), "");
}

#[test]
fn the_account_is_written_once() {
    let world = World::new();
    world.plugindata.save_consent(&world.anna, &token(1), "7f3a91c2").unwrap();
    world.plugindata.save_consent(&world.anna, &token(2), "11111111").unwrap();
    let mut accounts = Vec::new();
    for fresh in ["7f3a91c2", "00000000"] {
        world
            .plugindata
            .save(&world.anna, |edit| {
                accounts.push(edit.account(fresh));
                Ok(())
            })
            .unwrap();
    }
    assert_eq!(accounts, ["7f3a91c2", "7f3a91c2"]);
    assert_eq!(world.plugindata.person(&world.anna).unwrap().unwrap().account.as_deref(), Some("7f3a91c2"));
}

#[test]
fn a_broken_file_is_named_with_its_line_and_not_overwritten() {
    let world = World::new();
    let bob: Person = "bob".parse().unwrap();
    world.plugindata.create(&bob).unwrap();
    for (text, line, part) in [
        ("period = '30d'\n[token]\naccess_token = hunter2\n", "line 3", "not valid TOML"),
        ("\nmetrics = ['body-wieght']\n", "line 2", "did you mean body-weight?"),
        ("provider = 'garmin'\n", "line 1", "allowed: google-health, fitbit"),
        ("[token]\naccess_token = 'hunter2'\nexpires_at = 'soon'\n", "line 3", "2026-11-20T18:00:00Z"),
        ("token = 3\n", "line 1", "[token]"),
        ("methods = [1]\n", "line 1", "`methods`"),
    ] {
        world.write(text);
        let refused = format!("{:#}", world.plugindata.person(&world.anna).unwrap_err());
        assert!(refused.contains(&format!("{} {line}", world.file().display())), "{refused}");
        assert!(refused.contains(part) && !refused.contains("hunter2"), "{refused}");
        assert!(world.plugindata.person(&bob).unwrap().is_some());
    }
    assert_eq!(world.plugindata.people().unwrap().len(), 2);

    let broken = "period = '30d'\n[token]\naccess_token = hunter2\n";
    world.write(broken);
    let guard = world.plugindata.lock(&world.anna).unwrap();
    for refused in [guard.save(|edit| edit.set("period", "1d")), guard.save_token(&token(2)), guard.try_saving()] {
        let refused = format!("{:#}", refused.unwrap_err());
        assert!(refused.contains("line 3") && !refused.contains("hunter2"), "{refused}");
    }
    assert_eq!(world.text(), broken);
    assert_eq!(world.names(), ["fitbit.lock", "fitbit.toml"]);
}

#[test]
fn the_manifest_and_the_code_agree() {
    let manifest = Manifest::embedded();
    let keys = |fields: &[fitbit2mqtt::manifest::Field]| fields.iter().map(|f| f.key.clone()).collect::<Vec<_>>();
    assert_eq!(keys(&manifest.plugindata.application), application_keys().collect::<Vec<_>>());
    let mut described = keys(&manifest.plugindata.person);
    let mut known: Vec<String> = person_keys().collect();
    described.sort();
    known.sort();
    assert_eq!(described, known);
    let secrets =
        manifest.plugindata.application.iter().chain(&manifest.plugindata.person).filter(|field| field.secret);
    let secrets: Vec<&str> = secrets.map(|field| field.key.as_str()).collect();
    let organization = ["fitbit-plus.token.access_token", "fitbit-plus.token.refresh_token"];
    assert_eq!(secrets[1..3], organization);
    assert_eq!(
        [secrets[0], secrets[3], secrets[4]],
        ["{provider}.client_secret", "token.access_token", "token.refresh_token"]
    );
    assert_eq!(secrets.len(), 5);

    let named: Vec<&str> = manifest.providers.iter().map(|provider| provider.name.as_str()).collect();
    assert_eq!(named, providers().collect::<Vec<_>>());

    let taken = |verb, path: &str| -> Vec<&str> {
        let entry = manifest.entrypoint(verb, path).expect(path);
        entry.parameters.iter().map(|parameter| parameter.name.as_str()).collect()
    };
    let fetch = taken(Verb::Get, "/plugin/fitbit");
    assert_eq!(fetch[..4], ["user", "group", "methods", "force"]);
    assert_eq!(fetch[4..], *KEYWORDS);
    let command = taken(Verb::Post, "/plugin/fitbit/command");
    assert!(KEYWORDS.iter().all(|keyword| command.contains(keyword)), "{command:?}");
    let user_settings = taken(Verb::Post, "/plugin/fitbit/userSettings");
    assert!(person_settings().all(|key| user_settings.contains(&key)), "{user_settings:?}");
}
