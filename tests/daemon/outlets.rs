//! Alerts beyond broker and page, by the daemon as it is configured.

use serde_json::Value;
use serde_json::json;

use crate::STATUS;
use crate::daemon::Site;
use crate::daemon::camera;
use crate::daemon::ward;
use crate::mosquitto::Mosquitto;
use crate::mosquitto::free_port;
use crate::mosquitto::until;
use crate::receiver::Receiver;
use crate::receiver::status;
use crate::subscriber::AlertSubscriber;
use crate::subscriber::say;

const TOKEN: &str = "123:hunter2";

fn report(port: u16, kind: &str, place: &str) {
    let payload = format!(r#"{{"kind":"{kind}","by":"Ba Năm","place":"{place}"}}"#);
    say(port, "keng/p14/kp3/report", &payload, &[]);
}

#[tokio::test]
async fn a_webhook_and_home_assistant_are_told_and_what_is_refused_is_shown() {
    let site = Site::new().with_secret("KENG_TOKEN", TOKEN);
    let broker = Mosquitto::start().await;
    let subscriber = AlertSubscriber::new(broker.port, "phone").await;
    let receiver = Receiver::start([status(200), status(403)]).await;
    let url = format!("rtsp://127.0.0.1:{}/cam", free_port());
    let outlets = format!(
        "[home_assistant]\nenabled = true\n[[webhook]]\nid = \"chat\"\n\
         url = \"http://{}/bot{{secret}}/send\"\nurl_secret = {{ env = \"KENG_TOKEN\" }}\n\
         body = '{{\"text\":\"{{message}}\"}}'\nkinds = [\"fire\", \"other\"]\n",
        receiver.address
    );
    let text = ward(broker.port, &[camera(1, "hem-42", &url, "")]);
    site.configure(&format!("{text}\n{outlets}"));
    let daemon = site.start().await;
    until("the session stands", || !subscriber.on(STATUS).is_empty()).await;

    report(broker.port, "fire", "Chợ");
    until("the webhook is told", || receiver.got().len() == 1).await;
    let got = receiver.got().remove(0);
    assert_eq!(got.path, format!("/bot{TOKEN}/send"));
    let said: Value = serde_json::from_slice(&got.body).unwrap();
    assert!(said["text"].as_str().unwrap().starts_with("CHÁY tại Chợ"), "{said}");
    let device = "homeassistant/device/keng_p14/camera_hem-42/config";
    until("the camera is announced", || subscriber.newest(device)["device"].is_object()).await;
    let burns = || subscriber.newest("keng/p14/kp3/status")["kinds"] == json!(["fire"]);
    until("the khu phố's sensor is on", burns).await;

    report(broker.port, "other", "Cầu");
    until("it was refused", || subscriber.newest(STATUS)["set_aside"] == 1).await;
    let page = daemon.status();
    assert_eq!(page["set_aside"], 1);
    let chat = json!([{ "id": "webhook/chat", "behind": 0, "failing": "HTTP 403" }]);
    assert_eq!(page["outlets"], chat);
    assert!(!daemon.log.text().contains("hunter2"), "a secret is in the log");
}
