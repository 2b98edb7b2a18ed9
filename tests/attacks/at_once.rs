//! FD-18: ways to sign in that are added, taken off and used at the same time: in any order of their
//! steps, and with requests that break off anywhere.

use crate::ways::{
    HOST, SESSION, account, away, buttons, linked, page, press, ways, with_upstream,
};
use http::{HeaderValue, Method, StatusCode};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use shared::fetch::{Request, Response};
use std::task::{Context, Poll, Waker};
use tests::browser::{Browser, posted, request};
use tests::memory::Moment;
use tests::people::ALICE;
use tests::upstream::{Net, net_of_three, onward, prove, to_upstream};
use tests::world::Issuer;

/// Of each mixture of requests: each is another order of their steps.
const ORDERS: u64 = 64;
/// Of them with one deployment, which remembers every secret that it ever told.
const AT_ONE: u64 = 16;

/// What requests of one person do at the same time. She has come by one upstream.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Adds a second one, which may be there already.
    Link,
    /// Takes it off.
    Unlink,
    /// Takes the first one off.
    UnlinkFirst,
    /// Signs in by the second, in another browser.
    SignIn,
}

/// One person, and what she is about to send.
struct Scene<'n> {
    net: &'n Net,
    browser: Browser<'n, Net>,
    account: String,
    /// Of the first and of the second.
    entries: [String; 2],
    /// The browser is about to come back.
    callback: String,
    /// Further browsers that are about to come back and sign in: by the first, and two by the second.
    arrivals: [(Browser<'n, Net>, String); 3],
    moments: Vec<Moment>,
}

impl<'n> Scene<'n> {
    fn new(net: &'n Net, is_linked: bool) -> Self {
        let browser = Browser::new(net);
        with_upstream(net, &browser, "acme", ALICE);
        let account = account(net, &browser).unwrap();
        linked(net, &browser, "other", ALICE);
        let before = net.issuer.inside().memory.moment();
        let mut entries = buttons(net, &browser);
        // Whichever ends this session is the one that it began by.
        let copy = browser.copy();
        press(net, &copy, "unlink", &entries[0]);
        if copy.cookie(HOST, SESSION).is_some() {
            entries.reverse();
        }
        net.issuer.inside().memory.undo(&before);
        if !is_linked {
            press(net, &browser, "unlink", &entries[1]);
            assert_eq!(ways(net, &browser), ["Acme"]);
        }
        let callback = away(net, &browser, "other", ALICE);
        let arrivals = ["acme", "other", "other"].map(|upstream| {
            let browser = Browser::new(net);
            let form = to_upstream(&page(net, &browser));
            let there = browser.submit(net.issuer.url(), &form, &[("upstream", upstream)]);
            let callback = prove(&browser, &onward(&there), ALICE);
            (browser, callback)
        });
        let entries = <[String; 2]>::try_from(entries).unwrap();
        let mut scene =
            Self { net, browser, account, entries, callback, arrivals, moments: vec![] };
        scene.moments = scene.issuers().map(|issuer| issuer.inside().memory.moment()).collect();
        scene
    }

    fn issuers(&self) -> impl Iterator<Item = &'n Issuer> + use<'n> {
        let Net { issuer, upstream, other, .. } = self.net;
        [Some(issuer), Some(&**upstream), other.as_deref()].into_iter().flatten()
    }

    /// Everything is as it was before anything was sent.
    fn again(&self) {
        for (issuer, moment) in self.issuers().zip(&self.moments) {
            issuer.inside().memory.undo(moment);
        }
    }

    fn request(&self, act: Act) -> Request {
        let press = |entry: &str| {
            let mut post = posted(&self.net.issuer.at("/account"), &[("unlink", entry)]);
            let origin = HeaderValue::from_str(self.net.issuer.url()).unwrap();
            post.headers_mut().insert("origin", origin);
            post
        };
        let [first, second] = &self.entries;
        let (elsewhere, sign_in) = &self.arrivals[2];
        let (mut request, browser) = match act {
            Act::Link => (request(Method::GET, &self.callback), &self.browser),
            Act::Unlink => (press(second), &self.browser),
            Act::UnlinkFirst => (press(first), &self.browser),
            Act::SignIn => (request(Method::GET, sign_in), elsewhere),
        };
        let cookies = HeaderValue::from_str(&browser.header(HOST)).unwrap();
        request.headers_mut().insert("cookie", cookies);
        request
    }

    /// Whether who signs in by the first, and by the second, is her. Nothing is changed by it.
    fn is_hers(&self) -> [bool; 2] {
        let now: Vec<_> = self.issuers().map(|issuer| issuer.inside().memory.moment()).collect();
        [0, 1].map(|number| {
            let (browser, callback) = &self.arrivals[number];
            let browser = browser.copy();
            let answer = browser.get(callback);
            let is_in = answer.status() == StatusCode::SEE_OTHER;
            let is_hers = is_in && account(self.net, &browser).as_ref() == Some(&self.account);
            for (issuer, now) in self.issuers().zip(&now) {
                issuer.inside().memory.undo(now);
            }
            is_hers
        })
    }

    /// Sends all of them, and lets one after the other have some turns. One in four breaks off before
    /// it is through; what became of the others.
    fn run(&self, acts: &[Act], rng: &mut ChaCha12Rng) -> Vec<Option<Response>> {
        let mut below = |bound: usize| usize::try_from(rng.next_u32()).unwrap() % bound;
        let mut context = Context::from_waker(Waker::noop());
        let begin = |(number, act): (usize, &Act)| {
            let patience = if below(4) == 0 { below(24) } else { usize::MAX };
            (number, patience, Box::pin(self.net.issuer.send(self.request(*act))))
        };
        let mut running: Vec<_> = acts.iter().enumerate().map(begin).collect();
        let mut answers: Vec<_> = acts.iter().map(|_| None).collect();
        while !running.is_empty() {
            let chosen = below(running.len());
            for _ in 0..=below(8) {
                let (number, patience, sent) = &mut running[chosen];
                if *patience == 0 {
                    drop(running.swap_remove(chosen));
                    break;
                }
                *patience -= 1;
                if let Poll::Ready(answer) = sent.as_mut().poll(&mut context) {
                    answers[*number] = Some(answer);
                    drop(running.swap_remove(chosen));
                    break;
                }
            }
        }
        answers
    }
}

/// What is said when an order turns out badly: with it the order can be had again.
fn told(acts: &[Act], order: u64, answers: &[Option<Response>]) -> String {
    let statuses = answers.iter().map(|answer| answer.as_ref().map(Response::status));
    format!("{acts:?} in order {order}: {:?}", statuses.collect::<Vec<_>>())
}

#[test]
fn fd_18_whatever_is_added_and_taken_off_at_once_somebody_can_always_get_in() {
    use Act::{Link, SignIn, Unlink, UnlinkFirst};
    let mixtures: [(bool, &[Act]); 6] = [
        (true, &[Unlink, UnlinkFirst]),
        (true, &[Link, Unlink, UnlinkFirst]),
        (true, &[Link, Unlink, Unlink, UnlinkFirst]),
        (true, &[Link, Unlink, Unlink, UnlinkFirst, SignIn]),
        (false, &[Link, UnlinkFirst, SignIn]),
        (false, &[Link, SignIn, Unlink, UnlinkFirst]),
    ];
    let mut hers = [0, 0];
    let deployments = (0..ORDERS).step_by(usize::try_from(AT_ONE).unwrap());
    for (lowest, (is_linked, acts)) in
        deployments.flat_map(|lowest| mixtures.map(|mixture| (lowest, mixture)))
    {
        let net = net_of_three();
        let scene = Scene::new(&net, is_linked);
        for order in lowest..lowest + AT_ONE {
            scene.again();
            let answers = scene.run(acts, &mut ChaCha12Rng::seed_from_u64(order));
            let told = || told(acts, order, &answers);
            let listed = account(&net, &scene.browser).map(|_| ways(&net, &scene.browser));
            let [first, second] = scene.is_hers();
            assert!(first || second, "{}: nobody gets in", told());
            hers = [hers[0] + u32::from(first), hers[1] + u32::from(second)];
            // When all has been done, what she is told is a way in is one.
            let is_done = answers.iter().flatten().count() == acts.len();
            if let Some(listed) = listed.filter(|_| is_done) {
                assert_eq!(listed.contains(&"Acme".to_owned()), first, "{}", told());
                assert_eq!(listed.contains(&"Other".to_owned()), second, "{}", told());
            }
        }
    }
    assert!(hers.iter().all(|times| *times > 50), "{hers:?}");
}
