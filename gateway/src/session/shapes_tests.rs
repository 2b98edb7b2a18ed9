//! What is kept of a session outlives the deployment that wrote it. Here is each shape that was ever
//! written, in every place where one is kept: it is read for what it says, or it is discarded (GS-22).
//!
//! Whoever gives one of them a new member adds it to its sample, and to [`LATER`] with what it is taken
//! for where it is missing.

use super::cached::Copy;
use super::cookie::Contents;
use super::row;
use super::state::Session;
use crate::auth::flow::Pending;
use crate::config::Config;
use crate::fixture::{NOON, config};
use crate::person::Person;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::seal::Purpose;

/// Texts as the first deployment sealed them, before any of [`LATER`] was known: a name and the text.
const SEALED: &str = include_str!("shapes.txt");

/// Where rows are, and what copies are bound to.
const PLACE: &str = "00000000-0000-0000-0000-000000000001";

/// Members that came later than the shape they are in, by the end of their place, and what they are
/// taken for where they are missing; `null` is nothing.
const LATER: [(&str, &str); 12] = [
    ("/person/acr", "null"),
    ("/person/nonce", "null"),
    ("/person/scope", "\"\""),
    ("/person/weighed", "{}"),
    ("/person/told", "{}"),
    ("/tokens/received_at", "0"),
    ("/rest/from", "0"),
    ("/place", "null"),
    ("/place/tried_at", "null"),
    ("/manner", "\"Shown\""),
    ("/provider", "null"),
    // Of a flow, which has no person in it.
    ("/acr", "[]"),
];

fn later(pointer: &str) -> Option<Value> {
    let (_, taken_for) = LATER.iter().find(|(end, _)| pointer.ends_with(end))?;
    serde_json::from_str(taken_for).ok()
}

fn person() -> Value {
    json!({
        "subject": "alice", "auth_time": 1_799_999_990, "acr": "mfa", "scope": "email openid",
        "claims": {"name": "Alice"}, "weighed": {"groups": ["a"]}, "told": {"team": "red"},
        "flow": "abcdefghijkl",
    })
}

fn snapshot() -> Value {
    json!({
        "person": person(), "access_token": "a0", "access_ends_at": 1_800_000_300,
        "refresh_at": 1_800_000_270, "idle_ends_at": 1_800_003_600, "ends_at": 1_800_036_000,
    })
}

fn place() -> Value {
    json!({"continent": "EU", "tried_at": 1_800_000_000})
}

fn live() -> Value {
    let mut person = person();
    person["nonce"] = json!("A".repeat(43));
    json!({"Live": {
        "secret": "A".repeat(43), "person": person,
        "tokens": {
            "access_token": "a0", "received_at": 1_800_000_000, "ends_at": 1_800_000_300,
            "refresh_at": 1_800_000_270, "refresh_token": "r0", "id_token": "i0",
        },
        "generation": 2, "limits": {"idle": 3600, "absolute": 36_000},
        "opened_at": 1_800_000_000, "seen_at": 1_800_000_000,
        "refreshing": {"generation": 2, "until": 1_800_000_026},
        "rest": {"from": 1_800_000_000, "until": 1_800_000_060, "failures": 1},
    }})
}

fn noted(id: &str) -> Value {
    json!({
        "object": id, "sid": "A".repeat(43), "opened_at": 1_800_000_000, "until": 1_800_036_000,
        "agent": "Firefox on Linux",
    })
}

/// Everything that is kept, by its name in [`SEALED`], with all its members.
fn samples() -> Vec<(&'static str, Value)> {
    let ended = json!({"Ended": {"until": 1_800_036_000}});
    vec![
        (
            "hybrid cookie",
            json!({"Hybrid": {"handle": "h", "snapshot": snapshot(), "checked_at": 1_800_000_000, "place": place()}}),
        ),
        (
            "handle cookie",
            json!({"Handle": {"handle": "h", "ends_at": 1_800_036_000, "place": place()}}),
        ),
        ("sealed cookie", json!({"Sealed": {"session": live(), "secret": "A".repeat(43)}})),
        ("session row", live()),
        ("ended row", ended),
        ("session copy", json!({"snapshot": snapshot(), "checked_at": 1_800_000_000})),
        (
            "person row",
            json!({
                "open": [noted(PLACE)], "ended": [[noted(PLACE), 1_800_000_600]],
                "over": [["A".repeat(43), 1_800_000_600]], "spent": [["A".repeat(43), 1_800_000_600]],
                "whose": ["A".repeat(43), 1_800_000_600],
            }),
        ),
        (
            "flow cookie",
            json!({
                "flow": {"state": "s", "nonce": "n", "verifier": "v", "max_age": 60},
                "acr": ["mfa"], "return_to": "/app", "started_at": 1_800_000_000, "manner": "Silent",
                "provider": "corp",
            }),
        ),
    ]
}

