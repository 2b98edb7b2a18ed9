//! `make check-config`: reads the settings of either Worker or both as the Workers would, serves
//! nothing, and names everything that is wrong. The settings come on standard input, in the form
//! that `make serve` takes.

use gateway::providers::callback;
use idp::client::{Authentication, ClientKeys};
use serde_json::{Map, Value};
use shared::rp::client::ClientAuth;
use shared::rp::entry::Registered;
use shared::settings::Problem;
use std::io::Read;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text).ok();
    let Some(file) = read.and_then(|_| serde_json::from_str::<Value>(&text).ok()) else {
        println!("what was read is no JSON");
        return ExitCode::FAILURE;
    };
    let problems = problems(&file);
    for problem in &problems {
        println!("{problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Every problem of every Worker in the file, and what keeps the two from working together.
fn problems(file: &Value) -> Vec<Problem> {
    let idp = settings(file, "idp").map(|all| idp::config::Config::read(|name| text(all, name)));
    let gateway = settings(file, "gateway");
    let gateway = gateway.map(|all| gateway::config::Sites::read(|name| text(all, name)));
    match (idp, gateway) {
        (Some(Ok(idp)), Some(Ok(gateway))) => disagreements(&idp, &gateway),
        (idp, gateway) => {
            let idp = idp.and_then(Result::err).unwrap_or_default().into_iter();
            let gateway = gateway.and_then(Result::err).unwrap_or_default().into_iter();
            idp.map(|problem| of("idp", problem))
                .chain(gateway.map(|problem| of("gateway", problem)))
                .collect()
        }
    }
}

fn settings<'f>(file: &'f Value, worker: &str) -> Option<&'f Map<String, Value>> {
    file.get(worker)?.get("settings")?.as_object()
}

