//! Passwords of local accounts: argon2id, as PHC strings that the operator configures.

use argon2::password_hash::{PasswordHash, PasswordHashString, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use shared::secret::Password;
use std::fmt;
use std::ops::RangeInclusive;

/// The longest password in bytes. A longer one is refused before anything is hashed (FD-39).
pub const LONGEST_PASSWORD: usize = 512;

/// Memory of one hash in KiB. The upper end leaves room in the 128 MB of a Worker, whose memory
/// never shrinks again; below the lower one a configured hash is a mistake rather than a choice.
/// OWASP's first choice lies between them: 19456 KiB, 2 passes, 1 lane.
const MEMORY_KIB: RangeInclusive<u32> = 1024..=65_536;
const PASSES: RangeInclusive<u32> = 1..=10;
const LANES: RangeInclusive<u32> = 1..=4;
/// Salt and output in bytes, RFC 9106 §3.1.
const SALT: RangeInclusive<usize> = 8..=48;
const OUTPUT: RangeInclusive<usize> = 16..=64;

/// Whether `text` is a password hash that may be configured: argon2id version 19 as a PHC string,
/// `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`, with costs inside the bounds.
#[must_use]
pub fn check_phc(text: &str) -> bool {
    parse(text).is_some()
}

/// The hash and what it costs.
fn parse(text: &str) -> Option<(PasswordHashString, u64)> {
    let phc = PasswordHash::new(text).ok()?;
    let argon2id = phc.algorithm == Algorithm::Argon2id.ident();
    // Without a version it would be the older 16; a key or associated data we do not have.
    let version = phc.version == Some(Version::V0x13.into());
    let named = phc.params.iter().all(|(name, _)| matches!(name.as_str(), "m" | "t" | "p"));
    let complete = phc.params.iter().count() == 3;
    let params = Params::try_from(&phc).ok()?;
    let costs = MEMORY_KIB.contains(&params.m_cost())
        && PASSES.contains(&params.t_cost())
        && LANES.contains(&params.p_cost());
    let salt = phc.salt?.decode_b64(&mut [0; 64]).ok().map(<[u8]>::len)?;
    let lengths = SALT.contains(&salt) && OUTPUT.contains(&phc.hash?.len());
    let cost = u64::from(params.m_cost()) * u64::from(params.t_cost());
    (argon2id && version && named && complete && costs && lengths).then(|| (phc.into(), cost))
}

/// The configured accounts, as far as signing in with a password goes.
pub struct Passwords {
    accounts: Vec<Account>,
    /// Which account's hash is the costliest: the work that is done for unknown user names too.
    costliest: Option<usize>,
    cost: u64,
}

struct Account {
    username: String,
    hash: Option<PasswordHashString>,
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Passwords({})", self.accounts.len())
    }
}

/// An account that cannot be configured. Its number counts from 0 in the order given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unusable {
    /// The hash is not one that [`check_phc`] takes.
    Hash(usize),
    /// The user name is empty.
    NoUsername(usize),
    /// An account before it has the same user name.
    SameUsername(usize),
}

/// Proof that a password was right.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use]
pub struct Verified(usize);

impl Verified {
    /// Whose it is: the number of the account, from 0 in the order given to [`Passwords::new`].
    #[must_use]
    pub const fn account(self) -> usize {
        self.0
    }
}

/// Why there is no [`Verified`], for the operator's log. The person reads the same words for all of
/// them: which user names exist is not told (FD-35).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// The password is longer than [`LONGEST_PASSWORD`].
    TooLong,
    /// No account has that user name.
    UnknownUsername,
    /// The account is there for other ways to sign in; no password is right (FD-40).
    NoPassword,
    /// The password is another.
    Password,
}

impl Passwords {
    /// Takes the accounts: user name and, when the account may sign in with a password, PHC string.
    ///
    /// # Errors
    /// The first [`Unusable`] account.
    pub fn new<'a>(
        accounts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Result<Self, Unusable> {
        let mut taken: Vec<Account> = Vec::new();
        let mut costliest: Option<(usize, u64)> = None;
        for (number, (username, phc)) in accounts.into_iter().enumerate() {
            if username.is_empty() {
                return Err(Unusable::NoUsername(number));
            }
            if taken.iter().any(|account| account.username == username) {
                return Err(Unusable::SameUsername(number));
            }
            let hash = match phc.map(|phc| parse(phc).ok_or(Unusable::Hash(number))).transpose()? {
                None => None,
                Some((hash, cost)) => {
                    if costliest.is_none_or(|(_, most)| cost > most) {
                        costliest = Some((number, cost));
                    }
                    Some(hash)
                }
            };
            taken.push(Account { username: username.to_owned(), hash });
        }
        let cost = costliest.map(|(_, cost)| cost).unwrap_or_default();
        Ok(Self { accounts: taken, costliest: costliest.map(|(number, _)| number), cost })
    }

