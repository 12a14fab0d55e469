//! The consent page, the same for both clouds but for the service's name. It knows no rule of consent.

use minijinja::Environment;

use crate::web::server::Response;

/// The page with these values in it.
pub(super) fn shown(status: u16, values: minijinja::Value) -> Response {
    let mut environment = Environment::new();
    // The name's ending turns escaping on.
    let rendered = environment
        .add_template("consent.html", include_str!("consent.html"))
        .and_then(|()| environment.get_template("consent.html")?.render(values));
    match rendered {
        Ok(page) => Response::new(status, "text/html; charset=utf-8", page)
            .with("Cache-Control", "no-store")
            .with("Referrer-Policy", "no-referrer")
            .with("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        Err(error) => Response::text(500, format!("the consent page cannot be shown: {error:#}")),
    }
}