/// What a Worker is given for a setting: text, or the JSON text of anything else.
fn text(settings: &Map<String, Value>, name: &str) -> Option<String> {
    let value = settings.get(name)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn of(worker: &str, Problem { name, wanted }: Problem) -> Problem {
    Problem { name: format!("{worker}.{name}"), wanted }
}

/// A gateway and the very issuer that it trusts: whether that knows it.
fn disagreements(idp: &idp::config::Config, sites: &gateway::config::Sites) -> Vec<Problem> {
    let mut found = Vec::new();
    // All sites are one client; what differs is where people come back to.
    let Some(gateway) = sites.iter().next() else { return found };
    let mut refuse = |name: &str, wanted: &str| {
        found.push(Problem { name: format!("gateway.{name}"), wanted: wanted.to_owned() });
    };
    let ours = |one: &&Registered| one.client.issuer.as_str() == idp.issuer.as_str();
    let Some(provider) = gateway.providers.iter().find(ours) else {
        let short = gateway.providers.iter().all(|one| one.id.is_empty());
        let wanted = "the ISSUER of the idp in the same file";
        refuse(if short { "ISSUER" } else { "PROVIDERS" }, wanted);
        return found;
    };
    let Names { client_id, method: auth, secret: of_secret } = Names::of(gateway, &provider.id);
    let Some(client) = idp.client(&provider.client.client_id) else {
        refuse(&client_id, "one of the CLIENTS of the idp");
        return found;
    };
    let callback = callback(&provider.id);
    if sites.iter().any(|site| client.redirect(&site.public_url.at(&callback)).is_none()) {
        let wanted = format!("such that PUBLIC_URL{callback} is a redirect URI of this client");
        refuse("PUBLIC_URL", &wanted);
    }
    if gateway.par {
        refuse("PAR", "absent: this idp takes no pushed requests");
    }
    let (method, secret) = match &provider.client.auth {
        ClientAuth::Basic(secret) => ("client_secret_basic", Some(secret)),
        ClientAuth::Post(secret) => ("client_secret_post", Some(secret)),
        ClientAuth::PrivateKeyJwt(_) => ("private_key_jwt", None),
        ClientAuth::None => ("none", None),
    };
    if client.authentication.method().as_str() != method {
        refuse(&auth, "the token_endpoint_auth_method of this client");
    } else if secret.is_some_and(|secret| !client.authentication.accepts(secret)) {
        refuse(&of_secret, "the secret of which this client has the digest");
    } else if let Authentication::PrivateKeyJwt(ClientKeys::Here(known)) = &client.authentication
        && let ClientAuth::PrivateKeyJwt(key) = &provider.client.auth
        && known.find(Some(key.kid()), key.alg()).map(|key| &key.material)
            != Some(&key.public().material)
    {
        refuse("SIGNING_KEYS", "such that the first is among the jwks of this client");
    }
    found
}

/// What the settings are called by which the gateway is a client of its provider.
struct Names {
    client_id: String,
    method: String,
    secret: String,
}

impl Names {
    fn of(gateway: &gateway::config::Config, id: &str) -> Self {
        if id.is_empty() {
            let [client_id, method, secret] =
                ["CLIENT_ID", "CLIENT_AUTH", "CLIENT_SECRET"].map(str::to_owned);
            return Self { client_id, method, secret };
        }
        let position = gateway.providers.iter().position(|one| one.id == id).unwrap_or_default();
        let member = |name: &str| format!("PROVIDERS[{position}].{name}");
        Self {
            client_id: member("client_id"),
            method: member("token_endpoint_auth_method"),
            secret: gateway::providers::secret(id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pair() -> Value {
        serde_json::from_str(include_str!("../../configs/pair.json")).unwrap()
    }

    fn named(change: impl FnOnce(&mut Value)) -> Vec<String> {
        let mut file = pair();
        change(&mut file);
        problems(&file).into_iter().map(|problem| problem.name).collect()
    }

    #[test]
    fn the_examples_have_no_mistake() {
        assert!(named(|_| ()).is_empty());
        for alone in
            [include_str!("../../configs/issuer.json"), include_str!("../../configs/gateway.json")]
        {
            assert!(problems(&serde_json::from_str(alone).unwrap()).is_empty());
        }
    }

    #[test]
    fn every_mistake_of_both_workers_is_named_at_once() {
        let names = named(|file| {
            file["idp"]["settings"]["ISSUER"] = "http://id.test/".into();
            file["idp"]["settings"]["CLIENTS"][0]["redirect_uris"] = Value::Null;
            file["idp"]["settings"]["CODE_SECONDS"] = "soon".into();
            file["gateway"]["settings"]["PUBLIC_URL"] = "x".into();
        });
        assert_eq!(
            names,
            ["idp.ISSUER", "idp.CLIENTS[gateway]", "idp.CODE_SECONDS", "gateway.PUBLIC_URL"]
        );
    }

    /// Entries of `UPSTREAMS` as the documentation has them, by file.
    fn documented() -> Vec<(&'static str, Value)> {
        let mut found = Vec::new();
        for (name, text) in [
            ("README", include_str!("../../../docs/upstreams/README.md")),
            ("auth0", include_str!("../../../docs/upstreams/auth0.md")),
            ("workos", include_str!("../../../docs/upstreams/workos.md")),
            ("github", include_str!("../../../docs/upstreams/github.md")),
            ("google", include_str!("../../../docs/upstreams/google.md")),
            ("entra", include_str!("../../../docs/upstreams/entra.md")),
            ("openid", include_str!("../../../docs/upstreams/openid.md")),
            ("the front page", include_str!("../../../README.md")),
        ] {
            let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split_once("```"));
            let lists =
                blocks.map(|(block, _)| block).filter(|block| block.contains("\"provider\""));
            let before = found.len();
            found.extend(lists.map(|list| (name, serde_json::from_str(list).unwrap())));
            assert!(found.len() > before, "{name} has no entry");
        }
        found
    }

    #[test]
    fn every_entry_of_upstreams_in_the_documentation_is_one() {
        for (name, list) in documented() {
            let names = named(|file| {
                let settings = &mut file["idp"]["settings"];
                for upstream in list.as_array().unwrap() {
                    let id = upstream["id"].as_str().unwrap().to_uppercase().replace('-', "_");
                    settings[format!("UPSTREAM_{id}_SECRET")] = "secret".into();
                }
                settings["UPSTREAMS"] = list.clone();
            });
            assert!(names.is_empty(), "{name}: {names:?}");
        }
    }

    /// The example of `SIGNING_KEYS` of the gateway.
    fn documented_keys() -> Value {
        let text = include_str!("../../../docs/configuration.md");
        let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split_once("```"));
        let (block, _) = blocks.into_iter().find(|(block, _)| block.contains("\"d\"")).unwrap();
        serde_json::from_str(block).unwrap()
    }

    #[test]
    fn every_route_in_the_documentation_is_one() {
        for (name, text) in [
            ("the front page", include_str!("../../../README.md")),
            ("configuration", include_str!("../../../docs/configuration.md")),
        ] {
            let blocks = text.split("```json\n").skip(1).filter_map(|rest| rest.split_once("```"));
            let mut found = 0;
            for (block, _) in blocks.filter(|(block, _)| block.contains("\"prefix\"")) {
                let routes: Value = serde_json::from_str(block).unwrap();
                let routes = if routes.is_array() { routes } else { json!([routes]) };
                let names = named(|file| {
                    let settings = &mut file["gateway"]["settings"];
                    settings["SIGNING_KEYS"] = documented_keys();
                    settings["ROUTES"] = routes;
                    settings["TURNSTILE_SITE_KEY"] = "0x4AAAAAAAours".into();
                    settings["TURNSTILE_SECRET"] = "0x4AAAAAAAours-secret".into();
                });
                assert!(names.is_empty(), "{name}: {names:?}");
                found += 1;
            }
            assert!(found > 0, "{name} has none");
        }
    }

    #[test]
    fn what_is_wrong_with_an_upstream_is_named_and_so_is_a_secret_that_is_not_there() {
        let with = |upstream: Value| named(|file| file["idp"]["settings"]["UPSTREAMS"] = upstream);
        let github = json!([{ "id": "hub", "provider": "github", "client_id": "x" }]);
        assert_eq!(with(github), ["idp.UPSTREAM_HUB_SECRET"]);
        let tenant = json!([{ "id": "e", "provider": "entra", "client_id": "x", "domain": "x" }]);
        assert_eq!(with(tenant), ["idp.UPSTREAMS[0].domain"]);
        assert_eq!(with(json!([{ "id": "x", "provider": "unheard-of" }])), ["idp.UPSTREAMS"]);
    }

    #[test]
    fn a_gateway_that_its_issuer_does_not_know_is_named() {
        let with = |name: &str, value: &str| {
            named(|file| file["gateway"]["settings"][name] = value.into())
        };
        assert_eq!(with("ISSUER", "https://other.test"), ["gateway.ISSUER"]);
        assert_eq!(with("CLIENT_ID", "nobody"), ["gateway.CLIENT_ID"]);
        assert_eq!(with("CLIENT_SECRET", "another"), ["gateway.CLIENT_SECRET"]);
        assert_eq!(with("CLIENT_AUTH", "client_secret_post"), ["gateway.CLIENT_AUTH"]);
        assert_eq!(with("PUBLIC_URL", "http://localhost:1"), ["gateway.PUBLIC_URL"]);
        assert_eq!(with("PAR", "true"), ["gateway.PAR"]);
    }

    #[test]
    fn a_key_that_its_issuer_does_not_know_is_named() {
        let d = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s";
        let mut key = json!({
            "kty": "EC", "crv": "P-256", "kid": "k", "x": "ny4nmjrsKCYhFbtt-jI2vWfWMkxg35OXTW4CxGM8v7g",
            "y": "ISAM6LQ5d5kqmOHHEv2Bh-r5VC218FJn9vzAncUjyWA",
        });
        let with = |known: &Value, key: &Value| {
            named(|file| {
                let client = &mut file["idp"]["settings"]["CLIENTS"][0];
                client.as_object_mut().unwrap().remove("client_secret_sha256");
                client["token_endpoint_auth_method"] = "private_key_jwt".into();
                client["jwks"] = json!({ "keys": [known] });
                let gateway = file["gateway"]["settings"].as_object_mut().unwrap();
                gateway.remove("CLIENT_SECRET");
                gateway.insert("CLIENT_AUTH".to_owned(), "private_key_jwt".into());
                let mut key = key.clone();
                key["d"] = d.into();
                gateway.insert("SIGNING_KEYS".to_owned(), json!([key]));
            })
        };
        let known = key.clone();
        assert!(with(&known, &key).is_empty());
        key["kid"] = "other".into();
        assert_eq!(with(&known, &key), ["gateway.SIGNING_KEYS"]);
    }

    #[test]
    fn a_gateway_with_several_providers_that_one_of_them_does_not_know_is_named() {
        let with = |change: fn(&mut Value)| {
            named(|file| {
                let mut client = file["idp"]["settings"]["CLIENTS"][0].clone();
                client["client_id"] = "several".into();
                client["redirect_uris"] = json!(["http://localhost:8788/auth/callback/ours"]);
                let clients = file["idp"]["settings"]["CLIENTS"].as_array_mut().unwrap();
                clients.push(client);
                let settings = &mut file["gateway"]["settings"];
                let secret = settings["CLIENT_SECRET"].clone();
                for name in ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_AUTH", "SCOPE"] {
                    settings.as_object_mut().unwrap().remove(name);
                }
                settings["PROVIDER_OURS_SECRET"] = secret;
                settings["PROVIDER_HUB_SECRET"] = "hub".into();
                settings["PROVIDERS"] = json!([
                    { "id": "hub", "provider": "github", "client_id": "x" },
                    { "id": "ours", "provider": "openid", "issuer": "http://localhost:8787",
                      "client_id": "several" },
                ]);
                change(settings);
            })
        };
        let none: [&str; 0] = [];
        assert_eq!(with(|_| ()), none);
        let client = with(|all| all["PROVIDERS"][1]["client_id"] = "nobody".into());
        assert_eq!(client, ["gateway.PROVIDERS[1].client_id"]);
        let secret = with(|all| all["PROVIDER_OURS_SECRET"] = "another".into());
        assert_eq!(secret, ["gateway.PROVIDER_OURS_SECRET"]);
        let issuer = with(|all| all["PROVIDERS"][1]["issuer"] = "https://other.test".into());
        assert_eq!(issuer, ["gateway.PROVIDERS"]);
        let callback = with(|all| all["PROVIDERS"][1]["id"] = "hers".into());
        assert_eq!(callback, ["gateway.PROVIDER_HERS_SECRET"]);
        let both = with(|all| all["ISSUER"] = "http://localhost:8787".into());
        assert_eq!(both, ["gateway.ISSUER"]);
    }
}