    /// What a check costs at the most: KiB of memory times passes.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether nobody can sign in with a password.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.costliest.is_none()
    }

    /// Checks a password, byte by byte as it was sent: nothing is trimmed, folded or normalised
    /// (FD-40). Takes tens of milliseconds and the hash's memory, and yields to nothing meanwhile,
    /// so an isolate never does two at a time (FD-39).
    ///
    /// A user name without an account, or without a password, costs what the costliest configured
    /// hash costs. Times are alike, then, as long as all accounts' hashes have the same parameters:
    /// an account with cheaper ones is told from an unknown name by a shorter time (FD-35).
    ///
    /// # Errors
    /// [`Wrong`].
    pub fn check(&self, username: &str, password: &Password) -> Result<Verified, Wrong> {
        if password.expose().len() > LONGEST_PASSWORD {
            return Err(Wrong::TooLong);
        }
        let found = self.accounts.iter().position(|account| account.username == username);
        let own = found.and_then(|number| self.hash(number));
        let matches = own.or_else(|| self.decoy()).is_some_and(|hash| matches(hash, password));

        // What a decoy was compared with says nothing: only an account's own hash counts.
        let number = found.ok_or(Wrong::UnknownUsername)?;
        own.ok_or(Wrong::NoPassword)?;
        if matches { Ok(Verified(number)) } else { Err(Wrong::Password) }
    }

    fn hash(&self, number: usize) -> Option<&PasswordHashString> {
        self.accounts.get(number)?.hash.as_ref()
    }

    /// Stands in where there is no hash: the costliest one there is, so that no hash has to be made
    /// up and none is cheaper to compare.
    fn decoy(&self) -> Option<&PasswordHashString> {
        self.costliest.and_then(|number| self.hash(number))
    }
}

