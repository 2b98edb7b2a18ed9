//! What the operator knows of the provider's refresh tokens, as far as a mode depends on it.

use super::Mode;
use shared::settings::Settings;

const NAME: &str = "REFRESH_TOKENS";

/// The settings that [`NAME`] may have.
const WORDS: [&str; 3] = ["repeated", "reusable", "once"];

/// Where nothing is kept but in the browser, requests in parallel each use the refresh token that the
/// cookie holds, and nowhere could they meet: of a provider that takes a token strictly once the
/// second of them would end the session, and with reuse detection every token of its family. No
/// answer of a provider tells which kind it is, so the operator has to say it.
pub(super) fn check<V: Fn(&str) -> Option<String>>(settings: &mut Settings<V>, mode: Mode) {
    let said = settings.text(NAME);
    match (mode, said.as_deref()) {
        (_, Some(word)) if !WORDS.contains(&word) => {
            settings.refuse(NAME, "repeated, reusable or once");
        }
        (Mode::Sealed, Some("once")) => settings.refuse(
            NAME,
            "repeated or reusable with SESSION_MODE sealed: requests in parallel use one refresh \
             token there, and a provider that takes each once would sign the person out. With \
             such a provider take SESSION_MODE hybrid",
        ),
        (Mode::Sealed, None) => settings.refuse(
            NAME,
            "there with SESSION_MODE sealed: repeated if the provider answers requests in \
             parallel with the same successor (Gatelatch does), reusable if it does not rotate \
             refresh tokens. If it takes each once, take SESSION_MODE hybrid",
        ),
        (Mode::Sealed, Some(_)) | (Mode::Hybrid | Mode::Durable | Mode::Kv | Mode::Postgres, _) => {
        }
    }
}
