//! The life of a session, event by event. Any sequence of them: `tests/models/browser_session.rs`.

use super::state::further::Way;
use super::state::*;
use serde_json::Map;
use shared::secret::{AccessToken, Digest, IdToken, RefreshToken};
use shared::time::UnixTime;

const NOON: UnixTime = UnixTime(1_800_000_000);
const LIMITS: Limits = Limits { idle: 3600, absolute: 36_000 };

fn renewal(n: u32) -> Renewal {
    Renewal {
        access_token: AccessToken::new(format!("a{n}")),
        expires_in: Some(300),
        refresh_token: Some(RefreshToken::new(format!("r{n}"))),
        id_token: Some(IdToken::new("i")),
        scope: None,
        weighed: Map::new(),
        told: Map::new(),
        jitter: 0,
    }
}

fn person() -> Person {
    Person { subject: "alice".into(), flow: "f".into(), ..Person::default() }
}

fn secret() -> Digest {
    Digest::of("secret")
}

fn open(renewal: Renewal) -> Session {
    let tokens = Tokens::received(renewal, LIMITS.absolute, NOON);
    Session::Live(Box::new(Live::open(secret(), person(), tokens, LIMITS, NOON)))
}

fn lease(session: Session, now: UnixTime) -> (Session, Lease) {
    match session.visit(secret(), now) {
        (session, Visit::Refresh(lease, _)) => (session, lease),
        (_, other) => panic!("{other:?}"),
    }
}

fn served(session: Session, now: UnixTime) -> Option<String> {
    match session.visit(secret(), now).1 {
        Visit::Serve(snapshot) => Some(snapshot.access_token.expose().to_owned()),
        _ => None,
    }
}

#[test]
fn gr_01_one_lease_is_given_and_everybody_else_waits() {
    let late = NOON.plus(300);
    let (mut session, _) = lease(open(renewal(0)), late);
    for _ in 0..1000 {
        let (next, visit) = session.visit(secret(), late.plus(1));
        assert_eq!(visit, Visit::Wait(late.plus(LEASE_SECONDS), None));
        session = next;
    }
}

#[test]
fn m1_the_leeway_is_a_tenth_of_the_life_and_a_minute_at_most() {
    for (life, at) in [(300, 270), (3600, 3540), (1, 1), (5, 5), (20, 18)] {
        let tokens = Tokens::received(Renewal { expires_in: Some(life), ..renewal(0) }, 9, NOON);
        assert_eq!(tokens.refresh_at.since(NOON), at, "{life}");
        let late = Renewal { expires_in: Some(life), jitter: 255, ..renewal(0) };
        let late = Tokens::received(late, 9, NOON);
        assert!(late.refresh_at >= tokens.refresh_at && late.refresh_at <= late.ends_at);
    }
}

#[test]
fn gr_04_a_transient_failure_keeps_the_session_and_its_token_while_that_lives() {
    let (session, given) = lease(open(renewal(0)), NOON.plus(270));
    let failed = Failure::Transient { retry_after: None };
    let session = session.fail(given, failed, NOON.plus(270));
    assert_eq!(served(session.clone(), NOON.plus(271)).as_deref(), Some("a0"));
    let (session, given) = lease(session, NOON.plus(272));
    let session = session.fail(given, Failure::Transient { retry_after: Some(50) }, NOON.plus(272));
    assert_eq!(served(session.clone(), NOON.plus(299)).as_deref(), Some("a0"));
    let (session, visit) = session.visit(secret(), NOON.plus(300));
    assert_eq!(visit, Visit::Unavailable { retry_after: 22 });
    let (_, visit) = session.visit(secret(), NOON.plus(322));
    assert!(matches!(visit, Visit::Refresh(..)));
}

#[test]
fn gr_04_pauses_grow_and_are_bounded() {
    let (mut session, mut now) = (open(renewal(0)), NOON.plus(300));
    let mut pauses = Vec::new();
    for _ in 0..9 {
        let (leased, given) = lease(session, now);
        session = leased.fail(given, Failure::Transient { retry_after: None }, now);
        let (next, visit) = session.visit(secret(), now);
        let Visit::Unavailable { retry_after } = visit else { panic!("{visit:?}") };
        pauses.push(retry_after);
        (session, now) = (next, now.plus(retry_after));
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60, 60]);
}