/// Hashes `password` with the parameters of `hash` and compares in constant time.
fn matches(hash: &PasswordHashString, password: &Password) -> bool {
    Argon2::default().verify_password(password.expose().as_bytes(), &hash.password_hash()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::PasswordHasher;
    use argon2::password_hash::SaltString;

    const SALT_TEXT: &str = "c29tZXNhbHRzb21lc2FsdA";

    fn phc_of(password: &str, memory: u32, passes: u32) -> String {
        let params = Params::new(memory, passes, 1, None).unwrap();
        let salt = SaltString::from_b64(SALT_TEXT).unwrap();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(password.as_bytes(), &salt)
            .unwrap()
            .to_string()
    }

    fn phc(password: &str) -> String {
        phc_of(password, 1024, 1)
    }

    fn check(passwords: &Passwords, username: &str, password: &str) -> Result<usize, Wrong> {
        passwords.check(username, &Password::new(password)).map(Verified::account)
    }

    /// alice has a password, bob has another, carol has none.
    fn passwords() -> Passwords {
        let (alice, bob) = (phc("correct horse"), phc("battery staple"));
        Passwords::new([("alice", Some(&*alice)), ("bob", Some(&*bob)), ("carol", None)]).unwrap()
    }

    #[test]
    fn the_right_password_is_verified_as_its_own_account_and_no_other() {
        let passwords = passwords();
        assert_eq!(check(&passwords, "alice", "correct horse"), Ok(0));
        assert_eq!(check(&passwords, "bob", "battery staple"), Ok(1));
        assert_eq!(check(&passwords, "alice", "battery staple"), Err(Wrong::Password));
    }

    #[test]
    fn a_hash_made_by_the_reference_implementation_verifies() {
        // `echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -e`, of phc-winner-argon2.
        let phc = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ\
                   $CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let passwords = Passwords::new([("alice", Some(phc))]).unwrap();
        assert_eq!(check(&passwords, "alice", "password"), Ok(0));
    }

    #[test]
    fn fd_35_no_password_lets_an_unknown_user_in_not_even_the_decoys() {
        let passwords = passwords();
        for password in ["correct horse", "battery staple", "", "null"] {
            assert_eq!(check(&passwords, "mallory", password), Err(Wrong::UnknownUsername));
            assert_eq!(check(&passwords, "", password), Err(Wrong::UnknownUsername));
        }
    }

    #[test]
    fn fd_35_the_decoy_is_as_costly_as_the_costliest_account() {
        let (cheap, dear) = (phc_of("a", 1024, 1), phc_of("b", 2048, 3));
        let passwords = Passwords::new([("alice", Some(&*cheap)), ("bob", Some(&*dear))]).unwrap();
        let decoy = Params::try_from(&passwords.decoy().unwrap().password_hash()).unwrap();
        assert_eq!((decoy.m_cost(), decoy.t_cost()), (2048, 3));
    }

    /// The shortest of interleaved runs, and only their order of magnitude: machines that run tests
    /// are busy, and a branch without a hash would be a thousand times quicker.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "measures the time that work takes")]
    fn fd_35_unknown_and_passwordless_users_take_as_long_as_known_ones() {
        let hash = phc_of("right", 4096, 2);
        let passwords = Passwords::new([("alice", Some(&*hash)), ("carol", None)]).unwrap();
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..31 {
            for (name, times) in ["alice", "mallory", "carol"].into_iter().zip(&mut times) {
                let start = std::time::Instant::now();
                assert!(check(&passwords, name, "wrong").is_err());
                times.push(start.elapsed());
            }
        }
        let [known, unknown, without] = times.map(|times| times.into_iter().min().unwrap());
        for other in [unknown, without] {
            assert!(other < known * 20 && known < other * 20, "{known:?} and {other:?}");
        }
    }

    #[test]
    fn fd_39_a_password_of_512_bytes_is_checked_and_a_longer_one_is_not() {
        let longest = "x".repeat(LONGEST_PASSWORD);
        let hash = phc(&longest);
        let passwords = Passwords::new([("alice", Some(&*hash))]).unwrap();
        assert_eq!(check(&passwords, "alice", &longest), Ok(0));
        for username in ["alice", "mallory"] {
            let too_long = format!("{longest}x");
            assert_eq!(check(&passwords, username, &too_long), Err(Wrong::TooLong));
        }
        // Bytes, not characters.
        assert_eq!(check(&passwords, "alice", &"é".repeat(257)), Err(Wrong::TooLong));
    }

    #[test]
    fn fd_40_every_byte_of_a_password_counts() {
        let exact = " Pä\u{0}ss \u{301}";
        let hash = phc(exact);
        let passwords = Passwords::new([("alice", Some(&*hash))]).unwrap();
        assert_eq!(check(&passwords, "alice", exact), Ok(0));
        let composed = exact.replace('ä', "a\u{308}");
        let cut = exact.split('\u{0}').next().unwrap();
        for wrong in [exact.trim(), &exact.to_lowercase(), &composed, cut, &format!("{exact} ")] {
            assert_eq!(check(&passwords, "alice", wrong), Err(Wrong::Password), "{wrong:?}");
        }
    }

    #[test]
    fn fd_40_user_names_are_compared_exactly_too() {
        for other in ["Alice", "alice ", " alice", "alice\u{0}", "alic"] {
            let answer = check(&passwords(), other, "correct horse");
            assert_eq!(answer, Err(Wrong::UnknownUsername), "{other:?}");
        }
    }

    #[test]
    fn fd_40_an_account_without_a_password_takes_none() {
        for password in ["", "null", "undefined", "correct horse"] {
            assert_eq!(check(&passwords(), "carol", password), Err(Wrong::NoPassword));
        }
        let nobody = Passwords::new([("carol", None)]).unwrap();
        assert!(nobody.is_empty());
        assert_eq!(check(&nobody, "carol", ""), Err(Wrong::NoPassword));
    }

    #[test]
    fn only_argon2id_with_sane_costs_can_be_configured() {
        let with = |params: &str| format!("$argon2id$v=19${params}${SALT_TEXT}${}", "A".repeat(43));
        for good in ["m=19456,t=2,p=1", "m=65536,t=10,p=4", "m=1024,t=1,p=1"] {
            assert!(check_phc(&with(good)), "{good}");
        }
        for bad in [
            "m=65537,t=2,p=1",
            "m=19456,t=11,p=1",
            "m=19456,t=2,p=5",
            "m=1023,t=2,p=1",
            "m=19456,t=0,p=1",
            "m=19456,t=2,p=0",
            "m=19456,t=2",
            "m=19456",
            "",
            "m=19456,t=2,p=1,keyid=AAAA",
            "m=19456,t=2,p=1,data=AAAA",
            "m=19456,t=2,p=1,x=1",
            "m=4294967295,t=2,p=1",
            "m=99999999999,t=2,p=1",
            "m=-1,t=2,p=1",
        ] {
            assert!(!check_phc(&with(bad)), "{bad}");
        }
        let good = with("m=19456,t=2,p=1");
        for bad in [
            good.replace("argon2id", "argon2i"),
            good.replace("argon2id", "argon2d"),
            good.replace("argon2id", "scrypt"),
            good.replace("v=19", "v=16"),
            good.replace("$v=19", ""),
            good.replace(SALT_TEXT, "c2FsdA"),
            good.replace(&"A".repeat(43), ""),
            good.replace(&"A".repeat(43), "AAAAAAAAAAAAAAAA"),
            format!(" {good}"),
            format!("{good}\n"),
            good[..good.rfind('$').unwrap()].to_owned(),
            "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW".to_owned(),
            "correct horse".to_owned(),
            String::new(),
        ] {
            assert!(!check_phc(&bad), "{bad}");
        }
    }

    #[test]
    fn an_account_that_cannot_be_configured_is_named_by_its_number() {
        let good = phc("x");
        let new =
            |accounts: &[(&str, Option<&str>)]| Passwords::new(accounts.iter().copied()).err();
        assert_eq!(new(&[("a", Some(&good)), ("b", Some("secret"))]), Some(Unusable::Hash(1)));
        assert_eq!(new(&[("a", None), ("a", Some(&good))]), Some(Unusable::SameUsername(1)));
        assert_eq!(new(&[("", Some(&good))]), Some(Unusable::NoUsername(0)));
        assert_eq!(new(&[]), None);
    }

    #[test]
    fn passwords_do_not_print() {
        assert_eq!(format!("{:?}", passwords()), "Passwords(3)");
    }
}