fn through<T: DeserializeOwned + Serialize>(value: &Value) -> Option<Value> {
    let read: T = serde_json::from_value(value.clone()).ok()?;
    serde_json::to_value(read).ok()
}

/// What is read of a kept thing, written again; none when it is discarded.
fn read(name: &str, value: &Value) -> Option<Value> {
    match name {
        "hybrid cookie" | "handle cookie" | "sealed cookie" => through::<Contents>(value),
        "session row" | "ended row" => through::<Session>(value),
        "session copy" => through::<Copy>(value),
        "person row" => through::<Person>(value),
        "flow cookie" => through::<Pending>(value),
        _ => panic!("no store keeps a {name}"),
    }
}

/// The place of every member, as JSON pointers. What claims hold is nobody's shape.
fn members(value: &Value, at: &str, into: &mut Vec<String>) {
    let free = ["claims", "weighed", "told"].iter().any(|name| at.ends_with(name));
    match value {
        Value::Object(object) if !free => {
            for (name, member) in object {
                let at = format!("{at}/{name}");
                members(member, &at, into);
                into.push(at);
            }
        }
        Value::Array(list) if !free => {
            for (position, member) in list.iter().enumerate() {
                members(member, &format!("{at}/{position}"), into);
            }
        }
        _ => {}
    }
}

/// The same value with the member at `pointer` changed, or taken away.
fn with(value: &Value, pointer: &str, member: Option<Value>) -> Value {
    let mut value = value.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let object = value.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match member {
        Some(member) => object.insert(name.to_owned(), member),
        None => object.remove(name),
    };
    value
}

fn all_members(value: &Value) -> Vec<String> {
    let mut all = Vec::new();
    members(value, "", &mut all);
    all
}

/// The shape before any later member was known.
fn oldest(value: &Value) -> Value {
    let is_later = |pointer: &&String| later(pointer).is_some();
    let all = all_members(value);
    // Inner members first, so that none is looked for in what is gone.
    all.iter().filter(is_later).fold(value.clone(), |value, pointer| {
        if value.pointer(pointer).is_some() { with(&value, pointer, None) } else { value }
    })
}

#[test]
fn gs_22_what_is_kept_is_read_and_written_in_the_shape_of_its_sample() {
    for (name, value) in samples() {
        assert_eq!(read(name, &value).as_ref(), Some(&value), "{name}");
    }
}

#[test]
fn gs_22_what_was_kept_before_a_member_was_known_is_read_without_it() {
    for (name, value) in samples() {
        for pointer in all_members(&value) {
            let Some(taken_for) = later(&pointer) else { continue };
            let taken_for = Some(taken_for).filter(|member| !member.is_null());
            let found = read(name, &with(&value, &pointer, None)).unwrap_or_default();
            // What is nothing is either not written or written as nothing.
            let expected = with(&value, &pointer, taken_for);
            let nothing = with(&value, &pointer, Some(Value::Null));
            assert!(found == expected || found == nothing, "{name} without {pointer}: {found}");
        }
        assert!(read(name, &oldest(&value)).is_some(), "{name}: without all of them");
    }
}

#[test]
fn gs_22_what_lacks_any_other_member_is_discarded_or_read_as_saying_nothing_there() {
    for (name, value) in samples() {
        for pointer in all_members(&value) {
            if later(&pointer).is_some() {
                continue;
            }
            let found = read(name, &with(&value, &pointer, None));
            let nothing = with(&value, &pointer, Some(Value::Null));
            let skipped = with(&value, &pointer, None);
            let fine = found.is_none()
                || found.as_ref() == Some(&nothing)
                || found.as_ref() == Some(&skipped);
            assert!(fine, "{name} without {pointer}: {found:?}");
        }
    }
}

