//! The flows of a gateway and its issuer.

use super::visitor::{Visitor, gate};
use crate::Life;
use shared::fetch::Response;
use tests::guest::Guest;
use tests::line::Fault;

/// A flow. Doing it again is how a browser tries again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    /// In which modes there is anything to fail in the objects, and how many operations at least.
    pub(crate) places: fn(mode: &str) -> Places,
    /// Whether it begins where nobody ever was, at a gateway that knows nothing of the issuer.
    pub(crate) is_first: bool,
    /// What happens before anything goes wrong.
    pub(crate) prepare: fn(&mut Visitor<'_>),
    /// The requests, with a pause between each two. The answer when it is a refusal.
    pub(crate) run: fn(&mut Visitor<'_>) -> Result<(), Response>,
    /// What a refusal may be, besides a 503.
    pub(crate) also: &'static [u16],
    /// How long a clock may take it forward, in seconds.
    pub(crate) patience: i64,
}

/// How many places there are at the least for something to go wrong.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Places {
    /// Storage operations of the session objects.
    pub(crate) rows: u32,
    /// Commands to session objects.
    pub(crate) commands: u32,
    /// Calls to the issuer.
    pub(crate) calls: u32,
    /// Storage operations at the issuer.
    pub(crate) storage: u32,
    /// Uses of its keys.
    pub(crate) keys: u32,
}

const NONE: Places = Places { rows: 0, commands: 0, calls: 0, storage: 0, keys: 0 };

/// Where the objects are asked `commands` times.
fn stateful(mode: &str, places: Places) -> Places {
    if mode == "sealed" { Places { rows: 0, commands: 0, ..places } } else { places }
}

const PLAIN: Flow = Flow {
    name: "",
    places: |_| NONE,
    is_first: false,
    prepare: |_| (),
    run: |_| Ok(()),
    also: &[],
    patience: 600,
};

const SIGN_IN: Flow = Flow {
    places: |mode| stateful(mode, Places { rows: 2, commands: 1, calls: 1, storage: 12, keys: 4 }),
    run: |visitor| visitor.sign_in(),
    // The gateway says so of a provider that does not answer well.
    also: &[502],
    patience: 10,
    ..PLAIN
};

const FETCH: Flow = Flow { run: |visitor| visitor.fetch(), ..PLAIN };

/// Where the token call is made.
fn refreshes(mode: &str) -> Places {
    // In a database, where a row is dear to read, what the call brought is written without a look.
    let rows = if mode == "postgres" { 3 } else { 4 };
    stateful(mode, Places { rows, commands: 1, calls: 1, storage: 2, keys: 4 })
}

/// All of them.
pub(crate) const FLOWS: [Flow; 14] = [
    Flow {
        name: "the first sign-in",
        is_first: true,
        places: |mode| {
            stateful(mode, Places { rows: 2, commands: 1, calls: 3, storage: 12, keys: 4 })
        },
        ..SIGN_IN
    },
    Flow {
        name: "signing in",
        prepare: |visitor| {
            visitor.guest = Guest::alice(visitor.guest.pair);
            visitor.life = Life::Ending;
        },
        ..SIGN_IN
    },
    Flow {
        name: "signing in where somebody is signed in",
        places: |mode| {
            stateful(mode, Places { rows: 4, commands: 2, calls: 1, storage: 8, keys: 4 })
        },
        ..SIGN_IN
    },
    Flow {
        name: "a request",
        places: |mode| match mode {
            "durable" | "postgres" => Places { rows: 1, commands: 1, ..NONE },
            _ => NONE,
        },
        ..FETCH
    },
    Flow {
        name: "a request after some time",
        places: |mode| stateful(mode, Places { rows: 2, commands: 1, ..NONE }),
        prepare: |visitor| gate(visitor.guest.pair).pass(40),
        ..FETCH
    },
    Flow {
        name: "a request when it is time to renew",
        places: refreshes,
        prepare: |visitor| gate(visitor.guest.pair).pass(285),
        ..FETCH
    },
    Flow {
        name: "a request when the token is as good as over",
        places: refreshes,
        prepare: |visitor| gate(visitor.guest.pair).pass(296),
        ..FETCH
    },
    Flow {
        name: "a request after the token's end",
        places: refreshes,
        prepare: |visitor| gate(visitor.guest.pair).pass(300),
        ..FETCH
    },
    Flow {
        name: "a request after the token's end, and another, and a renewal, and another",
        places: refreshes,
        prepare: |visitor| gate(visitor.guest.pair).pass(300),
        run: |visitor| {
            visitor.fetch()?;
            visitor.pause();
            visitor.fetch()?;
            visitor.pause();
            gate(visitor.guest.pair).pass(300);
            visitor.fetch()?;
            visitor.pause();
            visitor.fetch()
        },
        ..PLAIN
    },
    Flow {
        name: "three requests at once, after the token's end",
        places: refreshes,
        prepare: |visitor| gate(visitor.guest.pair).pass(300),
        run: |visitor| visitor.fetch_three(),
        ..PLAIN
    },
    Flow {
        name: "a request after trouble",
        places: refreshes,
        prepare: |visitor| {
            let gate = gate(visitor.guest.pair);
            gate.pass(300);
            gate.line.set(Fault::Status(503));
            let answer = visitor.fetch().expect_err("no token");
            gate.line.set(Fault::Nothing);
            visitor.wait(&answer);
        },
        ..FETCH
    },
    Flow {
        name: "who is signed in",
        places: |mode| match mode {
            "durable" | "postgres" => Places { rows: 1, commands: 1, ..NONE },
            _ => NONE,
        },
        run: |visitor| visitor.ask_who(),
        ..PLAIN
    },
    Flow {
        name: "who is signed in, after the token's end",
        places: refreshes,
        prepare: |visitor| gate(visitor.guest.pair).pass(300),
        run: |visitor| visitor.ask_who(),
        ..PLAIN
    },
    Flow {
        name: "signing out",
        places: |mode| {
            stateful(mode, Places { rows: 2, commands: 1, calls: 1, storage: 2, keys: 0 })
        },
        run: |visitor| visitor.sign_out(),
        ..PLAIN
    },
];
