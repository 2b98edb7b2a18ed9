//! The `*_SECONDS`.

use super::Var;

/// How long things last, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Lifetimes {
    /// An access token.
    pub access_token: u64,
    /// An ID token.
    pub id_token: u64,
    /// An authorization code.
    pub code: u64,
    /// A refresh token family that nobody uses.
    pub refresh_idle: u64,
    /// A refresh token family at the most.
    pub refresh_absolute: u64,
    /// A sign-in session that nobody uses.
    pub session_idle: u64,
    /// A sign-in session at the most.
    pub session_absolute: u64,
    /// A signing key.
    pub key_rotation: u64,
}

const DAY: u64 = 86_400;

pub(super) fn lifetimes<V: Fn(&str) -> Option<String>>(settings: &mut Var<V>) -> Lifetimes {
    let lifetimes = Lifetimes {
        access_token: settings.seconds("ACCESS_TOKEN_SECONDS", 300, 5..=DAY),
        id_token: settings.seconds("ID_TOKEN_SECONDS", 300, 5..=DAY),
        code: settings.seconds("CODE_SECONDS", 60, 1..=600),
        refresh_idle: settings.seconds("REFRESH_IDLE_SECONDS", 14 * DAY, 1..=365 * DAY),
        refresh_absolute: settings.seconds("REFRESH_ABSOLUTE_SECONDS", 90 * DAY, 1..=730 * DAY),
        session_idle: settings.seconds("SESSION_IDLE_SECONDS", 8 * 3600, 1..=365 * DAY),
        session_absolute: settings.seconds("SESSION_ABSOLUTE_SECONDS", 7 * DAY, 1..=365 * DAY),
        key_rotation: settings.seconds("KEY_ROTATION_SECONDS", 30 * DAY, 3600..=365 * DAY),
    };
    if lifetimes.refresh_idle > lifetimes.refresh_absolute {
        settings.refuse("REFRESH_IDLE_SECONDS", "no longer than REFRESH_ABSOLUTE_SECONDS");
    }
    if lifetimes.session_idle > lifetimes.session_absolute {
        settings.refuse("SESSION_IDLE_SECONDS", "no longer than SESSION_ABSOLUTE_SECONDS");
    }
    lifetimes
}
