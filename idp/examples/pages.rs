//! Writes every page in its states as a file, to be looked at in a browser:
//! `cargo run -p idp --example pages -- target/pages`.

use idp::page::{
    Problem, ProblemPage, Retry, SignIn, SignedOut, home, onward, problem, sign_in, signed_out,
};
use std::path::PathBuf;
use std::{env, fs, io};

const ACME: &[(&str, &str)] = &[("acme", "Acme")];
const SEVERAL: &[(&str, &str)] = &[("github", "GitHub"), ("google", "Google"), ("acme", "Acme")];

const PLAIN: SignIn<'_> = SignIn {
    client_name: "Field Notes",
    client_host: Some("notes.example.com"),
    interaction: "sealed",
    username: "",
    problem: None,
    creates: false,
    local: true,
    upstreams: &[],
    by_domain: false,
};

fn main() -> io::Result<()> {
    let folder = env::args().nth(1).map_or_else(|| PathBuf::from("target/pages"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    let wrong = SignIn { problem: Some(Problem::WrongCredentials), username: "alice", ..PLAIN };
    let wait = Problem::TooManyTries { wait_seconds: 256 };
    let trouble = "0c9f6a1e-58d2-4f0b-9f6e-2b7f0d7c3a51";
    let address = "https://login.acme.example/authorize";
    let back = SignedOut { client_name: "Field Notes", continue_to: Some("https://a.example/") };
    let several = SignIn { upstreams: SEVERAL, by_domain: true, ..PLAIN };
    let nobody = Some(Problem::NoUpstream);
    let retry = Some(Retry { interaction: "sealed", upstream: "acme", label: "Acme" });
    let pages = [
        ("sign-in", sign_in(&PLAIN)),
        ("sign-in-wrong", sign_in(&wrong)),
        ("sign-in-wait", sign_in(&SignIn { problem: Some(wait), ..wrong })),
        ("sign-in-upstream", sign_in(&SignIn { local: false, upstreams: ACME, ..PLAIN })),
        ("sign-in-both", sign_in(&SignIn { upstreams: ACME, ..PLAIN })),
        ("sign-in-several", sign_in(&several)),
        ("sign-in-several-alone", sign_in(&SignIn { local: false, ..several })),
        (
            "sign-in-nobody",
            sign_in(&SignIn { problem: nobody, username: "alice@nowhere.example", ..several }),
        ),
        ("sign-in-create", sign_in(&SignIn { creates: true, upstreams: ACME, ..PLAIN })),
        ("sign-in-neither", sign_in(&SignIn { local: false, ..PLAIN })),
        (
            "sign-in-long",
            sign_in(&SignIn {
                client_name: "حساب Donaudampfschifffahrtsgesellschaftskapitänsverwaltung\u{202E}",
                client_host: Some(
                    "a-very-long-host-name.with-many-labels.deep.internal.example.com",
                ),
                upstreams: &[
                    ("long", "Donaudampfschifffahrtsgesellschaft Single Sign-On"),
                    ("github", "GitHub"),
                    ("google", "Google"),
                ],
                by_domain: true,
                ..wrong
            }),
        ),
        ("problem-client", problem(&ProblemPage::unknown_client(trouble))),
        ("problem-redirect", problem(&ProblemPage::unregistered_redirect(trouble))),
        ("problem-expired", problem(&ProblemPage::expired(trouble))),
        ("problem-cookies", problem(&ProblemPage::cookies_blocked(trouble))),
        ("problem-upstream", problem(&ProblemPage { retry, ..ProblemPage::upstream(trouble) })),
        ("problem-server", problem(&ProblemPage::server_trouble(trouble))),
        ("signed-out", signed_out(&back)),
        ("signed-out-plain", signed_out(&SignedOut { continue_to: None, ..back })),
        // Without the refresh, which would leave the page before it can be looked at.
        ("onward", onward(address, "Acme").replace("http-equiv=\"refresh\"", "name=\"was\"")),
        ("home", home("https://id.example.com")),
    ];
    for (name, page) in pages {
        fs::write(folder.join(name).with_extension("html"), page)?;
    }
    Ok(())
}
