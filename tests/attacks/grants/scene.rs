//! What each cell of the table is played on: a person, a client, what it was granted, and neighbours
//! whom nothing of it concerns.

use super::{Cell, Check, Use};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use shared::fetch::Response;
use tests::assertion::Key;
use tests::browser::{Browser, Reply, forms, is_consent};
use tests::client::{
    API, Ask, Auth, C1, C2, C4, C6, Client, Draft, SERVER, SignedIn, THIRD, Tokens, bound_userinfo,
    json as object, userinfo,
};
use tests::dpop::{Proof, thumbprint};
use tests::expect::invalid_grant;
use tests::listener::unverified;
use tests::people::{ALICE, BOB};
use tests::registration::{INITIAL, Registered, metadata, register, with};
use tests::world::{Issuer, issuer};

const HOME: &str = "https://api.test";
const FILES: &str = "https://files.test/v1";
const MANAGE: &str = "gatelatch:clients";

/// The key that a grant is given to.
const KEY: Key = Key::Ec(1);
/// Somebody else's.
const OTHER: Key = Key::Ec(2);

/// What is left of the scope when the rest is taken.
pub(super) const LEFT: [&str; 2] = ["offline_access", "openid"];

/// An issuer for a row; none over HTTP, where the settings stay as they are and nothing may be done
/// that other tests would notice.
pub(super) fn issuer_for(check: Check) -> Option<Issuer> {
    let issuer = issuer();
    let alone = match check {
        Check::AccountGone
        | Check::OtherPassword
        | Check::Disabled
        | Check::ClientGone
        | Check::ScopeTaken
        | Check::ResourceTaken
        | Check::EndedAfar
        | Check::EndedAfarOffline
        | Check::AllEnded
        | Check::KeyDropped => true,
        Check::OtherClient
        | Check::NoProof
        | Check::Withdrawn
        | Check::ClientRemoved
        | Check::WiderScope
        | Check::OtherResource
        | Check::SignedOut
        | Check::Ended
        | Check::SignedOver
        | Check::SignedOutOffline
        | Check::EndedOffline
        | Check::SignedOverOffline
        | Check::Revoked
        | Check::CodeTwice
        | Check::OldToken
        | Check::NoKey
        | Check::OtherKey
        | Check::NoKeyPublic
        | Check::OtherKeyPublic => false,
    };
    if !issuer.is_inside() {
        return (!alone).then_some(issuer);
    }
    // Alice is an administrator, and those clients may have the scope of it.
    let token = tests::client::tokens(&issuer, C1).access;
    let alice = object(&userinfo(&token).send(&issuer))["sub"].clone();
    issuer.inside().deploy_again(|settings| {
        settings.insert("ADMINS".to_owned(), json!([alice]));
        for id in [C1.id, API.id, THIRD.id] {
            let client = of(settings, "CLIENTS", "client_id", id);
            client["scope"] = format!("{} {MANAGE}", client["scope"].as_str().unwrap()).into();
        }
    });
    Some(issuer)
}

/// An entry of a list of the settings.
fn of<'s>(settings: &'s mut Map<String, Value>, list: &str, name: &str, is: &str) -> &'s mut Value {
    let list = settings[list].as_array_mut().unwrap();
    list.iter_mut().find(|entry| entry[name] == is).unwrap()
}

fn remove(settings: &mut Map<String, Value>, list: &str, name: &str, is: &str) {
    settings[list].as_array_mut().unwrap().retain(|entry| entry[name] != is);
}

/// A grant with a code, and one that has been refreshed twice, of one session.
pub(super) struct Scene<'i> {
    pub(super) issuer: &'i Issuer,
    pub(super) check: Check,
    client: Client,
    registered: Option<Registered>,
    browser: Browser<'i, Issuer>,
    ask: Ask,
    waiting: String,
    used: String,
    oldest: Tokens,
    previous: Tokens,
    current: Tokens,
    /// What the current access token was exchanged for, if its client may do that.
    exchanged: Option<String>,
    neighbours: Vec<(Client, Tokens)>,
    /// The settings, when they are changed for a while.
    before: Option<Map<String, Value>>,
}

