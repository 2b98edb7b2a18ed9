//! `docs/conformance.md` and these tests say the same.

use std::collections::BTreeSet;
use std::process::Command;

const PAGE: &str = include_str!("../../docs/conformance.md");

/// The plans of the page, and where their modules are tested.
const PLANS: [(&str, &[&str]); 7] = [
    ("oidcc-basic-certification-test-plan", &["basic"]),
    ("oidcc-formpost-basic-certification-test-plan", &["form_post"]),
    ("oidcc-config-certification-test-plan", &["discovery"]),
    ("oidcc-dynamic-certification-test-plan", &["dynamic", "registration"]),
    ("oidcc-rp-initiated-logout-certification-test-plan", &["logout"]),
    ("oidcc-backchannel-rp-initiated-logout-certification-test-plan", &["back_channel"]),
    ("oidcc-3rdparty-init-login-certification-test-plan", &["third_party"]),
];

/// The tests of this program, by its own account: what a source file says may be left out of it.
fn tests() -> BTreeSet<String> {
    let this = std::env::current_exe().unwrap();
    let listed = Command::new(this).args(["--list", "--format", "terse"]).output().unwrap();
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// A module as a test is called.
fn name(module: &str) -> String {
    module.replace('-', "_").to_lowercase()
}

/// The modules under a plan's heading, and what is said of each.
fn rows(plan: &str) -> Vec<(&'static str, &'static str)> {
    let heading = format!("\n## {plan}\n");
    let section = PAGE.split_once(&heading).map_or("", |(_, section)| section);
    let section = section.split("\n## ").next().unwrap();
    let row = |line: &'static str| {
        let (module, said) = line.strip_prefix("| `")?.split_once("` | ")?;
        Some((module, said.strip_suffix(" |").unwrap()))
    };
    section.lines().filter_map(row).collect()
}

#[test]
fn docs_conformance_lists_every_module_that_is_tested() {
    let tests = tests();
    let is_module = |test: &&String| test.split("::").any(|part| part.starts_with("oidcc_"));
    let mut untold: BTreeSet<_> = tests.iter().filter(is_module).cloned().collect();
    assert!(!untold.is_empty());
    for (plan, places) in PLANS {
        let rows = rows(plan);
        assert!(!rows.is_empty(), "{plan} has no modules");
        for (module, said) in rows {
            let wanted = places.iter().map(|place| format!("{place}::{}", name(module)));
            let found: Vec<_> = wanted.filter(|test| tests.contains(test)).collect();
            if said == "passed" || said.starts_with("passed: ") {
                assert_eq!(found.len(), 1, "{module} of {plan} is passed by one test of its name");
                assert!(untold.remove(&found[0]), "{module} stands twice in {plan}");
            } else {
                assert!(said.starts_with("not applicable: "), "{module}: {said}");
                assert!(found.is_empty(), "{module} of {plan} is tested, so it is applicable");
            }
        }
    }
    assert!(untold.is_empty(), "not on the page: {untold:?}");
    let plans = PAGE.lines().filter(|line| line.starts_with("## oidcc-")).count();
    assert_eq!(plans, PLANS.len(), "a plan that nobody looks at");
}
