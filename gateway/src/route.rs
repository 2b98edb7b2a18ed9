//! Routes: which origin has which paths, and who may ask for them.

use crate::path::Target;
use crate::reading::readings;
use crate::refused::Refused;
use serde::Deserialize;
use shared::origin::Origin;
use shared::settings::Settings;

/// The paths that are the gateway's own and never an origin's (GP-36).
pub const OURS: &str = "/auth";

/// Who may ask.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Everybody. The origin is told nothing about anybody, not even about somebody signed in.
    Public,
    /// Somebody signed in; a browser that navigates is sent to sign in.
    SignedIn,
    /// Somebody signed in; nobody is ever redirected.
    Api,
}

/// A part of the site and the origin behind it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Route {
    /// The first segments of the paths it has, in canonical spelling; `/` has all.
    pub prefix: String,
    /// The server behind it.
    pub origin: Origin,
    /// Who may ask.
    pub access: Access,
}

impl Route {
    /// Where a request goes: the configured origin, and the path that policy saw (GP-11).
    #[must_use]
    pub fn url(&self, target: &Target) -> String {
        self.origin.at(&target.path_and_query())
    }
}

/// All routes; no two have the same prefix.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Routes(Vec<Route>);

/// Whose a path is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Owner<'r> {
    /// One of the gateway's own endpoints.
    Ours,
    /// An origin's.
    Route(&'r Route),
    /// Nobody's: 404.
    Nobody,
}

impl Routes {
    /// Whose `target` is: of the prefixes that are whole segments of its path, the longest decides.
    ///
    /// # Errors
    /// [`Refused::Ambiguous`] when an origin might read the path as another route's (GP-10).
    pub fn find(&self, target: &Target) -> Result<Owner<'_>, Refused> {
        let owner = self.owner(target.path().as_bytes(), <[u8]>::eq);
        let Owner::Route(_) = owner else { return Ok(owner) };

        let other = |path: &[u8]| self.owner(path, <[u8]>::eq_ignore_ascii_case) != owner;
        let readings = readings(target.path()).ok_or(Refused::Ambiguous)?;
        if other(target.path().as_bytes()) || readings.iter().any(|(path, _)| other(path)) {
            return Err(Refused::Ambiguous);
        }
        Ok(owner)
    }

    fn owner(&self, path: &[u8], same: fn(&[u8], &[u8]) -> bool) -> Owner<'_> {
        if begins(path, OURS, same) {
            return Owner::Ours;
        }
        let route = self.0.iter().find(|route| begins(path, &route.prefix, same));
        route.map_or(Owner::Nobody, Owner::Route)
    }

    /// Reads the setting `ROUTES`, noting every mistake in it.
    pub(crate) fn read<V: Fn(&str) -> Option<String>>(
        settings: &mut Settings<V>,
        public_url: Option<&Origin>,
    ) -> Self {
        let entries: Vec<Entry> = settings.json("ROUTES", "a JSON array of prefix, origin, access");
        if matches!(settings.text("ROUTES").as_deref(), None | Some("[]")) {
            settings.refuse("ROUTES", "at least one route");
        }
        let mut routes: Vec<Route> = Vec::new();
        for (position, entry) in entries.into_iter().enumerate() {
            let mut refuse = |member: &str, wanted: &str| {
                settings.refuse(format!("ROUTES[{position}].{member}"), wanted);
            };
            let Entry { prefix, origin, access } = entry;
            if !is_prefix(&prefix) {
                refuse(
                    "prefix",
                    "\"/\", or plain segments like \"/a/b\" without a slash at the end",
                );
            }
            if begins(prefix.as_bytes(), OURS, <[u8]>::eq_ignore_ascii_case) {
                refuse("prefix", "outside /auth, which is the gateway's own");
            }
            if routes.iter().any(|route| route.prefix.eq_ignore_ascii_case(&prefix)) {
                refuse("prefix", "different from every other prefix by more than its case");
            }
            let origin = Origin::parse(&origin).filter(|origin| Some(origin) != public_url);
            if origin.is_none() {
                refuse("origin", "an https origin (http on loopback) that is not PUBLIC_URL");
            }
            let access = match access.as_str() {
                "public" => Some(Access::Public),
                "signed-in" => Some(Access::SignedIn),
                "api" => Some(Access::Api),
                _ => None,
            };
            if access.is_none() {
                refuse("access", "public, signed-in or api");
            }
            routes.extend(origin.zip(access).map(|(origin, access)| Route {
                prefix,
                origin,
                access,
            }));
        }
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix.len()));
        Self(routes)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    prefix: String,
    origin: String,
    access: String,
}

/// Whether `path` is `prefix` or below it.
fn begins(path: &[u8], prefix: &str, same: fn(&[u8], &[u8]) -> bool) -> bool {
    let prefix = prefix.trim_end_matches('/').as_bytes();
    path.split_at_checked(prefix.len())
        .is_some_and(|(head, rest)| same(head, prefix) && matches!(rest.first(), None | Some(b'/')))
}