impl<'i> Scene<'i> {
    pub(super) fn set(issuer: &'i Issuer, check: Check) -> Self {
        let registered = match check {
            Check::ClientRemoved => true,
            // Over HTTP, Alice's other grants for a client of everybody's would end too.
            Check::Withdrawn => !issuer.is_inside(),
            _ => false,
        };
        let scope = "openid profile email offline_access";
        let registered = registered
            .then(|| Registered::new(issuer, INITIAL[3], &with(&json!({ "scope": scope }))));
        let client = match (&registered, check) {
            (Some(registered), _) => registered.client(),
            (None, Check::Withdrawn) => THIRD,
            (None, Check::OtherResource | Check::ResourceTaken) => API,
            (None, Check::NoKeyPublic | Check::OtherKeyPublic) => C4,
            // Its tokens are for the issuer alone, so that they do at `/register`.
            (None, _) => C1,
        };
        let mut ask = Ask::of(client).set("scope", &wish(issuer, check));
        match check {
            Check::OtherResource => ask = ask.set("resource", FILES),
            Check::ResourceTaken => ask = ask.set("resource", HOME),
            _ if is_keyed(check) => ask = ask.set("dpop_jkt", &thumbprint(KEY)),
            _ => {}
        }
        let signed_in = SignedIn::new(issuer, ask);
        let used = signed_in.reply.code();
        let send = |draft| given(check, draft, issuer);
        let oldest = send(signed_in.redeem());
        let previous = send(client.refresh(oldest.refresh()));
        let current = send(client.refresh(previous.refresh()));
        let SignedIn { browser, ask, .. } = signed_in;
        let answer = browser.get(&ask.url(issuer));
        // In the very second in which a client was registered nothing is remembered.
        let asks = is_consent(&answer);
        let answer = if asks { browser.decide(issuer.url(), &answer, "allow") } else { answer };
        let waiting = Reply::of(&answer).code();
        let mut scene = Self {
            issuer,
            check,
            client,
            registered,
            browser,
            ask,
            waiting,
            used,
            oldest,
            previous,
            current,
            exchanged: None,
            neighbours: Vec::new(),
            before: None,
        };
        let exchanges = !scene.is_registered() && client.auth != Auth::Public;
        scene.exchanged = exchanges.then(|| send(client.exchange(&scene.current.access)).access);
        scene.neighbours = scene.neighbours();
        scene
    }

    /// What goes on whatever happens: another grant of the same person, and another person's of the
    /// same client.
    fn neighbours(&self) -> Vec<(Client, Tokens)> {
        // Over HTTP there are other tests, which would notice.
        if !self.issuer.is_inside() {
            return Vec::new();
        }
        let (hers, theirs) = match self.check {
            Check::AllEnded => (None, Some("openid")),
            Check::ClientRemoved => (Some("openid"), None),
            Check::EndedAfar | Check::EndedAfarOffline => {
                (Some("openid offline_access"), Some("openid"))
            }
            _ => (Some("openid"), Some("openid")),
        };
        let hers = hers.map(|scope| (ALICE, C2, scope));
        let theirs = theirs.map(|scope| (BOB, self.client, scope));
        let grant = |(person, client, scope)| {
            let ask = Ask::of(client).set("scope", scope);
            let redeem = SignedIn::by(self.issuer, ask, person).redeem();
            (client, Tokens::of(&redeem.send(self.issuer)))
        };
        hers.into_iter().chain(theirs).map(grant).collect()
    }

    /// Whether the client has registered itself.
    pub(super) const fn is_registered(&self) -> bool {
        self.registered.is_some()
    }

    /// The words that were granted.
    pub(super) fn granted(&self) -> Vec<&str> {
        let mut words: Vec<_> = self.ask.get("scope").unwrap().split(' ').collect();
        words.sort_unstable();
        words
    }

    /// Has it happen.
    pub(super) fn befall(&mut self) {
        let (issuer, client, browser) = (self.issuer, self.client, &self.browser);
        let own = issuer.at("/account");
        let hint = || format!("{}?id_token_hint={}", issuer.at("/end_session"), self.current.id());
        let elsewhere = || SignedIn::new(issuer, Ask::of(C2)).browser;
        let answer = match self.check {
            // It is the request itself that is wrong.
            Check::OtherClient
            | Check::NoProof
            | Check::WiderScope
            | Check::OtherResource
            | Check::NoKey
            | Check::OtherKey
            | Check::NoKeyPublic
            | Check::OtherKeyPublic => return,
            Check::AccountGone
            | Check::OtherPassword
            | Check::Disabled
            | Check::ClientGone
            | Check::ScopeTaken
            | Check::ResourceTaken
            | Check::KeyDropped => return self.deploy(),
            Check::Withdrawn => browser.post(&own, &[("app", client.id)]),
            Check::ClientRemoved => {
                self.registered.as_ref().unwrap().manage(Method::DELETE).send(issuer)
            }
            Check::SignedOut | Check::SignedOutOffline => browser.get(&hint()),
            Check::Ended | Check::EndedOffline => {
                let fields = forms(&browser.get(&own)).into_iter().flat_map(|form| form.fields);
                let mut sessions = fields.filter(|(name, _)| name == "session");
                let (_, here) = sessions.next().unwrap();
                browser.post(&own, &[("session", &here)])
            }
            Check::EndedAfar | Check::EndedAfarOffline => {
                elsewhere().post(&own, &[("end", "others")])
            }
            Check::SignedOver | Check::SignedOverOffline => {
                let page = browser.get(&Ask::of(C2).set("prompt", "login").url(issuer));
                browser.sign_in(&page, BOB)
            }
            Check::AllEnded => elsewhere().post(&own, &[("end", "everything")]),
            Check::Revoked => client.revoke(self.current.refresh()).send(issuer),
            Check::CodeTwice => {
                return invalid_grant(&client.redeem(&self.used, &self.ask).send(issuer), "twice");
            }
            Check::OldToken => {
                return invalid_grant(&client.refresh(self.oldest.refresh()).send(issuer), "old");
            }
        };
        let status = answer.status();
        assert!(
            status.is_success() || status == StatusCode::SEE_OTHER,
            "{:?} {status}",
            self.check
        );
    }

