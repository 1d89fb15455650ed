//! Web Push as the daemon sends it, against a push service that takes what browsers' services take.

use std::path::PathBuf;
use std::sync::Arc;

use keng::access::Access;
use keng::access::Role;
use keng::access::password;
use keng::access::users;
use keng::access::users::User;
use keng::clock::SystemClock;
use keng::outbox::Entry;
use keng::outbox::Sequence;
use keng::outlet::Prepared;
use keng::outlet::Sink as _;
use keng::push::Config;
use keng::push::Push;
use keng::push::SubscriptionRefused;
use keng::time::Clock;
use keng::time::Wall;
use keng::ward::Id;
use keng::ward::Language;
use keng::ward::Secret;
use serde_json::Value;
use serde_json::json;

use crate::mosquitto::until;
use crate::phone::Phone;
use crate::phone::claims;
use crate::receiver::Got;
use crate::receiver::Receiver;
use crate::receiver::Reply;
use crate::receiver::status;
use crate::street::Running;
use crate::street::Street;

/// A ward with users, a push service, and what tells them of each other.
struct Ward {
    street: Street,
    service: Receiver,
    push: Push,
    reader: String,
}

/// What a service makes of a browser, by its endpoint.
fn judged(got: &Got) -> Option<Reply> {
    let code = ["/gone", "/lost", "/refuses"].iter().position(|end| got.path.ends_with(end));
    if got.path.ends_with("/busy") {
        // Longer than any test.
        return Some(Reply::Says(429, "retry-after", "600", String::new()));
    }
    code.map(|at| status([410, 404, 403][at]))
}

fn set(street: &Street, name: &str, word: &str, role: Role) {
    let hash = password::hash(name, &Secret::new(word.to_owned())).unwrap();
    let user = User { full_name: None, role, hash };
    users::change(street.store(), |users| {
        users.insert(name.to_owned(), user);
        Ok(())
    })
    .unwrap();
}

fn open(street: &Street, ca_file: PathBuf, port: u16, language: Language) -> Push {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let access = Access::open(street.store(), clock.clone()).unwrap();
    let contact = "mailto:admin@phuong-14.example".to_owned();
    let services = vec![format!("localhost:{port}").parse().unwrap()];
    let config = Config { contact, services, ca_file: Some(ca_file) };
    Push::open(street.store(), config, access, clock, language).unwrap()
}

impl Ward {
    async fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self::speaking(Language::Vi, replies).await
    }

    async fn speaking(language: Language, replies: impl IntoIterator<Item = Reply>) -> Self {
        let street = Street::new();
        set(&street, "police", "gõ kẻng ba hồi", Role::Police);
        set(&street, "khu", "gõ kẻng ba hồi", Role::KhuPho([Id::new("kp3").unwrap()].into()));
        let ca_file = street.store().join("ca.pem");
        let service = Receiver::tls(&ca_file, replies, judged).await;
        let push = open(&street, ca_file, service.address.port(), language);
        let reader = format!("push/localhost:{}", service.address.port());
        street.outbox.register_reader(&reader).unwrap();
        Self { street, service, push, reader }
    }

    /// As the daemon does after a start.
    fn reopen(&mut self) {
        let ca_file = self.street.store().join("ca.pem");
        self.push = open(&self.street, ca_file, self.service.address.port(), Language::Vi);
    }

    fn run(&self) -> Running {
        let mut pushers = self.push.pushers(&self.street.metrics);
        assert_eq!(pushers.len(), 1);
        let pusher = pushers.remove(0);
        assert_eq!(pusher.reader(), self.reader);
        self.street.run_sink(pusher)
    }

    /// A browser of somebody, at an endpoint that ends like this.
    fn phone(&self, seed: u8, user: &str, end: &str) -> Phone {
        let endpoint = format!("https://localhost:{}/{seed}/{end}", self.service.address.port());
        let phone = Phone::new(seed, endpoint);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let access = Access::open(self.street.store(), clock).unwrap();
        let viewer = access.recipient(user, &access.generation(user).unwrap()).unwrap();
        self.push.subscribe(&viewer, &phone.endpoint, &phone.p256dh(), &phone.auth()).unwrap();
        phone
    }

    async fn all_read(&self) {
        let last = self.street.outbox.last();
        until("all read", || self.street.outbox.cursor(&self.reader).unwrap() == last).await;
    }

    fn sent(&self) -> Vec<Got> {
        self.service.got()
    }
}

/// What a browser of the police is told of the alerts that `fill` appends, one notification a line.
pub(crate) async fn notifications(language: Language, fill: impl FnOnce(&Street)) -> String {
    let ward = Ward::speaking(language, []).await;
    let police = ward.phone(1, "police", "a");
    fill(&ward.street);
    let running = ward.run();
    ward.all_read().await;
    running.stop().await;
    police.texts(&ward.sent()).iter().map(|text| format!("{text}\n")).collect()
}