#[test]
fn pl_12_a_clock_that_went_back_keeps_neither_a_pause_nor_a_dead_token() {
    // Nobody answered for an hour, and then the clock is set right.
    let (session, given) = lease(open(renewal(0)), NOON.plus(3_500));
    let failed = Failure::Transient { retry_after: Some(60) };
    let session = session.fail(given, failed, NOON.plus(3_500));
    assert!(matches!(
        session.clone().visit(secret(), NOON.plus(3_499)).1,
        Visit::Unavailable { .. }
    ));
    assert!(matches!(session.visit(secret(), NOON.plus(1_000)).1, Visit::Refresh(..)));
    // What came in the future ends in the future, for all that we can tell.
    assert_eq!(served(open(renewal(0)), NOON.minus(5)).as_deref(), Some("a0"));
    assert!(matches!(open(renewal(0)).visit(secret(), NOON.minus(6)).1, Visit::Refresh(..)));
}

#[test]
fn gr_05_a_definitive_failure_ends_the_session_once_and_for_all() {
    let (session, given) = lease(open(renewal(0)), NOON.plus(300));
    let session = session.fail(given, Failure::Definitive, NOON.plus(300));
    assert_eq!(session.clone().visit(secret(), NOON.plus(301)).1, Visit::Gone);
    assert_eq!(session.visit(secret(), NOON).1, Visit::Gone);
}

#[test]
fn gr_10_an_answer_without_refresh_or_id_token_keeps_the_old_ones() {
    let (session, given) = lease(open(renewal(0)), NOON.plus(300));
    let answer = Renewal { refresh_token: None, id_token: None, ..renewal(1) };
    let (session, renewed) = session.renew(given, answer, NOON.plus(300));
    assert_eq!(renewed, Renewed::Committed);
    let (_, farewell) = session.close(secret());
    let farewell = farewell.unwrap();
    assert_eq!(farewell.refresh_token, Some(RefreshToken::new("r0")));
    assert_eq!(farewell.id_token, Some(IdToken::new("i")));
}

#[test]
fn gs_13_gr_14_logout_beats_a_refresh_in_flight() {
    let (session, given) = lease(open(renewal(0)), NOON.plus(300));
    let (session, _) = session.close(secret());
    let (session, renewed) = session.renew(given, renewal(1), NOON.plus(302));
    assert_eq!(renewed, Renewed::Orphaned(Some(RefreshToken::new("r1"))));
    assert_eq!(session.visit(secret(), NOON.plus(303)).1, Visit::Gone);
}

#[test]
fn gr_09_a_lost_lease_expires_and_the_same_token_is_tried_again() {
    let (session, _) = lease(open(renewal(0)), NOON.plus(300));
    let (_, visit) = session.visit(secret(), NOON.plus(300 + LEASE_SECONDS));
    let Visit::Refresh(_, token) = visit else { panic!("{visit:?}") };
    assert_eq!(token, Way::Renew(RefreshToken::new("r0")));
}

#[test]
fn gs_14_an_older_answer_does_not_overwrite_a_newer_one() {
    let (session, lost) = lease(open(renewal(0)), NOON.plus(300));
    let (session, given) = lease(session, NOON.plus(330));
    let (session, _) = session.renew(given, renewal(2), NOON.plus(331));
    let (session, renewed) = session.renew(lost, renewal(1), NOON.plus(332));
    assert_eq!(renewed, Renewed::Late);
    let session = session.fail(lost, Failure::Definitive, NOON.plus(333));
    assert_eq!(served(session, NOON.plus(334)).as_deref(), Some("a2"));
}

#[test]
fn gs_12_idle_and_absolute_limits_hold_and_a_refresh_does_not_move_the_latter() {
    let forever = || Renewal { expires_in: Some(100_000), ..renewal(0) };
    assert_eq!(served(open(forever()), NOON.plus(3600)), None);
    assert!(served(open(forever()), NOON.plus(3599)).is_some());
    let (mut session, mut now) = (open(renewal(0)), NOON);
    loop {
        now = now.plus(1000);
        session = match session.visit(secret(), now) {
            (session, Visit::Refresh(lease, _)) => session.renew(lease, forever(), now).0,
            (_, Visit::Gone) => break,
            (session, _) => session,
        };
    }
    assert_eq!(now.since(NOON), 36_000);
}

#[test]
fn gs_15_a_wrong_secret_finds_nothing_and_changes_nothing() {
    let session = open(renewal(0));
    let (after, visit) = session.clone().visit(Digest::of("guess"), NOON.plus(5000));
    assert_eq!((&after, visit), (&session, Visit::Gone));
    assert_eq!(session.close(Digest::of("guess")).1, None);
}

#[test]
fn a_session_that_cannot_be_renewed_ends_with_its_access_token() {
    let bare = || open(Renewal { refresh_token: None, ..renewal(0) });
    assert!(served(bare(), NOON.plus(299)).is_some());
    assert_eq!(bare().visit(secret(), NOON.plus(300)).1, Visit::Gone);
    let untold = Renewal { refresh_token: None, expires_in: None, ..renewal(0) };
    assert!(served(open(untold), NOON.plus(3000)).is_some());
}
