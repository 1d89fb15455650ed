//! The sections that are there once, and the two plain lists.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use crate::attention::budget;
use crate::mqtt;
use crate::ward::Coordinates;
use crate::ward::FirePoint;
use crate::ward::FirePointKind;
use crate::ward::Id;
use crate::ward::KhuPho;
use crate::ward::Language;
use crate::ward::Secret;
use crate::ward::Ward;

use super::reader::Section;
use super::response;
use super::settings::DetectorConfig;
use super::settings::StoreConfig;
use super::settings::TeamSecrets;
use super::surroundings::Surroundings;
use super::unique_ids::UniqueIds;
use super::values;

/// Shorter keys of teams can be guessed.
const KEY_BYTES_MIN: usize = 16;

/// The file of the model, whatever it is called.
pub(super) const MODEL: &str = "models/keng.onnx";

/// `[ward]`, and where it is.
pub(super) fn ward(root: &Section<'_>) -> (Option<Ward>, Option<Coordinates>) {
    let remedy = "add [ward] with id = \"phuong-14\": it is the first level of all topics";
    let Some(section) = root.required("ward", remedy).and_then(|item| item.section()) else {
        return (None, None);
    };
    let id = section.required("id", "the first level of all topics, such as \"phuong-14\"");
    let id = id.and_then(|item| values::id(&item));
    let name = section.item("name").and_then(|item| item.text()).map(str::to_owned);
    let timezone = section.item("timezone").map_or_else(
        || jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").ok(),
        |item| {
            let name = item.text()?;
            let zone = jiff::tz::TimeZone::get(name).ok();
            if zone.is_none() {
                let remedy = "give an IANA name such as \"Asia/Ho_Chi_Minh\"";
                item.fault(format!("the time zone {name:?} is not known"), remedy);
            }
            zone
        },
    );
    let words = [("vi", Language::Vi), ("en", Language::En)];
    let language = section.item("language").map_or(Some(Language::Vi), |item| item.word(&words));
    let coordinates = values::coordinates(&section);
    section.finish();
    let ward = id.zip(timezone).zip(language).map(|((id, timezone), language)| Ward {
        name: name.unwrap_or_else(|| id.to_string()),
        id,
        timezone,
        language,
    });
    (ward, coordinates)
}

/// Returns what holds without `[mqtt]`.
pub(super) fn mqtt_defaults() -> mqtt::Config {
    mqtt::Config {
        url: None,
        listen: ([127, 0, 0, 1], 1883).into(),
        username: None,
        password: None,
        ca_file: None,
        client_cert: None,
        client_key: None,
        keep_alive: Duration::from_secs(15),
        signed_age_max: Duration::from_secs(900),
        reports_per_minute: 30,
    }
}

/// `[mqtt]`.
pub(super) fn mqtt(root: &Section<'_>, around: &Surroundings<'_>) -> mqtt::Config {
    let mut config = mqtt_defaults();
    let Some(section) = root.section("mqtt") else { return config };
    let url = section.item("url");
    let listen = section.item("listen");
    if let (Some(_), Some(unused)) = (&url, &listen) {
        unused.warning("not used: with a url there is no embedded broker", "take one of them out");
    }
    let example = "mqtts://broker.example:8883";
    config.url = url.and_then(|item| {
        let url = values::url(&item, &["mqtt", "mqtts"], example)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            item.fault("a broker's url has no path", &format!("write it like {example:?}"));
        }
        Some(url)
    });
    if let Some(address) = listen.as_ref().and_then(values::listen) {
        config.listen = address;
    }
    (config.username, config.password) = values::credentials(&section, around);
    if let Some(item) = listen.filter(|_| !config.listen.ip().is_loopback())
        && config.username.is_none()
    {
        let message = "the embedded broker lets in everybody who can reach this address";
        item.warning(message, "add username and password");
    }
    let pem = |key| {
        let item = section.item(key)?;
        if config.url.as_ref().is_none_or(|url| url.scheme() != "mqtts") {
            item.warning("not used: only an mqtts url needs certificates", "take it out");
        }
        values::path(&item, around)
    };
    (config.ca_file, config.client_cert, config.client_key) =
        (pem("ca_file"), pem("client_cert"), pem("client_key"));
    if config.client_cert.is_some() != config.client_key.is_some() {
        section.fault(
            "a certificate without its key, or a key alone",
            "give client_cert and client_key",
        );
    }
    if let Some(age) =
        section.item("signed_age_max_s").and_then(|item| item.number(10..=86_400, " (seconds)"))
    {
        config.signed_age_max = Duration::from_secs(age);
    }
    let reports = section.item("reports_per_minute");
    if let Some(reports) = reports.and_then(|item| item.number(1..=100_000, "")) {
        config.reports_per_minute = reports;
    }
    let keep_alive = section.item("keep_alive_s");
    if let Some(seconds) = keep_alive.and_then(|item| item.number(1..=600, " (seconds)")) {
        config.keep_alive = Duration::from_secs(seconds);
    }
    section.finish();
    config
}

/// Returns what holds without `[store]`.
pub(super) fn store_defaults(around: &Surroundings<'_>) -> StoreConfig {
    StoreConfig {
        path: around.base_dir.join("var"),
        retention_days: 30,
        detections_mb_max: 2_048,
        snapshots_mb_max: 4_096,
        reserve_mb: 128,
    }
}