    fn deploy(&mut self) {
        let kid = jsonwebtoken::decode_header(&self.current.access).unwrap().kid.unwrap();
        let account = unverified(&self.current.access)["sub"].clone();
        let (check, client) = (self.check, self.client.id);
        let mut before = Map::new();
        self.issuer.inside().deploy_again(|settings| {
            before.clone_from(settings);
            match check {
                Check::AccountGone => remove(settings, "ACCOUNTS", "username", ALICE.username),
                Check::OtherPassword => {
                    let other =
                        of(settings, "ACCOUNTS", "username", BOB.username)["password"].clone();
                    of(settings, "ACCOUNTS", "username", ALICE.username)["password"] = other;
                }
                Check::Disabled => {
                    settings.insert("DISABLED_ACCOUNTS".into(), json!([account]));
                }
                Check::ClientGone => remove(settings, "CLIENTS", "client_id", client),
                Check::ScopeTaken => {
                    of(settings, "CLIENTS", "client_id", client)["scope"] = LEFT.join(" ").into();
                }
                Check::ResourceTaken => {
                    of(settings, "CLIENTS", "client_id", client)["audience"] = "urn:other".into();
                }
                Check::KeyDropped => drop(settings.insert("DROPPED_KEYS".into(), kid.into())),
                _ => panic!("{check:?} is no matter of the settings"),
            }
        });
        // A key that was dropped stays so whatever the settings say.
        self.before = (check != Check::KeyDropped).then_some(before);
    }

    /// The request: a valid one, but for what the check is about.
    pub(super) fn draft(&self, one: Use) -> Draft {
        let Self { client, check, .. } = *self;
        let code = match check {
            Check::Revoked | Check::CodeTwice | Check::OldToken => &self.used,
            _ => &self.waiting,
        };
        let draft = match one {
            Use::Code => client.redeem(code, &self.ask),
            Use::Refresh => client.refresh(self.current.refresh()),
            Use::Repeat => client.refresh(self.previous.refresh()),
            Use::Userinfo if proves_other(check) => {
                let token = &self.current.access;
                bound_userinfo(token, Proof::with(OTHER, token))
            }
            Use::Userinfo => userinfo(&self.current.access),
            Use::AskAccess => client.introspect(&self.current.access),
            Use::AskRefresh => client.introspect(self.current.refresh()),
            Use::Exchange => client.exchange(&self.current.access),
            Use::AskExchanged => client.introspect(self.exchanged.as_deref().unwrap()),
            Use::EndByAccess => client.revoke(&self.current.access),
            Use::EndByRefresh => client.revoke(self.current.refresh()),
            Use::Register => register(&self.current.access, &metadata()),
        };
        let for_tokens = matches!(one, Use::Code | Use::Refresh | Use::Repeat | Use::Exchange);
        match (check, one) {
            (Check::OtherClient, _) => draft.by_client(C6),
            (Check::NoProof, _) => draft.auth(client.id, Auth::Public),
            (Check::WiderScope, _) if for_tokens => draft.set("scope", "openid profile email"),
            (Check::OtherResource, _) if for_tokens => draft.set("resource", HOME),
            (check, _) if for_tokens && proves_other(check) => draft.proof(Proof::of(OTHER)),
            // The resource itself asks.
            (Check::OtherResource, Use::AskAccess | Use::AskRefresh | Use::AskExchanged)
            | (Check::ResourceTaken, Use::AskAccess | Use::AskExchanged) => draft.by_client(SERVER),
            _ => draft,
        }
    }

