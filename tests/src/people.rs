//! Who can sign in by `configs/issuer.json`, and with what. The file holds hashes only; these are
//! the passwords, and the secrets of its clients stand in [`crate::client`].

/// A local account.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Person {
    /// The name to sign in with.
    pub username: &'static str,
    /// The password.
    pub password: &'static str,
}

/// Has every standard claim.
pub const ALICE: Person = Person { username: "alice", password: "wonderland" };
/// Has every standard claim too.
pub const BOB: Person = Person { username: "bob", password: "builder" };
/// Whose password is guessed at, in one test alone: over HTTP it holds up the others.
pub const CAROL: Person = Person { username: "carol", password: "carol-password" };
/// Whose password has blanks at both ends and letters beyond ASCII.
pub const DAVE: Person = Person { username: "dave", password: " D\u{e4}ve\u{2019}s P4ss " };