/// `[store]`.
pub(super) fn store(root: &Section<'_>, around: &Surroundings<'_>) -> StoreConfig {
    let mut config = store_defaults(around);
    let Some(section) = root.section("store") else { return config };
    if let Some(path) = section.item("path").and_then(|item| values::path(&item, around)) {
        config.path = path;
    }
    let days = section.item("retention_days");
    if let Some(days) = days.and_then(|item| item.number(1..=3650, " (days)")) {
        config.retention_days = days;
    }
    let most = section.item("detections_mb_max");
    if let Some(most) = most.and_then(|item| item.number(0..=1_048_576, " (MiB)")) {
        config.detections_mb_max = most;
    }
    let most = section.item("snapshots_mb_max");
    if let Some(most) = most.and_then(|item| item.number(1..=1_048_576, " (MiB)")) {
        config.snapshots_mb_max = most;
    }
    let reserve = section.item("reserve_mb");
    if let Some(reserve) = reserve.and_then(|item| item.number(0..=1_048_576, " (MiB)")) {
        config.reserve_mb = reserve;
    }
    section.finish();
    config
}

/// Returns what holds without `[detector]`.
pub(super) fn detector_defaults(around: &Surroundings<'_>) -> DetectorConfig {
    DetectorConfig { model: model_path(Path::new(MODEL), around), threads: 2 }
}

/// `[detector]`.
pub(super) fn detector(root: &Section<'_>, around: &Surroundings<'_>) -> DetectorConfig {
    let mut config = detector_defaults(around);
    let Some(section) = root.section("detector") else { return config };
    if let Some(text) = section.item("model").and_then(|item| item.text()) {
        config.model = model_path(Path::new(text), around);
    }
    let threads = section.item("threads");
    if let Some(threads) = threads.and_then(|item| item.number(1..=64, " (threads)")) {
        config.threads = threads;
    }
    section.finish();
    config
}

/// `[attention]`.
pub(super) fn attention(root: &Section<'_>) -> budget::Config {
    let mut config = budget::Config::default();
    let Some(section) = root.section("attention") else { return config };
    let gap = section.item("idle_gap_max_s");
    if let Some(gap) = gap.and_then(|item| item.number(2.0..=60.0, " (seconds)")) {
        config.idle_gap_max = Duration::from_secs_f64(gap);
    }
    let share = section.item("cpu_share");
    if let Some(share) = share.and_then(|item| item.number(0.05..=1.0, "")) {
        config.cpu_share = share;
    }
    section.finish();
    config
}

/// The first place where the model is: the configuration's folder, the current one, beside the
/// binary, the system's. Where it is nowhere, the first of them, so that messages name it.
fn model_path(model: &Path, around: &Surroundings<'_>) -> PathBuf {
    let beside = model.file_name().unwrap_or(model.as_os_str());
    let mut places = vec![around.base_dir.join(model), model.to_path_buf()];
    if let Some(binary) = &around.binary_dir {
        places.push(binary.join("../../models").join(beside));
        places.push(binary.join("models").join(beside));
    }
    places.push(Path::new("/usr/share/keng").join(beside));
    let found = places.iter().position(|place| place.is_file()).unwrap_or(0);
    places.swap_remove(found)
}

/// `[[khu_pho]]`.
pub(super) fn khu_pho(
    root: &Section<'_>,
    around: &Surroundings<'_>,
) -> (Vec<KhuPho>, BTreeMap<Id, TeamSecrets>) {
    let mut seen = UniqueIds::default();
    let (mut list, mut secrets) = (Vec::new(), BTreeMap::new());
    for section in root.sections("khu_pho") {
        let id = section.required("id", "the second level of its topics, such as \"kp3\"");
        let id = id.and_then(|item| seen.unique_id(&item));
        let name = section.item("name").and_then(|item| item.text()).map(str::to_owned);
        let team = response::team(&section);
        let secret = |key| section.item(key).and_then(|item| values::secret(&item, around));
        let of_team = TeamSecrets { key: key(&section, around), password: secret("password") };
        section.finish();
        if let Some(id) = id {
            secrets.insert(id.clone(), of_team);
            list.push(KhuPho { name: name.unwrap_or_else(|| id.to_string()), id, team });
        }
    }
    (list, secrets)
}

/// `key` of a khu phố.
fn key(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Secret> {
    let item = section.item("key")?;
    let key = values::secret(&item, around)?;
    if key.reveal().len() < KEY_BYTES_MIN {
        item.fault("the key is too short to hold", "make one with: openssl rand -hex 32");
        return None;
    }
    Some(key)
}

/// `[[fire_point]]`.
pub(super) fn fire_points(root: &Section<'_>) -> Vec<FirePoint> {
    let kinds = [FirePointKind::Extinguisher, FirePointKind::Hydrant, FirePointKind::Water];
    let words = kinds.map(|kind| (kind.as_str(), kind));
    let mut list = Vec::new();
    for section in root.sections("fire_point") {
        let kind = section.required("kind", "extinguisher, hydrant or water");
        let kind = kind.and_then(|item| item.word(&words));
        let name = section.required("name", "people look for it by this").and_then(|i| i.text());
        let place = values::place(&section);
        if let Some(place) = &place
            && place.coordinates.is_none()
            && let Some(item) = section.item("place")
        {
            let remedy = "add latitude and longitude to its place";
            item.warning("without coordinates it is no fire's nearest", remedy);
        }
        section.finish();
        if let (Some(kind), Some(name), Some(place)) = (kind, name, place) {
            list.push(FirePoint { kind, name: name.to_owned(), place });
        }
    }
    list
}
