//! `[store]`: where everything that was measured is kept. Opens nothing.

use anyhow::{Result, bail};
use secrecy::{ExposeSecret, SecretString};

use super::address;
use super::settings::Values;

/// `store.url`, which may hold a password; `None`: a file in `data_dir`.
pub(super) fn read(values: &Values) -> Result<Option<SecretString>> {
    let url = values.secret("store.url")?;
    if url.as_ref().is_some_and(|url| !address::is_database(url.expose_secret())) {
        let key = if values.is_given("store.url") { "store.url" } else { "store.url_file" };
        bail!(
            "{}: `{key}` (not shown) is neither sqlite:PATH nor postgres://USER:PASSWORD@HOST:PORT/DATABASE; in user and \
             password, write what is neither letter nor digit as % and two hexadecimal digits",
            values.place_of(key)
        );
    }
    Ok(url)
}
