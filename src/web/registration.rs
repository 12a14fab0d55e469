//! How this application is registered at each upstream, and what to enter in its form, field by field, in its own words.
//! Pure; the guides in `setup/` say the same at length.

use serde::Serialize;

use super::page::{Notice, ProviderView};
use crate::oauth::redirect;
use crate::plugindata::Application;
use crate::upstream::{UPSTREAMS, Upstream};

/// A registration form and what to enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Registration {
    /// Address of the form.
    pub portal: String,
    /// What to call it.
    pub portal_title: String,
    /// The fields that matter, in the form's order.
    pub fields: Vec<RegistrationField>,
}

/// One field of the form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegistrationField {
    /// As the form labels it.
    pub name: String,
    /// What to enter or choose.
    pub value: String,
    /// Why, or what else is possible.
    pub why: Option<String>,
}

/// Every upstream, as far as this application is registered there.
pub(super) fn providers(application: &Application, redirect: &str, public_url: &str) -> Vec<ProviderView> {
    let of_one = |upstream: &&'static Upstream| {
        let client = application.client(upstream.provider);
        let anywhere = !upstream.consent.as_ref().is_some_and(|form| form.public_redirects);
        let address = if anywhere { redirect.to_owned() } else { redirect::accepted(public_url) };
        ProviderView {
            name: upstream.provider.into(),
            title: upstream.title.into(),
            note: upstream.note.map(str::to_owned),
            client_id: client.id.unwrap_or_default(),
            client_id_from_environment: client.id_from_environment,
            secret_stored: client.secret.is_some(),
            secret_from_environment: client.secret_from_environment,
            redirect: (!anywhere).then(|| match redirect::judged(public_url) {
                Ok(text) => Notice { good: true, text },
                Err(text) => Notice { good: false, text },
            }),
            registration: registration(upstream.provider, &address, public_url),
        }
    };
    UPSTREAMS.iter().map(of_one).collect()
}

/// The form of the upstream of this name; none for one that hands out identities in another way (`fitbit-plus`).
pub fn registration(provider: &str, redirect_address: &str, public_url: &str) -> Option<Registration> {
    let (portal, portal_title, rows): (_, _, &[(&str, &str, &str)]) = match provider {
        // Application types and access modes: dev.fitbit.com, developer guide, application design.
        "fitbit" => (
            "https://dev.fitbit.com/apps/new",
            "dev.fitbit.com, “Register an App”",
            &[
                ("Application Name", "fitbit2mqtt", "Any name; it is shown on the consent page."),
                ("Application Website URL", public_url, "Also good for the other addresses the form asks for."),
                (
                    "OAuth 2.0 Application Type",
                    "Personal",
                    "Gives minute-by-minute data, for your own account only. “Server” for several people.",
                ),
                ("Redirect URL", redirect_address, "Exactly so, without a slash at the end."),
                ("Default Access Type", "Read Only", "Nothing is ever written."),
            ],
        ),
        // developers.google.com/health/setup.
        "google-health" => (
            "https://console.cloud.google.com/auth/clients",
            "Google Cloud console, “Clients”",
            &[
                (
                    "API to enable in the project",
                    "Google Health API",
                    "health.googleapis.com, under “APIs & Services”.",
                ),
                ("Audience", "External", "Then publish it (“In production”): in “Testing”, consent ends after 7 days."),
                ("Application type", "Web application", ""),
                (
                    "Authorized redirect URIs",
                    redirect_address,
                    "Exactly so. Google takes https, and http for localhost only.",
                ),
            ],
        ),
        _ => return None,
    };
    let field = |(name, value, why): &(&str, &str, &str)| RegistrationField {
        name: (*name).to_owned(),
        value: (*value).to_owned(),
        why: Some((*why).to_owned()).filter(|why| !why.is_empty()),
    };
    let fields = rows.iter().map(field).collect();
    Some(Registration { portal: portal.to_owned(), portal_title: portal_title.to_owned(), fields })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_redirect_address_is_in_every_form() {
        for provider in ["fitbit", "google-health"] {
            let form = registration(provider, "https://home.example/plugin/fitbit/auth2", "https://home.example");
            let fields = form.into_iter().flat_map(|form| form.fields);
            assert_eq!(fields.filter(|field| field.value.ends_with("/plugin/fitbit/auth2")).count(), 1, "{provider}");
        }
        assert_eq!(registration("fitbit-plus", "", ""), None);
    }
}