fn ids(told: &[Value]) -> Vec<&str> {
    told.iter().map(|one| one["khu_pho"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn everybody_is_told_what_they_may_see_and_nobody_on_the_way_reads_it() {
    let ward = Ward::new([]).await;
    let (police, khu) = (ward.phone(1, "police", "a"), ward.phone(2, "khu", "b"));
    let running = ward.run();
    ward.street.add(1, 1, &json!({"khu_pho": "kp3", "message": "CHÁY tại Hẻm 42"}));
    ward.street.add(2, 1, &json!({"khu_pho": "kp4"}));
    ward.street.add(1, 2, &json!({"khu_pho": "kp3", "message": "nothing new"}));
    ward.street.add(3, 1, &json!({"khu_pho": "kp3", "kind": "camera"}));
    ward.street.add(1, 3, &json!({"khu_pho": "kp3", "state": "acknowledged"}));
    ward.all_read().await;
    running.stop().await;
    let sent = ward.sent();
    assert_eq!(ids(&police.told(&sent)), ["kp3", "kp4", "kp3"]);
    let told = khu.told(&sent);
    assert_eq!(ids(&told), ["kp3", "kp3"]);
    assert_eq!(
        (&told[0]["title"], &told[0]["body"]),
        (&json!("Cháy · Kẻng"), &json!("CHÁY tại Hẻm 42"))
    );
    assert_eq!((&told[0]["urgent"], &told[1]["urgent"]), (&json!(true), &json!(false)));
    let first = sent.iter().find(|got| got.path.ends_with("/b")).unwrap();
    assert!(khu.reads(first) && !police.reads(first), "each message is for one browser");
    // As long as that, it is not in what looks like noise by chance.
    assert!(!String::from_utf8_lossy(&first.body).contains("Hẻm 42"));
    assert_eq!((first.header("content-encoding"), first.header("urgency")), ("aes128gcm", "high"));
    let lasts: u32 = first.header("ttl").parse().unwrap();
    assert!((3_500..=3_600).contains(&lasts), "{lasts}");
    let topic = first.header("topic");
    assert_eq!(topic.len(), 32, "one notification an incident, where the phone was off");
    let again = sent.iter().rfind(|got| got.path.ends_with("/b")).unwrap();
    assert_eq!((again.header("topic"), again.header("urgency")), (topic, "normal"));
    let claimed = claims(first, &ward.push.key());
    assert_eq!(claimed["aud"], format!("https://localhost:{}", ward.service.address.port()));
    assert_eq!(claimed["sub"], "mailto:admin@phuong-14.example");
    let now = SystemClock::new().now().wall.as_millis() / 1_000;
    assert!((now..=now + 86_400).contains(&claimed["exp"].as_i64().unwrap()));
}

#[tokio::test]
async fn what_happens_while_the_daemon_is_down_is_told_when_it_is_back() {
    let mut ward = Ward::new([]).await;
    let police = ward.phone(1, "police", "a");
    let running = ward.run();
    ward.street.add(1, 1, &json!({}));
    ward.all_read().await;
    running.die().await;
    ward.street.add(2, 1, &json!({}));
    ward.street = ward.street.restart();
    let key = ward.push.key();
    ward.reopen();
    assert_eq!(ward.push.key(), key, "subscriptions are made for it");
    let running = ward.run();
    ward.street.add(3, 1, &json!({}));
    ward.all_read().await;
    running.stop().await;
    assert_eq!(police.told(&ward.sent()).len(), 3);
    assert_eq!(ward.street.letters(), []);
}

#[tokio::test]
async fn a_browser_that_is_gone_is_forgotten_and_so_is_one_whose_user_is() {
    let mut ward = Ward::new([]).await;
    let police = ward.phone(1, "police", "a");
    for (seed, end) in [(2, "gone"), (3, "lost")] {
        ward.phone(seed, "police", end);
    }
    ward.phone(4, "khu", "b");
    let running = ward.run();
    ward.street.add(1, 1, &json!({}));
    ward.all_read().await;
    assert_eq!(ward.sent().len(), 4);
    let kept = std::fs::read_to_string(ward.street.store().join("access/push.json")).unwrap();
    assert!(!kept.contains("/gone") && !kept.contains("/lost") && kept.contains("/1/a"), "{kept}");
    running.stop().await;

    // Another password ends what was subscribed with the one before; another khu phố ends what is
    // told, and not the subscription.
    set(&ward.street, "police", "bon nam sau bay", Role::Police);
    users::change(ward.street.store(), |users| {
        users.get_mut("khu").unwrap().role = Role::KhuPho([Id::new("kp9").unwrap()].into());
        Ok(())
    })
    .unwrap();
    ward.reopen();
    let running = ward.run();
    ward.street.add(2, 1, &json!({}));
    ward.all_read().await;
    assert_eq!(ward.sent().len(), 4, "nobody is told any more");
    let kept = std::fs::read_to_string(ward.street.store().join("access/push.json")).unwrap();
    assert!(!kept.contains("/1/a") && kept.contains("/4/b"), "{kept}");
    running.stop().await;
    assert_eq!(police.told(&ward.sent()).len(), 1);
}

#[tokio::test]
async fn one_browser_that_fails_keeps_no_other_waiting() {
    let ward = Ward::new([]).await;
    let police = ward.phone(1, "police", "a");
    ward.phone(2, "police", "busy");
    ward.phone(3, "police", "refuses");
    let running = ward.run();
    for incident in 1..=3 {
        ward.street.add(incident, 1, &json!({}));
    }
    ward.all_read().await;
    running.stop().await;
    let sent = ward.sent();
    assert_eq!(police.told(&sent).len(), 3, "each once");
    let count = |end: &str| sent.iter().filter(|got| got.path.ends_with(end)).count();
    assert_eq!((count("/busy"), count("/refuses")), (9, 3));
    assert_eq!(ward.street.metrics.push_dropped.get(), 6);
    assert_eq!(ward.street.letters(), [], "somebody was told");
}

#[tokio::test]
async fn a_service_that_is_away_is_waited_for_and_one_that_refuses_all_is_told_of() {
    let ward = Ward::new([status(503), Reply::Says(429, "retry-after", "0", String::new())]).await;
    let police = ward.phone(1, "police", "a");
    let running = ward.run();
    ward.street.add(1, 1, &json!({}));
    ward.all_read().await;
    assert_eq!(police.told(&ward.sent()).len(), 3, "the same again until it is taken");
    running.stop().await;

    let ward = Ward::new([]).await;
    ward.phone(1, "police", "refuses");
    let running = ward.run();
    ward.street.add(1, 1, &json!({}));
    ward.all_read().await;
    running.stop().await;
    let letters = ward.street.letters();
    assert_eq!((letters.len(), letters[0].sequence), (1, Sequence(1)));
    assert_eq!(letters[0].reason, "HTTP 403");
}

#[tokio::test]
async fn what_is_over_and_old_wakes_nobody() {
    let ward = Ward::new([]).await;
    ward.phone(1, "police", "a");
    ward.street.add(1, 1, &json!({}));
    ward.street.add(2, 1, &json!({}));
    let closed = json!({"state": "resolved", "closed_at": "2026-11-21T22:20:00.000+07:00"});
    ward.street.add(2, 2, &closed);
    let pusher = ward.push.pushers(&ward.street.metrics).remove(0);
    let outbox = &ward.street.outbox;
    let prepared = |sequence, wall: Option<Wall>| {
        let entry = outbox.get(Sequence(sequence)).unwrap().unwrap();
        let wall = wall.unwrap_or(entry.wall);
        pusher.prepare(outbox, &Entry { wall, ..entry }).unwrap()
    };
    assert!(matches!(prepared(3, None), Prepared::Delivery(_)));
    assert!(matches!(prepared(3, Some(Wall(0))), Prepared::Poison(_)));
    assert!(matches!(prepared(1, Some(Wall(0))), Prepared::Delivery(_)), "it goes on");
}

#[tokio::test]
async fn a_browser_names_no_host_of_its_own_choice() {
    let ward = Ward::new([]).await;
    let phone = ward.phone(1, "police", "a");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let access = Access::open(ward.street.store(), clock).unwrap();
    let police = access.recipient("police", &access.generation("police").unwrap()).unwrap();
    let port = ward.service.address.port();
    for endpoint in [
        format!("http://localhost:{port}/x"),
        format!("https://127.0.0.1:{port}/x"),
        format!("https://localhost:{}/x", port - 1),
        "https://localhost/x".to_owned(),
        "https://169.254.169.254/latest".to_owned(),
        "https://fcm.googleapis.com/not/allowed/here".to_owned(),
    ] {
        let refused = ward.push.subscribe(&police, &endpoint, &phone.p256dh(), &phone.auth());
        assert!(matches!(refused, Err(SubscriptionRefused::Service)), "{endpoint}");
    }
    let refused = ward.push.subscribe(&police, &phone.endpoint, &phone.auth(), &phone.p256dh());
    assert!(matches!(refused, Err(SubscriptionRefused::Keys)));
    assert!(!ward.push.unsubscribe(&police, "https://elsewhere.example/x").unwrap());
    assert!(ward.push.unsubscribe(&police, &phone.endpoint).unwrap());
    let running = ward.run();
    ward.street.add(1, 1, &json!({}));
    ward.all_read().await;
    running.stop().await;
    assert_eq!(ward.sent().len(), 0);
}
