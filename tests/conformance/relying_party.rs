//! A plan's happy flow once more, by the relying party that the gateway is built on.

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;
use shared::jose::native::Native;
use shared::rp::authorization::{Flow, Hints};
use tests::believe;
use tests::browser::{Browser, Reply};
use tests::client::{API, C1, C2, RS256};
use tests::people::ALICE;
use tests::world::issuer;

#[test]
fn the_relying_party_of_the_gateway_signs_in_here() {
    let issuer = issuer();
    for client in [C1, C2, RS256, API] {
        let (party, provider) = believe::relying_party(&issuer, client);
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let flow = Flow::new(Some(600), &mut rng);
        let metadata = pollster::block_on(provider.metadata(&issuer, issuer.now())).unwrap();
        let browser = Browser::new(&issuer);
        let url = flow.authorization_url(&party, &metadata, Hints::default());
        let reply = Reply::of(&browser.sign_in(&browser.get(&url), ALICE));
        let (_, query) = reply.location.split_once('?').unwrap();
        let code = flow.callback(query.as_bytes(), &metadata).unwrap();
        let now = issuer.now();
        let signed_in = party.sign_in(&code, &flow, &provider, &metadata, &issuer, &Native, now);
        let signed_in = pollster::block_on(signed_in).unwrap();
        assert!(signed_in.tokens.refresh_token.is_some());
        assert!(signed_in.claims.auth_time.is_some() && signed_in.claims.session_id.is_some());
    }
}