/// Canonical, and without anything that has a second reading.
fn is_prefix(prefix: &str) -> bool {
    let canonical = Target::read(prefix).is_ok_and(|target| target.path_and_query() == prefix);
    let plain = !prefix.contains(['%', ';', '?']) && !prefix.contains("//");
    canonical && plain && prefix.starts_with('/') && (prefix == "/" || !prefix.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn routes() -> Routes {
        let text = r#"[
            {"prefix": "/", "origin": "https://site.test", "access": "public"},
            {"prefix": "/public", "origin": "https://site.test", "access": "public"},
            {"prefix": "/admin", "origin": "https://admin.test", "access": "signed-in"},
            {"prefix": "/admin/api", "origin": "https://api.test", "access": "api"}
        ]"#;
        let mut settings = Settings::new(|_: &str| Some(text.to_owned()));
        let routes = Routes::read(&mut settings, None);
        settings.finish(Some(routes)).unwrap()
    }

    fn prefix(path: &str) -> Result<String, u16> {
        let refused = |refused: Refused| refused.response(false).status().as_u16();
        let target = Target::read(path).map_err(|why| refused(Refused::Path(why)))?;
        match routes().find(&target).map_err(refused)? {
            Owner::Route(route) => Ok(route.prefix.clone()),
            Owner::Ours => Ok("ours".to_owned()),
            Owner::Nobody => Err(404),
        }
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_decides() {
        for (path, found) in [
            ("/", "/"),
            ("/x", "/"),
            ("/administrator", "/"),
            ("/admin", "/admin"),
            ("/admin/", "/admin"),
            ("/admin/apis", "/admin"),
            ("/admin/api/x?y", "/admin/api"),
            ("/auth", "ours"),
            ("/auth/login", "ours"),
            ("/authors", "/"),
        ] {
            assert_eq!(prefix(path).as_deref(), Ok(found), "{path}");
        }
    }

    #[test]
    fn gp_09_neither_query_nor_fragment_makes_a_path_public() {
        assert_eq!(prefix("/admin?x=/public").as_deref(), Ok("/admin"));
        assert_eq!(prefix("/admin#/public").as_deref(), Ok("/admin"));
        assert_eq!(prefix("/admin%23/public"), Err(400));
    }

    #[test]
    fn gp_10_no_spelling_of_a_protected_path_is_public() {
        for path in ["/public/../admin", "/public/%2e%2e/admin", "/./admin", "/%61dmin", "/admin/"]
        {
            assert_eq!(prefix(path).as_deref(), Ok("/admin"), "{path}");
        }
        for path in [
            "/public/..%2fadmin",
            "/public/..;/admin",
            "//admin",
            "/ADMIN",
            "/public/..%2FADMIN",
            "/admin;x",
            "/admin%3bx",
            "/public%5c..%5cadmin",
            "/public/%252e%252e/admin",
            "/public\\..\\admin",
        ] {
            assert_eq!(prefix(path), Err(400), "{path}");
        }
    }

    #[test]
    fn a_path_that_is_odd_but_the_same_routes_in_every_reading_passes() {
        for path in ["/admin/a%2Fb", "/admin/x;v=1", "/admin//x", "/admin/X%20Y", "/a%252Fb"] {
            assert!(prefix(path).is_ok(), "{path}");
        }
    }

    #[test]
    fn gp_11_the_host_is_the_routes_whatever_the_path_says() {
        let route = Route {
            prefix: "/".to_owned(),
            origin: Origin::parse("https://site.test").unwrap(),
            access: Access::Public,
        };
        for path in ["//evil.test/x", "/http://evil.test", "/@evil.test", "/:80@evil.test"] {
            let url = route.url(&Target::read(path).unwrap());
            assert_eq!(url::Url::parse(&url).unwrap().host_str(), Some("site.test"), "{url}");
        }
    }

    #[test]
    fn gp_36_our_paths_are_nobody_elses_in_any_reading() {
        for path in
            ["/auth%2flogin", "/AUTH/login", "//auth/login", "/x/..%2fauth", "/auth;x/login"]
        {
            assert_eq!(prefix(path), Err(400), "{path}");
        }
        assert_eq!(prefix("/x/../auth/login").as_deref(), Ok("ours"));
    }

    proptest! {
        #[test]
        fn gp_10_the_path_that_is_sent_selects_the_route_that_policy_chose(
            raw in "/(public|admin|api|auth|ADMIN|\\.\\.|\\.|/|%2[eEfF5]|%5c|;|x|%61){0,12}",
        ) {
            let (routes, target) = (routes(), Target::read(&raw));
            if let Ok(Ok(Owner::Route(route))) = target.as_ref().map(|target| routes.find(target)) {
                let sent = url::Url::parse(&route.url(target.as_ref().unwrap())).unwrap();
                let again = Target::read(sent.path()).unwrap();
                prop_assert_eq!(routes.find(&again), Ok(Owner::Route(route)));
                prop_assert_eq!(Some(&again), target.as_ref().ok());
            }
        }
    }
}