    /// A use that was refused has used nothing up and ended nothing: when the obstacle is out of the
    /// way, everything works that it did not end itself.
    pub(super) fn aftermath(mut self, one: Use, cell: Cell, what: &str) {
        if let Some(before) = self.before.take() {
            self.issuer.inside().deploy_again(|settings| *settings = before);
        }
        let is_good = matches!(cell, Cell::Same | Cell::Less);
        let has_ended = is_good && matches!(one, Use::EndByAccess | Use::EndByRefresh);
        let (code, family) = self.left();
        if code && !(is_good && one == Use::Code) {
            let draft = prove(self.check, self.client.redeem(&self.waiting, &self.ask));
            let answer = draft.send(self.issuer);
            assert_eq!(answer.status(), StatusCode::OK, "{what}: the code is as it was");
        }
        let draft = prove(self.check, self.client.refresh(self.current.refresh()));
        let answer = draft.send(self.issuer);
        if family && !has_ended {
            assert_eq!(answer.status(), StatusCode::OK, "{what}: the family is as it was");
            let next = tokens(self.check, &answer);
            assert_eq!(next.scope(), self.granted(), "{what}: and did not shrink");
            if next.scope().contains(&"openid") {
                let told = if is_keyed(self.check) {
                    bound_userinfo(&next.access, Proof::with(KEY, &next.access))
                } else {
                    userinfo(&next.access)
                };
                let told = told.send(self.issuer);
                assert_eq!(told.status(), StatusCode::OK, "{what}: its access tokens are good");
            }
        } else {
            assert!(answer.status().is_client_error(), "{what}: nothing brings it back");
        }
        for (client, tokens) in &self.neighbours {
            let answer = client.refresh(tokens.refresh()).send(self.issuer);
            assert_eq!(answer.status(), StatusCode::OK, "{what}: {} goes on", client.id);
        }
    }

    /// Whether the check leaves the code, and whether it leaves the family, when it is over.
    fn left(&self) -> (bool, bool) {
        match self.check {
            Check::OtherClient
            | Check::NoProof
            | Check::AccountGone
            | Check::OtherPassword
            | Check::Disabled
            | Check::ClientGone
            | Check::ScopeTaken
            | Check::WiderScope
            | Check::OtherResource
            | Check::ResourceTaken
            | Check::KeyDropped
            | Check::NoKey
            | Check::OtherKey
            | Check::NoKeyPublic
            | Check::OtherKeyPublic => (true, true),
            Check::Revoked | Check::CodeTwice | Check::OldToken => (true, false),
            Check::SignedOutOffline
            | Check::EndedOffline
            | Check::EndedAfarOffline
            | Check::SignedOverOffline => (false, true),
            Check::Withdrawn
            | Check::ClientRemoved
            | Check::SignedOut
            | Check::Ended
            | Check::EndedAfar
            | Check::SignedOver
            | Check::AllEnded => (false, false),
        }
    }
}

/// Whether the grant is given to who proves a key.
const fn is_keyed(check: Check) -> bool {
    matches!(check, Check::NoKey | Check::OtherKey | Check::NoKeyPublic | Check::OtherKeyPublic)
}

const fn proves_other(check: Check) -> bool {
    matches!(check, Check::OtherKey | Check::OtherKeyPublic)
}

/// With what the grant wants to see.
fn prove(check: Check, draft: Draft) -> Draft {
    if is_keyed(check) { draft.proof(Proof::of(KEY)) } else { draft }
}

fn tokens(check: Check, answer: &Response) -> Tokens {
    if is_keyed(check) { Tokens::bound(answer) } else { Tokens::of(answer) }
}

/// What a good request brings.
fn given(check: Check, draft: Draft, issuer: &Issuer) -> Tokens {
    tokens(check, &prove(check, draft).send(issuer))
}

/// The scope that is asked for: as much as there is.
fn wish(issuer: &Issuer, check: Check) -> String {
    let words = match check {
        // Without `openid`, so that the token is not for the issuer.
        Check::OtherResource => "profile email offline_access",
        Check::WiderScope => return "profile offline_access".into(),
        Check::ClientRemoved | Check::NoKeyPublic | Check::OtherKeyPublic => {
            return "openid profile email offline_access".into();
        }
        Check::SignedOut | Check::Ended | Check::EndedAfar | Check::SignedOver => {
            "openid profile email"
        }
        _ => "openid profile email offline_access",
    };
    if issuer.is_inside() { format!("{words} {MANAGE}") } else { words.into() }
}
