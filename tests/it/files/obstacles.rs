//! Something strange in the way of a write: links, folders where files belong, modes too narrow or too wide.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use fitbit2mqtt::reading::Person;
use fitbit2mqtt::store::Store;
use tempfile::TempDir;

use super::{World, access, mode, token};

#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let world = World::new();
    let elsewhere = TempDir::new().unwrap();
    let aim = elsewhere.path().join("fitbit.toml");
    fs::write(&aim, "period = '1d'\n").unwrap();

    symlink(&aim, world.file()).unwrap();
    let refused = world.plugindata.save_token(&world.anna, &token(1)).unwrap_err().to_string();
    assert!(refused.contains("symbolic link") && refused.contains(world.file().to_str().unwrap()), "{refused}");
    assert!(world.plugindata.lock(&world.anna).unwrap().try_saving().is_err());

    fs::create_dir(world.path("identities/bob")).unwrap();
    symlink(elsewhere.path(), world.path("identities/bob/plugindata")).unwrap();
    let bob: Person = "bob".parse().unwrap();
    assert!(world.plugindata.lock(&bob).unwrap_err().to_string().contains("symbolic link"));
    symlink(elsewhere.path(), world.path("identities/carl")).unwrap();
    assert!(world.plugindata.remove(&"carl".parse().unwrap()).is_err());

    assert_eq!(fs::read_to_string(&aim).unwrap(), "period = '1d'\n");
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    assert_eq!(world.names(), ["fitbit.lock", "fitbit.toml"]);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let world = World::new();
    fs::create_dir(world.file()).unwrap();
    let refused = format!("{:#}", world.plugindata.save_token(&world.anna, &token(1)).unwrap_err());
    assert!(refused.contains(world.file().to_str().unwrap()) && refused.contains("move it away"), "{refused}");
    fs::write(world.path("identities/bob"), "").unwrap();
    let refused = format!("{:#}", world.plugindata.create(&"bob".parse().unwrap()).unwrap_err());
    assert!(refused.contains("identities/bob"), "{refused}");
    assert_eq!(world.names(), ["fitbit.lock", "fitbit.toml"]);
}

/// For a user whom no mode stops (root), the whole new file is what must be there instead.
#[test]
fn a_folder_that_may_not_be_written_leaves_the_old_file_whole() {
    let world = World::new();
    world.plugindata.save_token(&world.anna, &token(1)).unwrap();
    let folder = world.path("identities/anna/plugindata");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    let unstoppable = fs::write(folder.join("probe"), "").is_ok_and(|()| fs::remove_file(folder.join("probe")).is_ok());
    let saved = world.plugindata.save_token(&world.anna, &token(2));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    let now = access(world.plugindata.person(&world.anna).unwrap().unwrap().token);
    if unstoppable {
        saved.unwrap();
        assert_eq!(now.as_deref(), Some("access-2"));
    } else {
        let refused = format!("{:#}", saved.unwrap_err());
        assert!(refused.contains("fitbit.toml") && refused.contains("the user this program runs as"), "{refused}");
        assert_eq!(now.as_deref(), Some("access-1"));
        assert_eq!(world.names(), ["fitbit.lock", "fitbit.toml"]);
    }
}

#[test]
fn folders_and_files_are_the_owners_alone() {
    let world = World::new();
    let folder = world.path("identities/anna/plugindata");
    for path in [&world.path("identities"), &world.path("identities/anna"), &folder] {
        assert_eq!(mode(path), 0o700, "{}", path.display());
    }
    world.write("period = '1d'\n");
    fs::set_permissions(world.file(), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    world.plugindata.save_token(&world.anna, &token(1)).unwrap();
    assert_eq!((mode(&world.file()), mode(&folder)), (0o600, 0o700));
    assert_eq!(mode(&folder.join("fitbit.lock")), 0o600);
}

#[tokio::test]
async fn the_store_is_its_owners_alone_also_where_it_was_not() {
    let world = World::new();
    let path = world.path("fitbit2mqtt.db");
    let anna = world.anna.clone();
    let check = async |store: Store| {
        store.note_removed(&anna).await.unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let file = world.path(&format!("fitbit2mqtt.db{suffix}"));
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    };
    check(Store::open(&path).await.unwrap()).await;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    check(Store::open(&path).await.unwrap()).await;
}