#[test]
fn gs_22_a_member_of_another_kind_discards_the_whole_and_one_that_is_unknown_is_passed_over() {
    for (name, value) in samples() {
        for pointer in all_members(&value) {
            let odd = with(&value, &pointer, Some(json!([{"odd": true}, 7])));
            assert_eq!(read(name, &odd), None, "{name}: {pointer}");
            // What holds claims takes every member, and a variant's name has none beside it.
            let open = ["/claims", "/weighed", "/told", "/session"];
            let is_shape = value.pointer(&pointer).is_some_and(Value::is_object)
                && !open.iter().any(|end| pointer.ends_with(end));
            if is_shape {
                let more = format!("{pointer}/of_a_later_version");
                let found = read(name, &with(&value, &more, Some(json!("x"))));
                assert_eq!(found.as_ref(), Some(&value), "{name}: {more}");
            }
        }
        let renamed = json!({"OfALaterVersion": value});
        assert!(read(name, &renamed).is_none(), "{name}: another variant");
    }
}

fn purpose(name: &str, config: &Config) -> (&'static str, String) {
    let url = &config.public_url;
    match name {
        "hybrid cookie" | "handle cookie" | "sealed cookie" => {
            ("session cookie", format!("__Host-gatelatch-session {url}"))
        }
        "session row" | "ended row" => ("session row", PLACE.to_owned()),
        "session copy" => ("session copy", format!("{PLACE} {}", "A".repeat(43))),
        "person row" => ("person row", PLACE.to_owned()),
        _ => panic!("no store seals a {name}"),
    }
}

#[test]
fn gs_22_what_the_first_deployment_sealed_opens_and_says_what_it_said() {
    let config = config("hybrid");
    let sealed = |wanted: &str| {
        let line = SEALED.lines().find_map(|line| line.strip_prefix(&format!("{wanted}: ")));
        line.unwrap_or_else(|| panic!("no {wanted}")).to_owned()
    };
    // A flow is over in ten minutes, whatever becomes of its cookie.
    for (name, value) in samples().into_iter().filter(|(name, _)| *name != "flow cookie") {
        let (purpose, place) = purpose(name, &config);
        let opened = config.keys.open(Purpose::new(purpose, &place), &sealed(name));
        let opened: Value = serde_json::from_slice(&opened.expect(name)).unwrap();
        assert_eq!(opened, oldest(&value), "{name}");
        assert!(read(name, &opened).is_some(), "{name}");
        let elsewhere = Purpose::new(purpose, "elsewhere");
        assert!(config.keys.open(elsewhere, &sealed(name)).is_none(), "{name}: only there");
    }
}

#[test]
fn gs_22_a_cookie_and_a_row_of_the_first_deployment_are_a_session() {
    let hybrid = config("hybrid");
    let sealed = |name: &str| {
        SEALED.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap()
    };
    for (name, mode) in
        [("hybrid cookie", "hybrid"), ("handle cookie", "durable"), ("sealed cookie", "sealed")]
    {
        let contents = Contents::open(&config(mode), sealed(name)).expect(name);
        assert!(contents.may_live(NOON) && contents.place().is_none(), "{name}");
        assert!(
            Contents::open(
                &config(if mode == "sealed" { "durable" } else { "sealed" }),
                sealed(name)
            )
            .is_none()
        );
    }
    let Session::Live(live) = row::open(&hybrid.keys, PLACE, sealed("session row")) else {
        panic!("it was alive");
    };
    assert_eq!((live.person().subject.as_str(), live.person().nonce), ("alice", None));
    let over = Session::Ended { until: NOON.plus(36_000) };
    assert_eq!(row::open(&hybrid.keys, PLACE, sealed("ended row")), over);
    // And what cannot be read is over, whatever it was.
    for unreadable in ["", "x", sealed("session copy"), sealed("person row")] {
        let over = matches!(row::open(&hybrid.keys, PLACE, unreadable), Session::Ended { .. });
        assert!(over, "{unreadable}");
    }
}
